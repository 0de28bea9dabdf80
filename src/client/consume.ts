/**
 * Reads partitions of a topic side by side, each in order, and gives pages as they come. The next page of a partition is
 * asked for while the caller works on the one before; a slow caller therefore slows the reading.
 */
import { sleep } from '../runtime/clock.ts';
import type { Client, ConsumedRecord, ReadPage } from './client.ts';
import { ClientError } from './client-error.ts';

export interface ConsumeOptions {
  readonly partitions: readonly number[];
  /** For every partition, as in `Client.read`. */
  readonly from: string | number;
  /** Leaves out a record of this time or later, and everything behind it in its partition. */
  readonly until?: number | null;
  /** Waits for what comes next, instead of ending where the log ended at the first read. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export type Consumed =
  | {
      readonly type: 'records';
      readonly partition: number;
      readonly records: readonly ConsumedRecord[];
      readonly next: number;
    }
  /** Records that retention dropped before they were read, or that the broker cannot decode. */
  | { readonly type: 'skipped'; readonly partition: number; readonly next: number; readonly why: ClientError };

const READS_IN_FLIGHT_MAX = 16;
const PAGE_BYTES_MAX = 1_048_576;
const FOLLOW_WAIT_MS = 10_000;
/** With more partitions than reads in flight, each gets its turn. */
const CROWDED_WAIT_MS = 250;
/** Before asking again when a read gave nothing although the end is not reached. */
const STALLED_WAIT_MS = 500;
const STALLED_PAUSE_MS = 20;

interface Cursor {
  readonly partition: number;
  /** As in `Client.read` before the first page, then the next offset. */
  from: string | number;
  /** High watermark at the first read. */
  end: number | null;
  stalled: boolean;
  done: boolean;
}

export async function* consume(client: Client, topic: string, options: ConsumeOptions): AsyncGenerator<Consumed> {
  const cancel = new AbortController();
  const onAbort = () => cancel.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    options.signal?.throwIfAborted();
    const waiting = options.partitions.map(
      (partition): Cursor => ({ partition, from: options.from, end: null, stalled: false, done: false }),
    );
    yield* new Reads(client, topic, options, waiting, cancel.signal).run();
  } finally {
    cancel.abort();
    options.signal?.removeEventListener('abort', onAbort);
  }
}

type Outcome = { readonly cursor: Cursor } & ({ readonly page: ReadPage } | { readonly error: unknown });

class Reads {
  readonly #client: Client;
  readonly #topic: string;
  readonly #options: ConsumeOptions;
  readonly #waiting: Cursor[];
  readonly #signal: AbortSignal;
  readonly #finished: Outcome[] = [];
  #inFlight = 0;
  #wake: (() => void) | null = null;

  constructor(client: Client, topic: string, options: ConsumeOptions, waiting: Cursor[], signal: AbortSignal) {
    this.#client = client;
    this.#topic = topic;
    this.#options = options;
    this.#waiting = waiting;
    this.#signal = signal;
  }

  async *run(): AsyncGenerator<Consumed> {
    for (;;) {
      this.#start();
      const outcome = this.#finished.shift();
      if (outcome) {
        const consumed = take(outcome, this.#options);
        if (!outcome.cursor.done) this.#waiting.push(outcome.cursor);
        this.#start();
        if (consumed) yield consumed;
      } else if (this.#inFlight > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else {
        return;
      }
    }
  }

  /** Pages that wait for the caller count as in flight, so that they are bounded. */
  #start(): void {
    while (this.#inFlight + this.#finished.length < READS_IN_FLIGHT_MAX) {
      const cursor = this.#waiting.shift();
      if (!cursor) return;
      this.#inFlight++;
      void this.#read(cursor);
    }
  }

  async #read(cursor: Cursor): Promise<void> {
    const { partitions, follow = false } = this.#options;
    const followMs = partitions.length > READS_IN_FLIGHT_MAX ? CROWDED_WAIT_MS : FOLLOW_WAIT_MS;
    const waitMs = follow ? followMs : cursor.stalled ? STALLED_WAIT_MS : 0;
    const { from } = cursor;
    try {
      // A broker that is stopping answers waiting reads at once.
      if (cursor.stalled) await sleep(this.#client.transport.runtime.timers, STALLED_PAUSE_MS, this.#signal);
      const page = await this.#client.read(this.#topic, cursor.partition, {
        from,
        maxBytes: PAGE_BYTES_MAX,
        waitMs,
        signal: this.#signal,
      });
      this.#finished.push({ cursor, page });
    } catch (error) {
      this.#finished.push({ cursor, error });
    }
    this.#inFlight--;
    this.#wake?.();
  }
}

/** Moves the cursor over what was read. Null when there is nothing to tell. */
function take(outcome: Outcome, options: ConsumeOptions): Consumed | null {
  const { cursor } = outcome;
  const { partition } = cursor;
  if ('error' in outcome) {
    const next = nextAfterError(outcome.error, cursor);
    if (next === null) throw outcome.error;
    cursor.from = next;
    return { type: 'skipped', partition, next, why: outcome.error as ClientError };
  }
  const { page } = outcome;
  cursor.end ??= page.end;
  cursor.stalled = page.records.length === 0 && page.next === cursor.from;
  cursor.from = page.next;
  const records = cutAt(page.records, options.until ?? null);
  cursor.done = records.length < page.records.length || (options.follow !== true && page.next >= cursor.end);
  if (records.length === 0) return null;
  return { type: 'records', partition, records, next: records.at(-1)!.offset + 1 };
}

function cutAt(records: readonly ConsumedRecord[], until: number | null): readonly ConsumedRecord[] {
  if (until === null) return records;
  const end = records.findIndex((record) => record.timestamp >= until);
  return end === -1 ? records : records.slice(0, end);
}

/** Where to read on, or null when the error is the caller's. An offset the caller chose himself is his to correct. */
function nextAfterError(error: unknown, { from, end }: Cursor): number | null {
  if (!(error instanceof ClientError)) return null;
  if (error.next !== null && (typeof from !== 'number' || error.next > from)) return error.next;
  const overtaken = error.code === 'OFFSET_OUT_OF_RANGE' && end !== null && typeof from === 'number';
  return overtaken && error.logStartOffset !== null && error.logStartOffset > from ? error.logStartOffset : null;
}
