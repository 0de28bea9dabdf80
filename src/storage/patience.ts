/**
 * A store that is away when a broker starts: the broker says so every few seconds and goes on asking, for a while. A
 * restart of both at once must not need an order; a wrong address must not look like a broker that is starting.
 */
import { StartupError, StorageRefusedError, StorageUnavailableError } from '../errors.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface Patience {
  /** No further attempt begins later than this after the first. */
  readonly totalMs: number;
  readonly pauseMs: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

export const STARTUP_PATIENCE: Patience = { totalMs: 60_000, pauseMs: 2_000 };

/** Does `action` until it succeeds. Throws StartupError when the store refuses, or stays away too long. */
export async function whenStoreAnswers<Output>(
  what: string,
  runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>,
  action: () => Promise<Output>,
  { totalMs, pauseMs, signal }: Patience = STARTUP_PATIENCE,
): Promise<Output> {
  const began = runtime.clock.monotonic();
  for (;;) {
    try {
      return await action();
    } catch (cause) {
      if (!(cause instanceof StorageUnavailableError)) throw cause;
      if (cause instanceof StorageRefusedError) throw new StartupError(`${what}: ${cause.message}`, { cause });
      const elapsedMs = runtime.clock.monotonic() - began;
      if (elapsedMs + pauseMs > totalMs) {
        const seconds = Math.round(elapsedMs / 1_000);
        throw new StartupError(`${what} did not answer for ${seconds} s: ${cause.message}`, { cause });
      }
      runtime.logger.warn({ reason: cause.message, nextAttemptMs: pauseMs }, `${what} does not answer`);
      await sleep(runtime.timers, pauseMs, signal);
    }
  }
}
