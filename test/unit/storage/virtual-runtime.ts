/**
 * A runtime whose time passes only when nothing else is left to do: each timer fires as soon as the event loop is idle,
 * earliest first, and the clock jumps to it. Chance is seeded.
 */
import type { Clock, Timers } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { PrometheusMetrics } from '../../../src/runtime/metrics.ts';
import type { Random } from '../../../src/runtime/random.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';

export interface VirtualRuntime extends Runtime {
  /** Milliseconds that passed. */
  readonly elapsedMs: number;
}

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export function virtualRuntime(seed = 1): VirtualRuntime {
  let now = 0;
  let order = 0;
  let pumping = false;
  const pending: Pending[] = [];

  const pump = () => {
    const next = pending.shift();
    if (!next) {
      pumping = false;
      return;
    }
    now = Math.max(now, next.at);
    next.callback();
    setImmediate(pump);
  };
  const clock: Clock = { now: () => 1_000_000 + Math.floor(now), monotonic: () => now };
  const timers: Timers = {
    after(delayMs, callback) {
      order += 1;
      const timer = { at: now + delayMs, order, callback };
      pending.push(timer);
      pending.sort((left, right) => left.at - right.at || left.order - right.order);
      if (!pumping) {
        pumping = true;
        setImmediate(pump);
      }
      return {
        cancel() {
          const index = pending.indexOf(timer);
          if (index >= 0) pending.splice(index, 1);
        },
      };
    },
    soon: (callback) => void setImmediate(callback),
  };
  return {
    clock,
    timers,
    random: seededRandom(seed),
    logger: silentLogger,
    metrics: new PrometheusMetrics(),
    get elapsedMs() {
      return now;
    },
  };
}

/** Mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { float, bytes: (length) => Buffer.from(Array.from({ length }, () => Math.floor(float() * 256))) };
}
