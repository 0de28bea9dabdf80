/** Seats of several brokers over journals that are nothing but an epoch and a leader: the fence, and who notices it when. */
import type { LeadOptions, Seats } from '../../../../src/cluster/seats.ts';
import type { Journal, JournalRole } from '../../../../src/journal/journal.ts';
import type { Begin } from '../../../../src/journal/journals.ts';
import { sleep } from '../../../../src/runtime/clock.ts';
import type { Runtime } from '../../../../src/runtime/runtime.ts';

/** What stands in the store: the fence of each journal. */
export class Fences {
  readonly epochs = new Map<number, number>();
  readonly holders = new Map<number, FakeSeats>();
  /** Journals that nobody can take over, or only some brokers. */
  refuses: (brokerId: number, journal: number) => Error | null = () => null;

  /** Takes the journal; who led it learns of it when it appends next. */
  take(journal: number, seats: FakeSeats): number {
    const epoch = (this.epochs.get(journal) ?? 0) + 1;
    this.epochs.set(journal, epoch);
    const before = this.holders.get(journal);
    this.holders.set(journal, seats);
    if (before && before !== seats) before.noticeSoon(journal);
    return epoch;
  }
}

interface FakeSeat {
  readonly id: number;
  role: JournalRole;
  epoch: number;
}

export class FakeSeats {
  readonly brokerId: number;
  readonly #fences: Fences;
  readonly #runtime: Runtime;
  readonly #seats: FakeSeat[] = [];
  readonly #watches = new Set<{ readonly begin: Begin; readonly ends: Map<number, () => void> }>();
  readonly leading = new Map<number, Promise<void>>();
  /** How long reading takes, before the fence. */
  readMs = 20;
  /** How long a leader goes on before its next append shows that it was fenced; null: it never appends. */
  noticeMs: number | null = 50;
  readonly log: string[] = [];

  constructor(brokerId: number, count: number, fences: Fences, runtime: Runtime) {
    this.brokerId = brokerId;
    this.#fences = fences;
    this.#runtime = runtime;
    this.grow(count);
  }

  get count(): number {
    return this.#seats.length;
  }

  get led(): number[] {
    return this.#seats.filter(({ role }) => role === 'leading').map(({ id }) => id);
  }

  get(id: number): Journal | undefined {
    return this.#seats[id] as unknown as Journal | undefined;
  }

  [Symbol.iterator](): Iterator<Journal> {
    return (this.#seats as unknown as Journal[])[Symbol.iterator]();
  }

  each(): () => void {
    return () => {};
  }

  whileLeading(begin: Begin): () => void {
    const watch = { begin, ends: new Map<number, () => void>() };
    this.#watches.add(watch);
    for (const seat of this.#seats) {
      if (seat.role === 'leading') watch.ends.set(seat.id, begin(seat as unknown as Journal));
    }
    return () => {
      this.#watches.delete(watch);
      for (const end of watch.ends.values()) end();
    };
  }

  async lead(journal: number, { handOver, signal }: LeadOptions): Promise<void> {
    const seat = this.#seats[journal]!;
    if (seat.role === 'leading') return;
    const refusal = this.#fences.refuses(this.brokerId, journal);
    await sleep(this.#runtime.timers, this.readMs, signal);
    if (refusal) throw refusal;
    await handOver?.();
    signal.throwIfAborted();
    this.log.push(`leads ${journal}`);
    seat.epoch = this.#fences.take(journal, this);
    seat.role = 'leading';
    for (const { begin, ends } of this.#watches) ends.set(journal, begin(seat as unknown as Journal));
  }

  async relinquish(journal: number): Promise<void> {
    this.#end(journal, 'lets go of');
  }

  grow(count: number): void {
    while (this.#seats.length < count) this.#seats.push({ id: this.#seats.length, role: 'following', epoch: 0 });
  }

  async close(): Promise<void> {
    for (const { id } of this.#seats) this.#end(id, 'closes');
  }

  /** True when a write now would be accepted: notices otherwise, as the next append does. */
  append(journal: number): boolean {
    const seat = this.#seats[journal]!;
    if (seat.role !== 'leading') return false;
    if (this.#fences.holders.get(journal) === this) return true;
    this.#end(journal, 'is deposed from');
    return false;
  }

  noticeSoon(journal: number): void {
    if (this.noticeMs !== null) this.#runtime.timers.after(this.noticeMs, () => void this.append(journal));
  }

  #end(journal: number, how: string): void {
    const seat = this.#seats[journal]!;
    if (seat.role !== 'leading') return;
    this.log.push(`${how} ${journal}`);
    seat.role = 'following';
    for (const { ends } of this.#watches) {
      ends.get(journal)?.();
      ends.delete(journal);
    }
  }
}

export const asSeats = (seats: FakeSeats): Seats => seats as unknown as Seats;
