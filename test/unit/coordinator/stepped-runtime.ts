/** A runtime whose time passes only when a test says so. What is due then fires in order, and settles before the next. */
import type { Timers } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { PrometheusMetrics } from '../../../src/runtime/metrics.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { seededRandom } from '../storage/virtual-runtime.ts';

export interface SteppedRuntime extends Runtime {
  /** Resolves when all that was due is done. */
  advance(ms: number): Promise<void>;
  /** Time passes in which the process does not run: what was due comes late, with the next `advance`. */
  stall(ms: number): void;
  /** Resolves when everything that is under way, and needs no time, is done. */
  settle(): Promise<void>;
  readonly timerCount: number;
}

interface Pending {
  readonly at: number;
  readonly callback: () => void;
}

/** Turns of the event loop: more than a durable write over memory stores takes. */
const TURNS = 12;
const START = 1_700_000_000_000;

export function steppedRuntime(seed = 1): SteppedRuntime {
  let now = 0;
  let pending: Pending[] = [];
  const settle = async () => {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const timers: Timers = {
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      pending.push(timer);
      return {
        cancel() {
          pending = pending.filter((each) => each !== timer);
        },
      };
    },
    soon: (callback) => void setImmediate(callback),
  };
  return {
    clock: { now: () => START + now, monotonic: () => now },
    timers,
    random: seededRandom(seed),
    logger: silentLogger,
    metrics: new PrometheusMetrics(),
    settle,
    stall(ms) {
      now += ms;
    },
    get timerCount() {
      return pending.length;
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const [next] = pending.filter(({ at }) => at <= end).sort((left, right) => left.at - right.at);
        if (!next) break;
        pending = pending.filter((each) => each !== next);
        now = Math.max(now, next.at);
        next.callback();
        await settle();
      }
      now = end;
    },
  };
}
