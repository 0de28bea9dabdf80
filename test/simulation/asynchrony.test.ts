/**
 * What would make runs differ: a thread, a file, a timer, a clock or chance that does not come from the simulated runtime.
 * Watches one run for all of them, and names the line of `src` that asked.
 */
import { createHook } from 'node:async_hooks';
import { expect, test, vi } from 'vitest';
import { simulate } from './simulation.ts';

/** What the simulator itself runs on. */
const OWN = new Set(['PROMISE', 'Immediate', 'TickObject', 'Microtask']);
const TIMEOUT_MS = 120_000;

/** The first frame in the broker, when there is one. */
function broker(): string | undefined {
  return new Error().stack?.split('\n').find((line) => /\/src\/[a-z-]+/.test(line));
}

test.each([1, 3])(
  'a run of %i brokers waits for nothing but the simulated clock, and draws nothing but seeded chance',
  async (brokers) => {
    const leaks = new Set<string>();
    const see = (what: string) => {
      const frame = broker();
      if (frame) leaks.add(`${what} ${frame.trim()}`);
    };
    const hook = createHook({
      init: (_id, type) => {
        if (!OWN.has(type)) see(type);
      },
    });
    const spies = [
      vi.spyOn(Date, 'now').mockImplementation(watched('Date.now', Date.now, see)),
      vi.spyOn(Math, 'random').mockImplementation(watched('Math.random', Math.random, see)),
      vi
        .spyOn(performance, 'now')
        .mockImplementation(watched('performance.now', performance.now.bind(performance), see)),
    ];
    hook.enable();
    try {
      await simulate({ seed: 5, minutes: 0.05, journals: 4, brokers });
    } finally {
      hook.disable();
      for (const spy of spies) spy.mockRestore();
    }
    expect([...leaks]).toEqual([]);
  },
  TIMEOUT_MS,
);

function watched(what: string, real: () => number, see: (what: string) => void): () => number {
  return () => {
    see(what);
    return real();
  };
}
