/**
 * Where each consumer stands in each partition. Between two records that follow each other there may be gaps: markers, what
 * was aborted. Whether a gap hides something is known only at the end, so gaps are kept, each once.
 */
export interface Gap {
  readonly partition: number;
  /** Half-open. */
  readonly from: number;
  readonly to: number;
  readonly committedOnly: boolean;
  /** Within one poll, or between two. */
  readonly internal: boolean;
  readonly consumer: number;
}

/** A gap is a transaction's marker or what it aborted, so there are about as many as transactions and partitions. */
const GAPS_MAX = 2_000_000;

export class Positions {
  readonly gaps: Gap[] = [];
  readonly #known = new Set<string>();
  /** By consumer, then partition: the offset after the last record. */
  readonly #next = new Map<number, Map<number, number>>();

  reset(consumer: number, partitions: readonly number[] | null): void {
    if (partitions === null) this.#next.delete(consumer);
    else for (const partition of partitions) this.#next.get(consumer)?.delete(partition);
  }

  /** The offset that `offset` falls behind, or null when it comes after what was read before. */
  advance(
    consumer: number,
    partition: number,
    offset: number,
    internal: boolean,
    committedOnly: boolean,
  ): number | null {
    const mine = this.#next.get(consumer) ?? new Map<number, number>();
    this.#next.set(consumer, mine);
    const next = mine.get(partition);
    mine.set(partition, offset + 1);
    if (next === undefined || offset === next) return null;
    if (offset < next) return next - 1;
    const key = `${partition} ${next} ${offset} ${committedOnly}`;
    if (this.#known.has(key)) return null;
    if (this.gaps.length >= GAPS_MAX) throw new Error(`a history of more than ${GAPS_MAX} gaps`);
    this.#known.add(key);
    this.gaps.push({ partition, from: next, to: offset, committedOnly, internal, consumer });
    return null;
  }
}
