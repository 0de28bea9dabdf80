import type { ClientRuntime } from '../../../src/client/transport.ts';

/** Turns of the event loop after which nothing else is left to do: a stand-in takes one per request. */
const IDLE_TURNS = 4;

/** Time that passes as soon as nothing else is left to do, so that minutes of retries take milliseconds. */
export function virtualTime(chance: () => number = () => 0.5): ClientRuntime {
  let now = 0;
  let stepping = false;
  const timers: { readonly due: number; readonly callback: () => void }[] = [];
  const step = async () => {
    stepping = true;
    while (timers.length > 0) {
      for (let turn = 0; turn < IDLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
      timers.sort((a, b) => a.due - b.due);
      const timer = timers.shift();
      if (!timer) break;
      now = Math.max(now, timer.due);
      timer.callback();
    }
    stepping = false;
  };
  return {
    clock: { now: () => now, monotonic: () => now },
    timers: {
      after(delayMs, callback) {
        const timer = { due: now + delayMs, callback };
        timers.push(timer);
        if (!stepping) void step();
        return {
          cancel() {
            const at = timers.indexOf(timer);
            if (at !== -1) timers.splice(at, 1);
          },
        };
      },
      soon: (callback) => void setImmediate(callback),
    },
    random: { bytes: (length) => Buffer.alloc(length, 7), float: chance },
  };
}
