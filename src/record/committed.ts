/**
 * What a read_committed reader leaves out of the batches that a fetch brings: aborted records and control batches. The
 * broker answers both (KIP-98); whoever shows records drops them with this, batch by batch in order of offsets.
 *
 *   open an aborted transaction once its first offset is reached ─► leave out the transactional batches of its producer
 *   ─► until its abort marker
 */
import { type BatchHeader, CONTROL_FLAG, TRANSACTIONAL_FLAG } from './batch.ts';
import { readControlBatch } from './control-batch.ts';

/** As a fetch lists it. */
export interface AbortedRange {
  readonly producerId: number;
  readonly firstOffset: number;
}

export class CommittedBatches {
  /** Ascending by first offset; those before `#next` have begun. */
  readonly #aborted: readonly AbortedRange[];
  #next = 0;
  /** Producers whose batches belong to an aborted transaction here. */
  readonly #producers = new Set<number>();

  /** `aborted`: all aborted transactions that reach into the batches, in any order; null when nothing is to be judged. */
  constructor(aborted: readonly AbortedRange[] | null) {
    this.#aborted = (aborted ?? []).toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Whether the batch at `at` has records to show. Every batch must be asked for, in order. */
  shows(header: BatchHeader, bytes: Buffer, at: number): boolean {
    const lastOffset = header.baseOffset + header.lastOffsetDelta;
    for (
      let next = this.#aborted[this.#next];
      next && next.firstOffset <= lastOffset;
      next = this.#aborted[this.#next]
    ) {
      this.#producers.add(next.producerId);
      this.#next++;
    }
    if (header.attributes & CONTROL_FLAG) {
      if (readControlBatch(bytes, at)?.committed === false) this.#producers.delete(header.producerId);
      return false;
    }
    return !(header.attributes & TRANSACTIONAL_FLAG && this.#producers.has(header.producerId));
  }
}
