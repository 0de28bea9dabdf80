/** What `src/runtime` is to a real broker: time, chance and output of one simulated process. */
import type { Clock, Timers } from '../../src/runtime/clock.ts';
import type { LogFields, Logger } from '../../src/runtime/logger.ts';
import type { Counter, Gauge, Histogram, Metrics } from '../../src/runtime/metrics.ts';
import type { Random } from '../../src/runtime/random.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Gate } from './gate.ts';
import type { SimulatedTime } from './simulated-time.ts';

export interface SimulatedRuntimeOptions {
  readonly time: SimulatedTime;
  readonly gate: Gate;
  readonly random: Random;
  /** How far the wall clock of this process is from the true one, milliseconds. Asked at every look. */
  readonly wallSkewMs: () => number;
  readonly log: (level: LogLevel, line: string) => void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export function simulatedRuntime({ time, gate, random, wallSkewMs, log }: SimulatedRuntimeOptions): Runtime {
  const clock: Clock = {
    now: () => time.now() + wallSkewMs(),
    monotonic: () => time.monotonic(),
  };
  const timers: Timers = {
    after: (delayMs, callback) => time.after(delayMs, () => gate.enter(callback)),
    soon: (callback) => time.soon(() => gate.enter(callback)),
  };
  return { clock, timers, random, logger: tracingLogger(log), metrics: noMetrics };
}

function tracingLogger(log: (level: LogLevel, line: string) => void, bindings: LogFields = {}): Logger {
  const at = (level: LogLevel) => (fields: LogFields, message: string) =>
    log(level, `${message} ${describeFields({ ...bindings, ...fields })}`);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => tracingLogger(log, { ...bindings, ...more }),
  };
}

/** Errors by name and message: stacks name machine paths. */
function describeFields(fields: LogFields): string {
  return JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? describeError(value) : value));
}

export function describeError(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const because = cause.cause === undefined ? '' : ` <- ${describeError(cause.cause)}`;
  return `${cause.name}: ${cause.message}${because}`;
}

const counter: Counter = { add() {} };
const gauge: Gauge = { set() {} };
const histogram: Histogram = { observe() {} };

/** Thousands of processes live in one run: nobody looks at their metrics. */
const noMetrics: Metrics = {
  counter: () => counter,
  gauge: () => gauge,
  histogram: () => histogram,
  expose: () => Promise.resolve(''),
};
