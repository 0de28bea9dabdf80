import { InputError } from './exit-code.ts';

const NOTHING = Buffer.alloc(0);

/** Cuts a stream of chunks into records at a delimiter of one or more bytes, wherever chunks end. */
export class RecordSplitter {
  readonly #delimiter: Buffer;
  readonly #recordBytesMax: number;
  #rest: Buffer = NOTHING;
  /** How far `#rest` was searched already. */
  #searched = 0;

  constructor(delimiter: Buffer, recordBytesMax: number) {
    this.#delimiter = delimiter;
    this.#recordBytesMax = recordBytesMax;
  }

  /** The records that this chunk completes. They may share its memory. */
  *push(chunk: Buffer): Generator<Buffer> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let search = this.#searched; ; search = start) {
      const end = bytes.indexOf(this.#delimiter, search);
      if (end === -1) break;
      yield bytes.subarray(start, end);
      start = end + this.#delimiter.length;
    }
    this.#rest = bytes.subarray(start);
    this.#searched = Math.max(0, this.#rest.length - this.#delimiter.length + 1);
    if (this.#rest.length > this.#recordBytesMax) {
      throw new InputError(`a record of more than ${this.#recordBytesMax} bytes: is the delimiter (-D) right?`);
    }
  }

  /** What stands behind the last delimiter, when anything does. */
  *end(): Generator<Buffer> {
    const rest = this.#rest;
    this.#rest = NOTHING;
    this.#searched = 0;
    if (rest.length > 0) yield rest;
  }
}
