/**
 * The sending side of one lane (design §4, rule 5): numbers are given out when a flush leaves, and appends go to the
 * journal in exactly that order, whenever their uploads end. A number whose append will never come is skipped.
 *
 *   reserve ──► waiting for its turn ──► sent ──► answered
 *                   │ skip                 │ rejected: its fate is unknown
 *                   └──────────────────────┴──► skipped before anything later is sent
 *
 * A rejected append may or may not be in the journal. Its requests fail, retriably, and the lane is suspended: it sends
 * nothing but the skips of unsettled numbers, which the journal answers as repeats where the append had arrived after all.
 */
import type { AppendAnswer, AppendRequest, Journal, Lane } from '../journal/journal.ts';
import { LANE_IN_FLIGHT_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';

export type LaneAppend = Omit<AppendRequest, 'lane' | 'number'>;

export type LaneOutcome =
  | { readonly type: 'answered'; readonly answer: AppendAnswer }
  /** `sent`: it may have been appended all the same. Otherwise it never will be. */
  | { readonly type: 'failed'; readonly cause: unknown; readonly sent: boolean };

type Work =
  | { readonly type: 'skip' }
  | {
      readonly type: 'append';
      readonly request: LaneAppend;
      readonly maySend: () => boolean;
      readonly end: (outcome: LaneOutcome) => void;
    };

const SKIP: Work = { type: 'skip' };
const always = () => true;

export class AppendLane {
  readonly #journal: Journal;
  readonly #lane: Lane;
  readonly #onSettled: () => void;
  #reserved = 0;
  #nextToSend = 0;
  #heardThrough = -1;
  #inFlight = 0;
  /** By number: what can be sent in its turn, and what was sent and is not answered. */
  readonly #work = new Map<number, Work>();
  #suspended = false;
  #resuming = false;
  #cause: unknown = null;

  /** `onSettled` is called after each answer: other lanes and the cadence may wait for it. */
  constructor(journal: Journal, lane: Lane, onSettled: () => void) {
    this.#journal = journal;
    this.#lane = lane;
    this.#onSettled = onSettled;
  }

  /** No append waits for its turn or for its answer. */
  get idle(): boolean {
    return this.#heardThrough === this.#reserved - 1;
  }

  /** The last number given out; -1 before the first. */
  get lastNumber(): number {
    return this.#reserved - 1;
  }

  /**
   * The highest number that was answered or rejected. The journal orders what it still has before all that is sent from
   * now on, so another lane may send what must come after that number. (Exact for a lane with one append in flight.)
   */
  get heardThrough(): number {
    return this.#heardThrough;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  get resuming(): boolean {
    return this.#resuming;
  }

  /** Why the lane is suspended; null when it is not. */
  get cause(): unknown {
    return this.#cause;
  }

  /** The next number. Whoever asks must call `append` or `skip` for it. Not while suspended. */
  reserve(): number {
    assert(!this.#suspended, 'a suspended lane gave out a number');
    return this.#reserved++;
  }

  /**
   * Sends when all earlier numbers were sent and `maySend` agrees, which is asked again at each `pump`. `end` is called
   * once, in the order of numbers where all are answered.
   */
  append(
    number: number,
    request: LaneAppend,
    end: (outcome: LaneOutcome) => void,
    maySend: () => boolean = always,
  ): void {
    this.#put(number, { type: 'append', request, maySend, end });
  }

  skip(number: number): void {
    this.#put(number, SKIP);
  }

  #put(number: number, work: Work): void {
    assert(number < this.#reserved && !this.#work.has(number), `lane number ${number} is used twice`);
    this.#work.set(number, work);
    if (this.#suspended) this.#turnIntoSkips();
    else this.pump();
  }

  /** Sends what may be sent. */
  pump(): void {
    if (this.#suspended && !this.#resuming) return;
    while (this.#inFlight < LANE_IN_FLIGHT_MAX) {
      const work = this.#work.get(this.#nextToSend);
      if (work === undefined || (work.type === 'append' && !work.maySend())) return;
      this.#send(this.#nextToSend++, work);
    }
  }

  /** Tries to skip the unsettled numbers of a suspended lane. Its state tells whether that worked. */
  resume(): void {
    if (!this.#suspended || this.#resuming || this.#inFlight > 0) return;
    if (this.#journal.role !== 'leading') return;
    this.#resuming = true;
    this.pump();
    this.#afterResume();
  }

  #send(number: number, work: Work): void {
    this.#inFlight++;
    const { type } = work;
    const sent: Promise<AppendAnswer | undefined> =
      type === 'skip'
        ? this.#journal.skip(this.#lane, number).then(() => undefined)
        : this.#journal.append({ lane: this.#lane, number, ...work.request });
    sent.then(
      (answer) => {
        this.#heard(number);
        this.#inFlight--;
        this.#work.delete(number);
        if (work.type === 'append') work.end({ type: 'answered', answer: answer! });
        this.#afterAnswer();
      },
      (cause: unknown) => {
        this.#heard(number);
        this.#inFlight--;
        this.#work.set(number, SKIP);
        this.#suspend(cause);
        if (work.type === 'append') work.end({ type: 'failed', cause, sent: true });
        this.#afterAnswer();
      },
    );
  }

  #heard(number: number): void {
    if (number > this.#heardThrough) this.#heardThrough = number;
  }

  #suspend(cause: unknown): void {
    this.#suspended = true;
    this.#resuming = false;
    this.#cause = cause;
    this.#turnIntoSkips();
  }

  /** What waits behind an unsettled number fails now: its clients know better than we do how long to try. */
  #turnIntoSkips(): void {
    for (const [number, work] of this.#work) {
      const sent = number < this.#nextToSend;
      if (work.type === 'skip' || sent) continue;
      this.#work.set(number, SKIP);
      this.#heard(number);
      work.end({ type: 'failed', cause: this.#cause, sent: false });
    }
  }

  #afterAnswer(): void {
    if (this.#suspended && this.#inFlight === 0) this.#goBack();
    if (this.#resuming) this.#afterResume();
    this.pump();
    this.#onSettled();
  }

  /** With nothing in flight, the lowest number that is not settled is the next to send. */
  #goBack(): void {
    for (const number of this.#work.keys()) this.#nextToSend = Math.min(this.#nextToSend, number);
  }

  #afterResume(): void {
    if (!this.#resuming || this.#inFlight > 0) return;
    // Numbers whose uploads still run come later; only a skip that failed is a reason to stay suspended.
    const next = this.#work.get(this.#nextToSend);
    if (next !== undefined) return;
    this.#resuming = false;
    this.#suspended = false;
    this.#cause = null;
  }
}
