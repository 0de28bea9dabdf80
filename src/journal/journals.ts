import type { Journal } from './journal.ts';

/** Begins something for a journal; what it answers ends it. */
export type Begin = (journal: Journal) => () => void;

/**
 * All journals of the cluster as this broker sees them. Each is one object for as long as the broker runs, whoever leads it:
 * its `role` tells whether this broker does. Their number may grow; ids count from 0.
 */
export interface Journals extends Iterable<Journal> {
  get(id: number): Journal | undefined;
  readonly count: number;
  /** Every journal, now and those that are added later. Answers the way to stop, which ends what was begun. */
  each(begin: Begin): () => void;
  /**
   * Every journal that this broker leads: begins at once when it leads already, and each time it begins to lead, before
   * anything is appended; ends when it no longer does, in the turn in which that becomes known, when `role` and `state`
   * have changed already. Answers the way to stop, which ends what was begun.
   */
  whileLeading(begin: Begin): () => void;
}

/** Journals that this process leads from the beginning, or not at all: a broker alone, and tests. */
export function fixedJournals(journals: readonly Journal[]): Journals {
  const byId = new Map(journals.map((journal) => [journal.id, journal]));
  const beginAll = (begin: Begin, chosen: readonly Journal[]) => {
    const ends = chosen.map(begin);
    return () => {
      for (const end of ends.splice(0)) end();
    };
  };
  return {
    get: (id) => byId.get(id),
    count: journals.length,
    each: (begin) => beginAll(begin, journals),
    whileLeading: (begin) =>
      beginAll(
        begin,
        journals.filter(({ role }) => role === 'leading'),
      ),
    [Symbol.iterator]: () => journals[Symbol.iterator](),
  };
}
