/**
 * Stores that misbehave as real ones do, for tests and for the simulator. Each call draws its fate from the runtime's
 * generator, so that a seed repeats it, unless a script names one. Between the store and its caller:
 *
 *   call ──latency──► effect ──latency──► answer
 *        │ throttled: nothing done        │ answer-lost: done, the caller sees an error
 *        │ error-before: nothing done
 *        │ late-effect: the caller sees an error; the effect comes later, from a copy of what was sent
 *        │ hang: waits for `release()` or the caller's signal, then goes on as if nothing had been
 *
 * The caller sees StorageUnavailableError, or StorageThrottledError for `throttled`.
 */
import { StorageThrottledError, StorageUnavailableError } from '../errors.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Item, ItemKey, MetadataStore, Write } from './metadata-store.ts';
import type { ObjectStore, RequestOptions } from './object-store.ts';

export type Fault = 'throttled' | 'error-before' | 'answer-lost' | 'late-effect' | 'hang';
export type FaultyOperation =
  | 'create'
  | 'read'
  | 'readLast'
  | 'list'
  | 'delete'
  | 'restore'
  | 'get'
  | 'query'
  | 'put'
  | 'transact';

/** Half-open; the latency of one way. */
export type MillisecondRange = readonly [from: number, to: number];

export interface FaultRates {
  /** Probabilities of one call; together at most 1. */
  readonly faults?: Partial<Record<Fault, number>>;
  readonly latencyMs?: MillisecondRange;
  /** Probability that a way takes `slowMs` instead. */
  readonly slow?: number;
  readonly slowMs?: MillisecondRange;
  /** How long after the error a late effect comes. */
  readonly lateMs?: MillisecondRange;
}

export interface FaultPlan extends FaultRates {
  /** Replaces the rates above, one by one, for an operation. */
  readonly operations?: Partial<Record<FaultyOperation, FaultRates>>;
}

export interface ScriptedFault {
  readonly operation: FaultyOperation;
  readonly fault: Fault;
  /** For how many matching calls; 1 unless given. */
  readonly times?: number;
  /** Object key, or `partitionKey/sortKey`; the first one's of a batch. */
  readonly matches?: (key: string) => boolean;
}

const NO_LATENCY: MillisecondRange = [0, 0];
const LATE_MS: MillisecondRange = [1, 1_000];

/** The switchboard of one faulty store. */
export class Faults {
  /** May be replaced at any time. */
  plan: FaultPlan;
  readonly #runtime: Pick<Runtime, 'random' | 'timers'>;
  #scripts: { readonly script: ScriptedFault; left: number }[] = [];
  #hanging: (() => void)[] = [];
  #lateEffects = 0;
  #seen = 0;

  constructor(runtime: Pick<Runtime, 'random' | 'timers'>, plan: FaultPlan = {}) {
    this.#runtime = runtime;
    this.plan = plan;
  }

  /** Effects whose callers were told of an error and that did not come yet. */
  get lateEffects(): number {
    return this.#lateEffects;
  }

  /** Faults so far. */
  get count(): number {
    return this.#seen;
  }

  /** The next matching calls fail so, in the order of scripts; other calls keep to the plan. */
  script(...scripts: ScriptedFault[]): void {
    for (const script of scripts) this.#scripts.push({ script, left: script.times ?? 1 });
  }

  /** No faults and no latency from now on. Hanging calls go on, late effects still come. */
  heal(): void {
    this.plan = {};
    this.#scripts = [];
    this.release();
  }

  /** Lets every hanging call go on. */
  release(): void {
    const hanging = this.#hanging;
    this.#hanging = [];
    for (const resume of hanging) resume();
  }

  /** Runs `effect` under the fate of this call. `later` makes the effect from copies; absent for reads. */
  async call<Output>(
    operation: FaultyOperation,
    key: string,
    { signal }: RequestOptions,
    effect: () => Promise<Output>,
    later?: () => () => Promise<unknown>,
  ): Promise<Output> {
    signal?.throwIfAborted();
    const rates = { ...this.plan, ...this.plan.operations?.[operation] };
    const fault = this.#fate(operation, key, rates);
    if (fault !== null) this.#seen += 1;
    if (fault === 'late-effect' && later) this.#schedule(later(), rates);
    if (fault === 'hang') await this.#hang(signal);
    await this.#travel(rates, signal);
    switch (fault) {
      case 'throttled':
        throw new StorageThrottledError(`${operation} ${key}: slow down (injected)`);
      case 'error-before':
      case 'late-effect':
        throw new StorageUnavailableError(`${operation} ${key}: no answer (injected)`);
      case 'answer-lost':
        await effect();
        await this.#travel(rates, signal);
        throw new StorageUnavailableError(`${operation} ${key}: the answer was lost (injected)`);
      case 'hang':
      case null: {
        const answer = await effect();
        await this.#travel(rates, signal);
        return answer;
      }
    }
  }

