import { StorageUnavailableError } from '../errors.ts';
import { sleep, type Timers } from '../runtime/clock.ts';

/** Requests to the table take no longer; then they are given up, done or not. */
export const TABLE_MS_MAX = 8_000;

/**
 * Aborts the request and rejects with StorageUnavailableError when it is not answered in time; with the signal's reason, and
 * asks nothing, when that is aborted already. Nothing waits for ever.
 */
export async function within<T>(
  timers: Timers,
  act: (signal: AbortSignal) => Promise<T>,
  { ms = TABLE_MS_MAX, signal }: { readonly ms?: number; readonly signal?: AbortSignal } = {},
): Promise<T> {
  signal?.throwIfAborted();
  const limit = new AbortController();
  const stop = () => limit.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  const late = async (): Promise<never> => {
    await sleep(timers, ms, limit.signal);
    throw new StorageUnavailableError(`the table did not answer within ${ms} ms`);
  };
  try {
    return await Promise.race([act(limit.signal), late()]);
  } finally {
    signal?.removeEventListener('abort', stop);
    limit.abort(new StorageUnavailableError('it was given up'));
  }
}
