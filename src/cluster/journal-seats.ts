/**
 * All journals of the cluster in one broker, and what begins and ends with leading them. Every journal has one seat for as
 * long as the broker lives; a journal that cannot be taken over does not keep the others from being led.
 */

import type { Begin } from '../journal/journals.ts';
import { assert } from '../runtime/assert.ts';
import { JournalSeat, type SeatContext } from './journal-seat.ts';
import type { LeadOptions, Seats } from './seats.ts';

export type JournalSeatsOptions = Omit<SeatContext, 'began' | 'ended'> & { readonly count: number };

/** Something that is begun for journals, and how to end it where it was. */
interface Undertaking {
  readonly begin: Begin;
  readonly ends: Map<number, () => void>;
}

export class JournalSeats implements Seats {
  readonly #context: SeatContext;
  readonly #seats: JournalSeat[] = [];
  readonly #ofAll = new Set<Undertaking>();
  readonly #ofLed = new Set<Undertaking>();
  #closing: Promise<void> | null = null;

  constructor({ count, ...options }: JournalSeatsOptions) {
    this.#context = {
      ...options,
      began: (seat) => {
        for (const undertaking of this.#ofLed) begin(undertaking, seat);
      },
      ended: (seat) => {
        for (const undertaking of this.#ofLed) this.#end(undertaking, seat.id);
      },
    };
    this.grow(count);
  }

  get count(): number {
    return this.#seats.length;
  }

  get(id: number): JournalSeat | undefined {
    return this.#seats[id];
  }

  [Symbol.iterator](): Iterator<JournalSeat> {
    return this.#seats[Symbol.iterator]();
  }

  each(begin: Begin): () => void {
    return this.#undertake(this.#ofAll, begin, this.#seats);
  }

  whileLeading(begin: Begin): () => void {
    const led = this.#seats.filter(({ role }) => role === 'leading');
    return this.#undertake(this.#ofLed, begin, led);
  }

  async lead(journal: number, options: LeadOptions): Promise<void> {
    await this.#seat(journal).lead(options);
  }

  async relinquish(journal: number): Promise<void> {
    await this.#seat(journal).relinquish();
  }

  grow(count: number): void {
    while (this.#seats.length < count) {
      const seat = new JournalSeat(this.#seats.length, this.#context);
      this.#seats.push(seat);
      for (const undertaking of this.#ofAll) begin(undertaking, seat);
    }
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#seats.map((seat) => seat.close())).then(() => {});
    return this.#closing;
  }

  #seat(journal: number): JournalSeat {
    const seat = this.#seats[journal];
    assert(seat, `journal ${journal} of ${this.count}`);
    return seat;
  }

  #undertake(kind: Set<Undertaking>, beginOne: Begin, seats: readonly JournalSeat[]): () => void {
    const undertaking: Undertaking = { begin: beginOne, ends: new Map() };
    kind.add(undertaking);
    for (const seat of [...seats]) begin(undertaking, seat);
    return () => {
      kind.delete(undertaking);
      for (const journal of [...undertaking.ends.keys()]) this.#end(undertaking, journal);
    };
  }

  /** What fails to end must not keep others from ending: they would take this broker for the leader. */
  #end({ ends }: Undertaking, journal: number): void {
    const end = ends.get(journal);
    ends.delete(journal);
    try {
      end?.();
    } catch (cause) {
      this.#context.runtime.logger.error(
        { journal, cause },
        'what is done while a journal is led did not end in order',
      );
    }
  }
}

function begin({ begin: beginOne, ends }: Undertaking, seat: JournalSeat): void {
  ends.set(seat.id, beginOne(seat));
}
