import { KafkaError } from '../errors.ts';

/** What a decompressor has written so far: grows by doubling, never beyond `bytesMax`, whatever the input claims. */
export class GrowingOutput {
  length = 0;
  #buffer: Buffer;
  readonly #codec: string;
  readonly #inputBytes: number;
  readonly #bytesMax: number;

  constructor(codec: string, inputBytes: number, bytesMax: number) {
    this.#codec = codec;
    this.#inputBytes = inputBytes;
    this.#bytesMax = bytesMax;
    this.#buffer = Buffer.allocUnsafe(Math.min(inputBytes * 4, bytesMax));
  }

  append(source: Uint8Array, start: number, length: number): void {
    const end = this.length + length;
    if (end > this.#buffer.length) this.#grow(end);
    const buffer = this.#buffer;
    let to = this.length;
    if (length <= 32) for (let from = start; to < end; ) buffer[to++] = source[from++]!;
    else buffer.set(source.subarray(start, start + length), to);
    this.length = end;
  }

  /** Repeats the `length` bytes that begin `offset` bytes back; they may overlap what is being written. */
  repeat(offset: number, length: number): void {
    const end = this.length + length;
    if (offset === 0 || offset > this.length) {
      throw new KafkaError('INVALID_RECORD', `${this.#codec} data points ${offset} bytes back in ${this.length}`);
    }
    if (end > this.#buffer.length) this.#grow(end);
    const buffer = this.#buffer;
    let to = this.length;
    if (length > 64 && offset >= length) buffer.copyWithin(to, to - offset, to - offset + length);
    else for (let from = to - offset; to < end; ) buffer[to++] = buffer[from++]!;
    this.length = end;
  }

  /** Throws when the output would end at `length`, beyond the limit. */
  refuseBeyond(length: number): void {
    if (length > this.#bytesMax) throw tooLarge(this.#codec, this.#inputBytes, this.#bytesMax);
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  #grow(needed: number): void {
    this.refuseBeyond(needed);
    const grown = Buffer.allocUnsafe(Math.min(Math.max(this.#buffer.length * 2, needed), this.#bytesMax));
    this.#buffer.copy(grown, 0, 0, this.length);
    this.#buffer = grown;
  }
}

/** The answer to a decompression bomb. */
export const tooLarge = (codec: string, inputBytes: number, bytesMax: number): KafkaError =>
  new KafkaError(
    'RECORD_LIST_TOO_LARGE',
    `a ${codec} batch of ${inputBytes} bytes becomes more than ${bytesMax} bytes: ` +
      'raise http.decompressed.bytes.max, or read it with a Kafka client, which decompresses it itself',
  );