  #fate(operation: FaultyOperation, key: string, { faults }: FaultRates): Fault | null {
    const scripted = this.#scripts.find(
      ({ script }) => script.operation === operation && script.matches?.(key) !== false,
    );
    if (scripted) {
      scripted.left -= 1;
      if (scripted.left === 0) this.#scripts = this.#scripts.filter((each) => each !== scripted);
      return scripted.script.fault;
    }
    if (!faults) return null;
    let chance = this.#runtime.random.float();
    for (const [fault, probability] of Object.entries(faults) as [Fault, number][]) {
      if (chance < probability) return fault;
      chance -= probability;
    }
    return null;
  }

  async #travel({ latencyMs = NO_LATENCY, slow = 0, slowMs = latencyMs }: FaultRates, signal?: AbortSignal) {
    const range = slow > 0 && this.#runtime.random.float() < slow ? slowMs : latencyMs;
    if (range[1] > 0) await sleep(this.#runtime.timers, this.#within(range), signal);
  }

  #schedule(effect: () => Promise<unknown>, { lateMs = LATE_MS }: FaultRates): void {
    this.#lateEffects += 1;
    this.#runtime.timers.after(this.#within(lateMs), () => {
      const done = () => {
        this.#lateEffects -= 1;
      };
      effect().then(done, done); // Nobody waits for it any more; a store that is closed by then refuses it.
    });
  }

  #hang(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#hanging.push(resolve);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  #within([from, to]: MillisecondRange): number {
    return from + this.#runtime.random.float() * (to - from);
  }
}

export function faultyObjectStore(inner: ObjectStore, faults: Faults): ObjectStore {
  return {
    pricing: inner.pricing,
    create(key, parts, options) {
      const later = () => {
        const copies = parts.map((part) => Buffer.from(part));
        return () => inner.create(key, copies, withoutSignal(options));
      };
      return faults.call('create', key, options, () => inner.create(key, parts, options), later);
    },
    read: (key, range, options) => faults.call('read', key, options, () => inner.read(key, range, options)),
    readLast: (key, length, options) =>
      faults.call('readLast', key, options, () => inner.readLast(key, length, options)),
    list: (prefix, after, limit, options) =>
      faults.call('list', prefix, options, () => inner.list(prefix, after, limit, options)),
    delete(keys, options) {
      const later = () => {
        const copies = [...keys];
        return () => inner.delete(copies, withoutSignal(options));
      };
      return faults.call('delete', keys[0] ?? '', options, () => inner.delete(keys, options), later);
    },
    restore(key, days, options) {
      const later = () => () => inner.restore(key, days, withoutSignal(options));
      return faults.call('restore', key, options, () => inner.restore(key, days, options), later);
    },
    close: () => inner.close(),
  };
}

export function faultyMetadataStore(inner: MetadataStore, faults: Faults): MetadataStore {
  return {
    pricing: inner.pricing,
    get: (key, options) => faults.call('get', nameOf(key), options, () => inner.get(key, options)),
    query(range, options) {
      const from = nameOf({ partitionKey: range.partitionKey, sortKey: range.from });
      return faults.call('query', from, options, () => inner.query(range, options));
    },
    put(item, condition, options) {
      const later = () => {
        const copy = copyOfItem(item);
        return () => inner.put(copy, condition, withoutSignal(options));
      };
      return faults.call('put', nameOf(item), options, () => inner.put(item, condition, options), later);
    },
    delete(key, condition, options) {
      const later = () => () => inner.delete(key, condition, withoutSignal(options));
      return faults.call('delete', nameOf(key), options, () => inner.delete(key, condition, options), later);
    },
    transact(writes, options) {
      const later = () => {
        const copies = writes.map(copyOfWrite);
        return () => inner.transact(copies, withoutSignal(options));
      };
      const [first] = writes;
      const name = first ? nameOf(first.type === 'put' ? first.item : first.key) : '';
      return faults.call('transact', name, options, () => inner.transact(writes, options), later);
    },
    close: () => inner.close(),
  };
}

/** The caller's signal ends its wait, not what is on its way already. */
function withoutSignal<Options extends RequestOptions>(options: Options): Options {
  const { signal: _, ...rest } = options;
  return rest as Options;
}

const nameOf = ({ partitionKey, sortKey }: ItemKey): string => `${partitionKey}/${sortKey}`;

const copyOfItem = (item: Item): Item => ({
  ...item,
  body: Buffer.from(item.body),
  attributes: { ...item.attributes },
});

const copyOfWrite = (write: Write): Write =>
  write.type === 'put' ? { ...write, item: copyOfItem(write.item) } : write;
