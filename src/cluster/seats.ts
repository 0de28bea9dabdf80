import type { Journals } from '../journal/journals.ts';

export interface LeadOptions {
  /**
   * Called when everything was read that stands in the store, right before the fence: asks who leads to let go, so that
   * nobody waits for the reading. Never rejects; what it could not bring about is the fence's work.
   */
  readonly handOver?: () => Promise<void>;
  /** Gives up: another broker shall lead, or this one stops. */
  readonly signal: AbortSignal;
}

/** The journals of this broker as the one who decides who leads handles them (`membership` calls, `journal` obeys). */
export interface Seats extends Journals {
  /**
   * Takes the journal over; resolves once this broker leads it, at once when it does. Waits for stores that are away.
   * Rejects with StorageCorruptError, StartupError (a newer format), or the signal's reason.
   */
  lead(journal: number, options: LeadOptions): Promise<void>;
  /**
   * Stops leading in order: takes nothing in any more, ends the put under way, and resolves then. What waited is sent to the
   * next leader. Resolves at once when this broker does not lead it.
   */
  relinquish(journal: number): Promise<void>;
  /** There are this many journals now. Never fewer than before. */
  grow(count: number): void;
  /** Stops all in order. */
  close(): Promise<void>;
}
