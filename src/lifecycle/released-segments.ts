/**
 * What reclaim has to look at in the journals that this broker leads: segments that a journal no longer refers to, and those
 * that it condemned and did not forget. The broker that reclaims asks every leader from time to time (`journal.released`).
 *
 * A released segment is told until its journal has condemned it, so that a reclaimer which starts anew hears of it as
 * well. What a leader did not hold any more, or held too much of, is found by listing.
 */
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';

/** How far an asker has heard of a journal. Positions count within one term of a leader. */
export interface ReleasedCursor {
  readonly epoch: number;
  readonly position: number;
}

export interface Released extends ReleasedCursor {
  readonly segmentIds: readonly string[];
}

export const FROM_THE_START: ReleasedCursor = { epoch: -1, position: 0 };

/** Some 60 bytes each. */
const HELD_MAX = 50_000;
const TOLD_COUNT_MAX = 5_000;

interface Term {
  readonly journal: Journal;
  readonly epoch: number;
  /** By segment, in order of positions. */
  readonly held: Map<string, number>;
  position: number;
}

export class ReleasedSegments {
  readonly #terms = new Map<number, Term>();
  readonly #stop: () => void;

  constructor(journals: Journals) {
    this.#stop = journals.whileLeading((journal) => this.#begin(journal));
  }

  close(): void {
    this.#stop();
  }

  /** Null when the journal is not led here. An answer with fewer than all goes on from the position that it names. */
  after(journal: number, { epoch, position }: ReleasedCursor): Released | null {
    const term = this.#terms.get(journal);
    if (term === undefined) return null;
    const { state } = term.journal;
    const from = epoch === term.epoch ? position : 0;
    const segmentIds: string[] = [];
    // Condemned ones cost nobody anything until they are asked for: a new asker hears of them first.
    if (from === 0) for (const { segmentId } of state.condemned()) segmentIds.push(segmentId);
    let told = Math.max(from, 1);
    for (const [segmentId, at] of term.held) {
      if (state.isCondemned(segmentId) || state.segment(segmentId) !== undefined) {
        term.held.delete(segmentId);
        continue;
      }
      if (at <= from) continue;
      if (segmentIds.length >= TOLD_COUNT_MAX) return { epoch: term.epoch, position: told, segmentIds };
      segmentIds.push(segmentId);
      told = at;
    }
    return { epoch: term.epoch, position: term.position, segmentIds };
  }

  #begin(journal: Journal): () => void {
    // Position 1 is that of the condemned ones.
    const term: Term = { journal, epoch: journal.epoch, held: new Map(), position: 1 };
    this.#terms.set(journal.id, term);
    const stop = journal.subscribe(({ releasedSegments }) => {
      for (const segmentId of releasedSegments) hold(term, segmentId);
    });
    return () => {
      stop();
      this.#terms.delete(journal.id);
    };
  }
}

function hold(term: Term, segmentId: string): void {
  term.held.delete(segmentId); // Again at the end.
  term.held.set(segmentId, ++term.position);
  if (term.held.size <= HELD_MAX) return;
  const [oldest] = term.held.keys();
  term.held.delete(oldest!);
}
