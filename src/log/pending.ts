/** What one call of `produce` waits for, and the batches it brought. */
import type { BatchHeader } from '../record/batch.ts';
import { assert } from '../runtime/assert.ts';
import type { PlacedBatch } from '../segment/build.ts';
import type { Chunk } from './chunk-pool.ts';
import type { ProduceOptions, ProduceOutcome } from './log.ts';

/** One promise for the whole call; resolved by the last outcome. */
export class ProduceCall {
  readonly idempotency: ProduceOptions['idempotency'];
  readonly promise: Promise<readonly ProduceOutcome[]>;
  readonly #outcomes: ProduceOutcome[];
  #left: number;
  #resolve!: (outcomes: readonly ProduceOutcome[]) => void;

  constructor(count: number, idempotency: ProduceOptions['idempotency']) {
    this.idempotency = idempotency;
    this.#outcomes = new Array<ProduceOutcome>(count);
    this.#left = count;
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    if (count === 0) this.#resolve(this.#outcomes);
  }

  settle(index: number, outcome: ProduceOutcome): void {
    this.#outcomes[index] = outcome;
    if (--this.#left === 0) this.#resolve(this.#outcomes);
  }
}

/** Counts what is taken in and not yet answered. */
export interface Custody {
  add(bytes: number): void;
  remove(bytes: number): void;
}

/** At most three bytes a character, and the place of the batch. */
export const keyBytesOf = (key: string): number => 36 + key.length * 3;

/** A batch between its copy and its answer. It holds one reference to its chunk. */
export class PendingBatch implements PlacedBatch {
  readonly call: ProduceCall;
  /** Place in the call. */
  readonly index: number;
  readonly chunk: Chunk;
  readonly start: number;
  /** View of the chunk. */
  readonly bytes: Buffer;
  /** As it is stored. */
  readonly header: BatchHeader;
  /** -1 unless the topic stamps LogAppendTime. */
  readonly logAppendTimeMs: number;
  readonly expectedOffset: number | undefined;
  /**
   * Number of the transaction that was open when it came, -1 when none was; undefined when it is not transactional. A
   * leader elsewhere tells it before the batch leaves.
   */
  transaction: number | undefined;
  /** Who led, as was known when that was asked (`leadershipOf`); null when nobody was asked. */
  toldUnder: string | null = null;
  readonly #custody: Custody;
  #ended = false;

  constructor(given: NewPendingBatch) {
    const { call, index, chunk, start, header, logAppendTimeMs, expectedOffset, transaction, custody } = given;
    this.call = call;
    this.index = index;
    this.chunk = chunk;
    this.start = start;
    this.bytes = chunk.buffer.subarray(start, start + header.length);
    this.header = header;
    this.logAppendTimeMs = logAppendTimeMs;
    this.expectedOffset = expectedOffset;
    this.transaction = transaction;
    this.#custody = custody;
    custody.add(header.length);
  }

  get length(): number {
    return this.header.length;
  }

  /** What the Idempotency-Key of its call takes in an entry, counted with each of its batches. */
  get keyBytes(): number {
    const { idempotency } = this.call;
    return idempotency === undefined ? 0 : keyBytesOf(idempotency.key);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Gives the chunk back and answers, once. Nothing may read the bytes for this batch any more. */
  end(outcome: ProduceOutcome): void {
    assert(!this.#ended, 'a batch was answered twice');
    this.#ended = true;
    this.call.settle(this.index, outcome);
    this.chunk.release();
    this.#custody.remove(this.header.length);
  }
}

export interface NewPendingBatch {
  readonly call: ProduceCall;
  readonly index: number;
  /** Its reference goes to the batch. */
  readonly chunk: Chunk;
  readonly start: number;
  readonly header: BatchHeader;
  readonly logAppendTimeMs: number;
  readonly expectedOffset: number | undefined;
  readonly transaction: number | undefined;
  readonly custody: Custody;
}
