/**
 * Counts what goes to the stores: requests, bytes, write and read units, US dollars, each by operation and by cause. The
 * numbers are in the metrics and, cheaper, in `rows()` and `totals()` for benchmarks. `metered.ts` feeds it.
 */
import { StorageFullError, StorageRefusedError, StorageThrottledError } from '../errors.ts';
import type { Counter, Histogram } from '../runtime/metrics.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RequestCause, RequestOptions } from './object-store.ts';

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

export type MeteredStore = 'objects' | 'metadata';

/** Sums of one kind of request. */
export interface MeterRow {
  readonly store: MeteredStore;
  readonly operation: string;
  readonly cause: RequestCause;
  readonly requests: number;
  /** Of those, how many ended in an error. */
  readonly failures: number;
  /** Bodies sent or received. */
  readonly bytes: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly dollars: number;
}

export interface MeterTotals {
  /** PutObject, GetObject, ListObjectsV2 and DeleteObjects. */
  readonly creates: number;
  readonly reads: number;
  readonly lists: number;
  readonly deletes: number;
  readonly bytesCreated: number;
  readonly bytesRead: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly metadataRequests: number;
  readonly dollars: number;
}

/** What one request is booked with. */
export interface Charge {
  readonly bytes: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly dollars: number;
}

export type Bookkeeper = <Output>(
  operation: string,
  options: RequestOptions,
  send: () => Promise<Output>,
  charge: (answer: Output | null) => Partial<Charge>,
) => Promise<Output>;

type Sums = { -readonly [Name in keyof MeterRow]: MeterRow[Name] };

/** One per broker, shared by both decorated stores. */
export class StorageMeter {
  readonly #runtime: Pick<Runtime, 'clock'>;
  readonly #rows = new Map<string, Sums>();
  readonly #requests: Counter;
  readonly #bytes: Counter;
  readonly #units: Counter;
  readonly #dollars: Counter;
  readonly #seconds: Histogram;

  constructor(runtime: Pick<Runtime, 'clock' | 'metrics'>) {
    this.#runtime = runtime;
    const labels = ['store', 'operation', 'cause'];
    const { metrics } = runtime;
    this.#requests = metrics.counter({
      name: 'storage_requests_total',
      help: 'Requests to the stores, repeated ones included.',
      labels: [...labels, 'outcome'],
    });
    this.#bytes = metrics.counter({
      name: 'storage_bytes_total',
      help: 'Bodies sent to and read from stores.',
      labels,
    });
    this.#units = metrics.counter({
      name: 'storage_units_total',
      help: 'Units of the metadata store: writes of 1 KiB, consistent reads of 4 KiB.',
      labels: ['unit', 'cause'],
    });
    this.#dollars = metrics.counter({
      name: 'storage_cost_dollars_total',
      help: 'Estimated price of the requests in US dollars; storage itself not included.',
      labels,
    });
    this.#seconds = metrics.histogram({
      name: 'storage_request_seconds',
      help: 'Time to answer of the stores.',
      labels: ['store', 'operation'],
      buckets: SECONDS,
    });
  }

  rows(): readonly MeterRow[] {
    return [...this.#rows.values()].map((row) => ({ ...row }));
  }

  totals(): MeterTotals {
    const sum = (of: keyof Charge | 'requests', store: MeteredStore, ...operations: string[]) => {
      let total = 0;
      for (const row of this.#rows.values()) {
        if (row.store === store && (operations.length === 0 || operations.includes(row.operation))) total += row[of];
      }
      return total;
    };
    return {
      creates: sum('requests', 'objects', 'create'),
      reads: sum('requests', 'objects', 'read', 'readLast'),
      lists: sum('requests', 'objects', 'list'),
      deletes: sum('requests', 'objects', 'delete'),
      bytesCreated: sum('bytes', 'objects', 'create'),
      bytesRead: sum('bytes', 'objects', 'read', 'readLast'),
      writeUnits: sum('writeUnits', 'metadata'),
      readUnits: sum('readUnits', 'metadata'),
      metadataRequests: sum('requests', 'metadata'),
      dollars: sum('dollars', 'objects') + sum('dollars', 'metadata'),
    };
  }

  /** Runs requests to one store and books each. `charge` sees the answer, or null when there was none. */
  bookkeeper(store: MeteredStore): Bookkeeper {
    return async (operation, { cause }, send, charge) => {
      const began = this.#runtime.clock.monotonic();
      try {
        const answer = await send();
        this.#book(store, operation, cause, began, 'ok', charge(answer));
        return answer;
      } catch (failure) {
        this.#book(store, operation, cause, began, 'error', isCharged(failure) ? charge(null) : {});
        throw failure;
      }
    };
  }

  #book(
    store: MeteredStore,
    operation: string,
    cause: RequestCause,
    began: number,
    outcome: 'ok' | 'error',
    { bytes = 0, writeUnits = 0, readUnits = 0, dollars = 0 }: Partial<Charge>,
  ): void {
    const labels = { store, operation, cause };
    this.#requests.add(1, { ...labels, outcome });
    if (bytes > 0) this.#bytes.add(bytes, labels);
    if (writeUnits > 0) this.#units.add(writeUnits, { unit: 'write', cause });
    if (readUnits > 0) this.#units.add(readUnits, { unit: 'read', cause });
    if (dollars > 0) this.#dollars.add(dollars, labels);
    this.#seconds.observe((this.#runtime.clock.monotonic() - began) / 1_000, { store, operation });

    const row = this.#row(store, operation, cause);
    row.requests += 1;
    if (outcome === 'error') row.failures += 1;
    row.bytes += bytes;
    row.writeUnits += writeUnits;
    row.readUnits += readUnits;
    row.dollars += dollars;
  }

  #row(store: MeteredStore, operation: string, cause: RequestCause): Sums {
    const name = `${store} ${operation} ${cause}`;
    let row = this.#rows.get(name);
    if (!row) {
      row = { store, operation, cause, requests: 0, failures: 0, bytes: 0, writeUnits: 0, readUnits: 0, dollars: 0 };
      this.#rows.set(name, row);
    }
    return row;
  }
}

/** What was refused costs nothing; what was not answered may have been done, and is booked. */
const isCharged = (failure: unknown): boolean =>
  !(
    failure instanceof StorageThrottledError ||
    failure instanceof StorageFullError ||
    failure instanceof StorageRefusedError
  );
