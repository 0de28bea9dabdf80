/**
 * Which records leave together: one queue per partition, filled in order, taken from one batch at a time. No clock, no
 * socket: the producer asks and sends.
 */
import type { EncodedRecord } from './outgoing-record.ts';

export interface BatchLimits {
  /** Bytes in the log: one request to a partition becomes one batch, which `max.message.bytes` limits. */
  readonly storedBytesMax: number;
  /** Characters of the body; at most three bytes each, under the broker's limit for a body. */
  readonly bodyCharsMax: number;
  readonly recordsMax: number;
}

export const BATCH_LIMITS: BatchLimits = { storedBytesMax: 900_000, bodyCharsMax: 4_194_304, recordsMax: 10_000 };

export interface Batch {
  readonly lines: readonly string[];
  /** Which record of the producer the first one is, from 1. */
  readonly firstNumber: number;
  /** What it holds of the producer's buffer. */
  readonly bufferedBytes: number;
}

interface OpenBatch extends Batch {
  readonly lines: string[];
  storedBytes: number;
  bodyChars: number;
  bufferedBytes: number;
}

export class PartitionQueue {
  readonly #limits: BatchLimits;
  readonly #full: Batch[] = [];
  #open: OpenBatch | null = null;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#open === null && this.#full.length === 0;
  }

  /** True when a batch is as large as it may become. */
  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  /** Returns true when this record did not fit the open batch, so that it began another. */
  add({ line, storedBytes }: EncodedRecord, number: number): boolean {
    const { storedBytesMax, bodyCharsMax, recordsMax } = this.#limits;
    const open = this.#open;
    const fits =
      open !== null &&
      open.storedBytes + storedBytes <= storedBytesMax &&
      open.bodyChars + line.length < bodyCharsMax &&
      open.lines.length < recordsMax;
    if (fits) {
      open.lines.push(line);
      open.storedBytes += storedBytes;
      open.bodyChars += line.length + 1;
      open.bufferedBytes += bufferedBytes(line);
      return false;
    }
    if (open !== null) this.#full.push(open);
    this.#open = {
      lines: [line],
      firstNumber: number,
      storedBytes,
      bodyChars: line.length + 1,
      bufferedBytes: bufferedBytes(line),
    };
    return open !== null;
  }

  /** The oldest batch, full or not. */
  take(): Batch | null {
    const full = this.#full.shift();
    if (full !== undefined) return full;
    const open = this.#open;
    this.#open = null;
    return open;
  }

  /** Puts a batch back in front as two halves, for a broker that takes less at once. It must have two records. */
  putBackHalves(batch: Batch): void {
    const { lines, firstNumber, bufferedBytes } = batch;
    const middle = lines.length >> 1;
    const firstBytes = Math.floor(bufferedBytes / 2);
    this.#full.unshift(
      { lines: lines.slice(0, middle), firstNumber, bufferedBytes: firstBytes },
      { lines: lines.slice(middle), firstNumber: firstNumber + middle, bufferedBytes: bufferedBytes - firstBytes },
    );
  }
}

/** What a line occupies in memory, roughly: strings are one byte a character, plus their object. */
export const bufferedBytes = (line: string): number => line.length + 64;

const SEQUENCES = 2_147_483_648;

/** Kafka's sequence numbers count records of a producer in a partition and start again at 0 after 2^31 - 1. */
export const sequenceAfter = (sequence: number, records: number): number => (sequence + records) % SEQUENCES;
