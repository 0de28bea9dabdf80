/**
 * Asks again when a store did not answer or asked to slow down. Every request of the ports is safe to repeat, with one
 * thing to know: a conditional write that is repeated may meet the effect of its own first attempt, whose answer was
 * lost, and then says `exists` or `{ ok: false, existing }`. Callers put something of their own into what they write and
 * compare. A write marked `once` is never repeated here: the journal has stricter rules of its own.
 *
 * Not repeated: a full store and a refusal, which last, and corruption. The adapters' own repeats are off, so what the
 * meter below this decorator counts is what went over the wire.
 */
import { StorageFullError, StorageRefusedError, StorageThrottledError, StorageUnavailableError } from '../errors.ts';
import { sleep } from '../runtime/clock.ts';
import type { Counter } from '../runtime/metrics.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataOptions, MetadataStore } from './metadata-store.ts';
import type { ObjectStore, RequestOptions } from './object-store.ts';

export interface RetryPolicy {
  /** Requests for one call, the first one included. */
  readonly attemptsMax: number;
  /** Wait after the first failure; doubles with each further one up to `delayMsMax`, less up to half by chance. */
  readonly delayMs: number;
  readonly delayMsMax: number;
  /** A throttled request waits this many times longer: hurrying keeps the store throttled. */
  readonly throttledFactor: number;
  /** No further attempt begins later than this after the call began. */
  readonly totalMsMax: number;
}

export const RETRY_POLICY: RetryPolicy = {
  attemptsMax: 8,
  delayMs: 25,
  delayMsMax: 3_000,
  throttledFactor: 4,
  totalMsMax: 15_000,
};

/** Milliseconds to wait before the next attempt, null when there shall be none. `failures` counts from 1. */
export function retryDelayMs(
  cause: unknown,
  failures: number,
  elapsedMs: number,
  chance: number,
  policy: RetryPolicy = RETRY_POLICY,
): number | null {
  if (!(cause instanceof StorageUnavailableError)) return null;
  if (cause instanceof StorageFullError || cause instanceof StorageRefusedError) return null;
  if (failures >= policy.attemptsMax) return null;
  const factor = cause instanceof StorageThrottledError ? policy.throttledFactor : 1;
  const delayMs = Math.min(policy.delayMsMax, policy.delayMs * factor * 2 ** (failures - 1));
  const jitteredMs = delayMs * (1 - chance / 2);
  return elapsedMs + jitteredMs > policy.totalMsMax ? null : jitteredMs;
}

type Wrap = <Output>(operation: string, options: RequestOptions, request: () => Promise<Output>) => Promise<Output>;

function retrying(store: string, runtime: Runtime, policy: RetryPolicy): Wrap {
  const retries: Counter = runtime.metrics.counter({
    name: 'storage_retries_total',
    help: 'Requests to the stores that were sent again.',
    labels: ['store', 'operation'],
  });
  return async (operation, options, request) => {
    const began = runtime.clock.monotonic();
    for (let failures = 1; ; failures += 1) {
      try {
        return await request();
      } catch (cause) {
        const elapsedMs = runtime.clock.monotonic() - began;
        const delayMs = retryDelayMs(cause, failures, elapsedMs, runtime.random.float(), policy);
        if (delayMs === null) throw cause;
        retries.add(1, { store, operation });
        runtime.logger.debug({ store, operation, failures, delayMs, err: cause }, 'asking a store again');
        await sleep(runtime.timers, delayMs, options.signal);
      }
    }
  };
}

export function retryingObjectStore(
  inner: ObjectStore,
  runtime: Runtime,
  policy: RetryPolicy = RETRY_POLICY,
): ObjectStore {
  const wrap = retrying('objects', runtime, policy);
  return {
    pricing: inner.pricing,
    create: (key, parts, options) => wrap('create', options, () => inner.create(key, parts, options)),
    read: (key, range, options) => wrap('read', options, () => inner.read(key, range, options)),
    readLast: (key, length, options) => wrap('readLast', options, () => inner.readLast(key, length, options)),
    list: (prefix, after, limit, options) => wrap('list', options, () => inner.list(prefix, after, limit, options)),
    delete: (keys, options) => wrap('delete', options, () => inner.delete(keys, options)),
    restore: (key, days, options) => wrap('restore', options, () => inner.restore(key, days, options)),
    close: () => inner.close(),
  };
}

export function retryingMetadataStore(
  inner: MetadataStore,
  runtime: Runtime,
  policy: RetryPolicy = RETRY_POLICY,
): MetadataStore {
  const repeat = retrying('metadata', runtime, policy);
  const wrap: Wrap = (operation, options: MetadataOptions, request) =>
    options.once === true ? request() : repeat(operation, options, request);
  return {
    pricing: inner.pricing,
    get: (key, options) => wrap('get', options, () => inner.get(key, options)),
    query: (range, options) => wrap('query', options, () => inner.query(range, options)),
    put: (item, condition, options) => wrap('put', options, () => inner.put(item, condition, options)),
    delete: (key, condition, options) => wrap('delete', options, () => inner.delete(key, condition, options)),
    transact: (writes, options) => wrap('transact', options, () => inner.transact(writes, options)),
    close: () => inner.close(),
  };
}
