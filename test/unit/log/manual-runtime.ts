import { systemTimers } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { PrometheusMetrics } from '../../../src/runtime/metrics.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { seededRandom } from '../storage/virtual-runtime.ts';

export interface ManualRuntime extends Runtime {
  readonly elapsedMs: number;
  /** Lets time pass: timers fire in order, and everything that follows from each has its turns before the next. */
  advance(ms: number): Promise<void>;
}

/** Turns of the event loop that follow from one timer here: journal and stores in memory take a few. */
const TURNS = 12;

export async function turns(count = TURNS): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => systemTimers.soon(() => resolve(null)));
}

/** A runtime whose time passes only when the test says so. */
export function manualRuntime(seed = 1): ManualRuntime {
  let now = 0;
  const pending = new Set<{ readonly at: number; readonly callback: () => void }>();
  return {
    clock: { now: () => 1_763_683_200_000 + Math.floor(now), monotonic: () => now },
    timers: {
      soon: systemTimers.soon,
      after(delayMs, callback) {
        const timer = { at: now + delayMs, callback };
        pending.add(timer);
        return { cancel: () => void pending.delete(timer) };
      },
    },
    random: seededRandom(seed),
    logger: silentLogger,
    metrics: new PrometheusMetrics(),
    get elapsedMs() {
      return now;
    },
    async advance(ms) {
      const end = now + ms;
      await turns();
      for (;;) {
        const due = [...pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        pending.delete(due);
        now = Math.max(now, due.at);
        due.callback();
        await turns();
      }
      now = end;
    },
  };
}
