/** Journals that this broker leads when a test says so, and those that others lead: empty, and refusing. */
import { KafkaError } from '../../../src/errors.ts';
import type { Decision, Journal, JournalView } from '../../../src/journal/journal.ts';
import { type Begin, fixedJournals, type Journals } from '../../../src/journal/journals.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';

const NOTHING: ReadonlyMap<string, string> = new Map();
const EMPTY = {
  lastSeq: 0,
  record: () => undefined,
  records: () => NOTHING,
  owners: () => [],
  partition: () => undefined,
  partitions: () => [],
  producers: () => [],
  openTransaction: () => undefined,
} as unknown as JournalView;

class TestSeat {
  readonly id: number;
  led: OpenedJournal | null = null;

  constructor(id: number) {
    this.id = id;
  }

  get role() {
    return this.led?.role === 'leading' ? 'leading' : 'following';
  }

  get epoch() {
    return this.led?.epoch ?? -1;
  }

  get state(): JournalView {
    return this.led?.state ?? EMPTY;
  }

  coordinate<T>(decide: Decision<T>): Promise<T> {
    return this.led?.coordinate(decide) ?? Promise.reject(new KafkaError('NOT_LEADER_OR_FOLLOWER', 'led elsewhere'));
  }

  confirmLeadership = async () => (await this.led?.confirmLeadership()) ?? false;
  subscribe: Journal['subscribe'] = (listener) => this.led?.subscribe(listener) ?? (() => {});
}

export class TestSeats implements Journals {
  readonly #seats: readonly TestSeat[];
  readonly #begins = new Map<Begin, Map<number, () => void>>();

  constructor(count: number) {
    this.#seats = Array.from({ length: count }, (_, id) => new TestSeat(id));
  }

  get count(): number {
    return this.#seats.length;
  }

  get(id: number): Journal | undefined {
    return this.#seats[id] as unknown as Journal | undefined;
  }

  each(begin: Begin): () => void {
    return fixedJournals([...this]).each(begin);
  }

  whileLeading(begin: Begin): () => void {
    const ends = new Map<number, () => void>();
    this.#begins.set(begin, ends);
    for (const seat of this) if (seat.role === 'leading') ends.set(seat.id, begin(seat));
    return () => {
      this.#begins.delete(begin);
      for (const end of ends.values()) end();
    };
  }

  /** From now on this broker leads it. */
  lead(journal: OpenedJournal): void {
    const seat = this.#seats[journal.id]!;
    seat.led = journal;
    for (const [begin, ends] of this.#begins) ends.set(seat.id, begin(this.get(seat.id)!));
  }

  /** Now it does not. */
  async lose(id: number): Promise<void> {
    const seat = this.#seats[id]!;
    const { led } = seat;
    seat.led = null;
    for (const ends of this.#begins.values()) {
      ends.get(id)?.();
      ends.delete(id);
    }
    await led?.close();
  }

  [Symbol.iterator](): Iterator<Journal> {
    return (this.#seats as unknown as Journal[])[Symbol.iterator]();
  }
}
