/**
 * The stores as one process sees them across its gate:
 *
 *   - answers come through the gate: a dead process hears nothing more, a frozen one later;
 *   - a request that left arrives, whatever becomes of the process: it may land after a crash, and after it was aborted;
 *   - what is sent is copied first, so that it cannot change under way;
 *   - on a line that is cut, requests and answers wait until it heals, or fail, by chance;
 *   - pages end early by chance, as the port allows;
 *   - reads use the caller's buffer every other time.
 */
import { StorageUnavailableError } from '../../src/errors.ts';
import type { MetadataStore } from '../../src/storage/metadata-store.ts';
import type { ObjectStore, RequestOptions } from '../../src/storage/object-store.ts';
import type { Gate } from './gate.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedTime } from './simulated-time.ts';

const SHORT_PAGE_CHANCE = 0.2;
const SHORT_PAGE_COUNT_MAX = 8;

/** Of one process to both stores. */
export class StoreLine {
  readonly #time: SimulatedTime;
  readonly #random: SeededRandom;
  #isCut = false;
  #waiting: (() => void)[] = [];

  constructor(time: SimulatedTime, random: SeededRandom) {
    this.#time = time;
    this.#random = random;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) this.#time.soon(resume);
  }

  /** Resolves when the line is whole again; false: too late, the request or its answer is lost. */
  async pass(): Promise<boolean> {
    const lost = this.#random.chance(LOST_ON_CUT_CHANCE);
    if (lost) await this.#time.sleep(this.#random.between(...CUT_TIMEOUT_MS));
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return !lost;
  }
}

const LOST_ON_CUT_CHANCE = 0.5;
const CUT_TIMEOUT_MS = [200, 3_000] as const;

export function processMetadataStore(
  inner: MetadataStore,
  gate: Gate,
  line: StoreLine,
  random: SeededRandom,
): MetadataStore {
  const across = crossing(gate, line);
  return {
    pricing: inner.pricing,
    get: (key, options) => across(options, (sent) => inner.get(key, sent)),
    query: (range, options) => {
      const limit = pageLimit(range.limit, random);
      return across(options, (sent) => inner.query({ ...range, limit }, sent));
    },
    put: (item, condition, options) => {
      const copy = { ...item, body: Buffer.from(item.body) };
      return across(options, (sent) => inner.put(copy, condition, sent));
    },
    delete: (key, condition, options) => across(options, (sent) => inner.delete(key, condition, sent)),
    transact: (writes, options) => {
      const copies = writes.map((write) =>
        write.type === 'put' ? { ...write, item: { ...write.item, body: Buffer.from(write.item.body) } } : write,
      );
      return across(options, (sent) => inner.transact(copies, sent));
    },
    close: async () => {},
  };
}

export function processObjectStore(inner: ObjectStore, gate: Gate, line: StoreLine, random: SeededRandom): ObjectStore {
  const across = crossing(gate, line);
  return {
    pricing: inner.pricing,
    create: (key, parts, options) => {
      const copy = [Buffer.concat(parts)];
      return across(options, (sent) => inner.create(key, copy, sent));
    },
    read: (key, range, options) => {
      const { into, ...rest } = options;
      const read = across(rest, (sent) => inner.read(key, range, sent));
      if (into === undefined || random.chance(0.5)) return read;
      return read.then((bytes) => {
        if (bytes === null || bytes === 'archived') return bytes;
        const view = Buffer.from(into.buffer, into.byteOffset, bytes.length);
        view.set(bytes);
        return view;
      });
    },
    readLast: (key, length, options) => across(options, (sent) => inner.readLast(key, length, sent)),
    list: (prefix, after, limit, options) => {
      const count = pageLimit(limit, random);
      return across(options, (sent) => inner.list(prefix, after, count, sent));
    },
    delete: (keys, options) => {
      const copy = [...keys];
      return across(options, (sent) => inner.delete(copy, sent));
    },
    restore: (key, days, options) => across(options, (sent) => inner.restore(key, days, sent)),
    close: async () => {},
  };
}

const pageLimit = (limit: number, random: SeededRandom): number =>
  random.chance(SHORT_PAGE_CHANCE) ? Math.min(limit, random.integer(1, SHORT_PAGE_COUNT_MAX + 1)) : limit;

type Cross = <Options extends RequestOptions, Output>(
  options: Options,
  send: (sent: Options) => Promise<Output>,
) => Promise<Output>;

/** An abort ends the caller's wait, not the request: what is sent knows of no signal. */
function crossing(gate: Gate, line: StoreLine): Cross {
  return <Options extends RequestOptions, Output>(options: Options, send: (sent: Options) => Promise<Output>) => {
    const { signal, ...rest } = options;
    if (signal?.aborted) return Promise.reject<Output>(signal.reason);
    return new Promise<Output>((resolve, reject) => {
      const onAbort = () => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      const arrive = (settle: () => void) => {
        gate.enter(() => {
          signal?.removeEventListener('abort', onAbort);
          settle();
        });
      };
      const whole = async (settle: () => void) => {
        if (!line.isCut || (await line.pass())) arrive(settle);
        else arrive(() => reject(new StorageUnavailableError('the line to the store is cut')));
      };
      const leave = () =>
        send(rest as Options).then(
          (answer) => whole(() => resolve(answer)),
          (cause) => whole(() => reject(cause)),
        );
      if (line.isCut) {
        void line.pass().then((passes) => {
          if (passes) void leave();
          else arrive(() => reject(new StorageUnavailableError('the line to the store is cut')));
        });
      } else void leave();
    });
  };
}
