/** The records of one answer, taken from whole batches as they are stored. */
import { KafkaError } from '../errors.ts';
import type { Gate } from '../log/gate.ts';
import { type BatchHeader, CODEC_MASK, hasValidCrc, iterateBatches } from '../record/batch.ts';
import { type AbortedRange, CommittedBatches } from '../record/committed.ts';
import { type DecodedRecord, decodeBatch } from '../record/records.ts';
import { HttpError } from './problem.ts';
import type { RecordFormat } from './record-format.ts';
import { payloadBytes, RecordWriter } from './record-writer.ts';

export interface PageOptions {
  /** The first one wanted. */
  readonly offset: number;
  readonly limit: number;
  /** Of keys, values and headers; one record is always taken. */
  readonly maxBytes: number;
  readonly format: RecordFormat;
  readonly lines: boolean;
  readonly decompressedBytesMax: number;
  /** Bounds how many batches are decompressed at once, for all requests together. */
  readonly decompressing: Gate;
}

/** A header takes two stored bytes and fifty times that in memory. */
const HEADERS_MAX = 100_000;

/** `next` always moves past what can never be answered: gaps, control batches, and what was aborted. */
export class RecordsPage {
  readonly #writer: RecordWriter;
  next: number;
  readonly #options: PageOptions;
  #bytes = 0;

  constructor(options: PageOptions) {
    this.#options = options;
    this.#writer = new RecordWriter(options.format, options.lines);
    this.next = options.offset;
  }

  finish(highWatermark: number, lastStableOffset: number | null = null): Buffer<ArrayBuffer> {
    return this.#writer.finish(this.next, highWatermark, lastStableOffset);
  }

  /**
   * Takes what fits from whole batches, one after the other in each buffer. Throws HttpError, see `#decode`.
   * `aborted`: as the fetch lists them; null when aborted records are shown.
   */
  async fill(fetched: readonly Buffer[], aborted: readonly AbortedRange[] | null = null): Promise<void> {
    const committed = new CommittedBatches(aborted);
    for (const bytes of fetched) {
      for (const { position, header } of iterateBatches(bytes)) {
        const end = header.baseOffset + header.lastOffsetDelta + 1;
        const isShown = committed.shows(header, bytes, position);
        if (end <= this.next) continue; // The fetch began in the middle of a batch.
        if (isShown) {
          const recordsMax = this.#options.limit - this.#writer.count;
          if (recordsMax === 0) return;
          const records = await this.#decode(bytes, position, header, recordsMax);
          if (records === null || !this.#write(records)) return;
          // Cut short by a limit: the page goes on behind the last one.
          if (records.length === recordsMax || headersOf(records) >= HEADERS_MAX) return;
        }
        this.next = end;
      }
    }
  }

  /** Null when the page ends before this batch: its problem is the answer to the next request. */
  async #decode(
    bytes: Buffer,
    position: number,
    header: BatchHeader,
    recordsMax: number,
  ): Promise<readonly DecodedRecord[] | null> {
    try {
      if (!hasValidCrc(bytes, position, header.length)) {
        throw new KafkaError('CORRUPT_MESSAGE', 'a stored record batch does not match its CRC');
      }
      const batch = bytes.subarray(position, position + header.length);
      const { decompressing, decompressedBytesMax } = this.#options;
      const decode = () =>
        decodeBatch(batch, { decompressedBytesMax, fromOffset: this.next, recordsMax, headersMax: HEADERS_MAX });
      return header.attributes & CODEC_MASK ? await decompressing.run(decode) : await decode();
    } catch (cause) {
      if (!(cause instanceof KafkaError)) throw cause;
      if (this.#writer.count > 0) return null;
      const next = header.baseOffset + header.lastOffsetDelta + 1;
      const detail = `records from offset ${header.baseOffset} cannot be shown: ${cause.message}. from=${next} reads on behind them`;
      throw new HttpError(cause.error, detail, { cause, status: 422, members: { next } });
    }
  }

  /** False when the page is full before the last record. */
  #write(records: readonly DecodedRecord[]): boolean {
    for (const record of records) {
      const bytes = payloadBytes(record);
      if (this.#writer.count > 0 && this.#bytes + bytes > this.#options.maxBytes) return false;
      this.#writer.write(record);
      this.#bytes += bytes;
      this.next = record.offset + 1;
    }
    return true;
  }
}

const headersOf = (records: readonly DecodedRecord[]): number =>
  records.reduce((count, { headers }) => count + headers.length, 0);
