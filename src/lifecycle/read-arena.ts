/**
 * Memory that merge jobs read into, kept from job to job: fresh pages for tens of megabytes a second cost more than the
 * copying itself, and garbage of that size outgrows the collector. One job at a time uses it.
 */
export class ReadArena {
  readonly #blockBytes: number;
  readonly #blocks: Buffer[] = [];
  /** The block being handed out, and how much of it is. */
  #block = 0;
  #used = 0;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /** `length` bytes until `reset`; what does not fit a block is not kept. */
  take(length: number): Buffer {
    if (length > this.#blockBytes) return Buffer.allocUnsafeSlow(length);
    if (this.#used + length > this.#blockBytes) {
      this.#block++;
      this.#used = 0;
    }
    if (this.#block === this.#blocks.length) this.#blocks.push(Buffer.allocUnsafeSlow(this.#blockBytes));
    const bytes = this.#blocks[this.#block]!.subarray(this.#used, this.#used + length);
    this.#used += length;
    return bytes;
  }

  /** The job is done, and nobody reads its bytes any more. */
  reset(): void {
    this.#block = 0;
    this.#used = 0;
  }

  /** Gives the memory back: there is nothing to do, or somebody may still read it. */
  forget(): void {
    this.#blocks.length = 0;
    this.reset();
  }
}
