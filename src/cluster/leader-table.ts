/** Who leads which journal as brokers tell it, and who shall, as the controller tells it. */
import type { JournalLeader, Leaders } from './members.ts';

interface Claim {
  readonly brokerId: number;
  readonly epoch: number;
}

export interface LeaderTableOptions {
  readonly assignedTo: (journal: number) => number | null;
  /** Whether a broker may be there: what one that is gone said holds no more. */
  readonly isThere: (brokerId: number) => boolean;
}

export class LeaderTable implements Leaders {
  readonly #options: LeaderTableOptions;
  readonly #claims = new Map<number, Claim>();
  /** The highest epoch heard of: whoever claims an earlier one was succeeded. */
  readonly #epochs = new Map<number, number>();
  readonly #told = new Map<number, JournalLeader | null>();
  readonly #listeners = new Set<(journal: number) => void>();

  constructor(options: LeaderTableOptions) {
    this.#options = options;
  }

  of(journal: number): JournalLeader | null {
    const claim = this.#claims.get(journal);
    if (claim && this.#options.isThere(claim.brokerId)) return claim;
    const brokerId = this.#options.assignedTo(journal);
    return brokerId !== null && this.#options.isThere(brokerId) ? { brokerId, epoch: -1 } : null;
  }

  /** Who says that it leads; null when nobody does. */
  claimedBy(journal: number): Claim | null {
    const claim = this.#claims.get(journal);
    return claim && this.#options.isThere(claim.brokerId) ? claim : null;
  }

  epochOf(journal: number): number | null {
    return this.#epochs.get(journal) ?? null;
  }

  newestEpoch(journal: number): number {
    return this.#epochs.get(journal) ?? -1;
  }

  onChanged(listener: (journal: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All that a broker leads; what it does not name it leads no more. */
  claim(brokerId: number, led: readonly (readonly [journal: number, epoch: number])[]): void {
    const named = new Set<number>();
    for (const [journal, epoch] of led) {
      named.add(journal);
      if (epoch < (this.#epochs.get(journal) ?? -1)) continue;
      this.#epochs.set(journal, epoch);
      const known = this.#claims.get(journal);
      if (known?.brokerId !== brokerId || known.epoch !== epoch) this.#claims.set(journal, { brokerId, epoch });
    }
    for (const [journal, claim] of this.#claims) {
      if (claim.brokerId === brokerId && !named.has(journal)) this.#claims.delete(journal);
    }
  }

  /** Tells listeners of every journal whose answer is another one than before. */
  tell(count: number): void {
    for (let journal = 0; journal < count; journal++) {
      const now = this.of(journal);
      const before = this.#told.get(journal) ?? null;
      if (now?.brokerId === before?.brokerId && now?.epoch === before?.epoch) continue;
      this.#told.set(journal, now);
      for (const listener of [...this.#listeners]) listener(journal);
    }
  }
}
