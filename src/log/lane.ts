/**
 * The sending side of one lane (design §4, rule 5): numbers are given out when a flush leaves, and appends go to the
 * journal in exactly that order, whenever their uploads end. A number whose append will never come is skipped.
 *
 *   reserve ──► waiting for its turn ──► sent ──────► answered ─────► settled
 *                   │ skip                 │ ▲ again
 *                   │                      ▼ │
 *                   │                    rejected ──► given up ──► skipped
 *                   └──────────────────────────────────────────────┘
 *
 * A rejected append may or may not be in the journal: its leader may be gone, or only its answer. Where another leader is to
 * be hoped for, the lane goes back: it waits for what is under way, and sends everything from the lowest number without an
 * answer once more, byte by byte the same, after a pause that grows, and at once when a new leader is heard of. What had
 * arrived is answered as it was the first time, what had not is appended now. So a change of leaders delays appends and neither
 * doubles nor reorders them. An answer to an earlier attempt counts as well: there is only one.
 *
 * After `APPEND_PATIENCE_MS` without an answer, or a rejection that trying again will not mend, the lane gives up: its appends
 * fail, retriably, and it is suspended: it sends nothing but the skips of their numbers, which the journal answers as repeats
 * where an append had arrived after all, and tries that again from time to time until it is done.
 *
 * **Order across lanes.** A number is settled when the journal has answered its append or its skip. Before that its append may
 * still be on some connection and become durable at any later moment, also after something that was sent later; after that
 * never: the journal answers it as a repeat, or refuses it as skipped. So whatever must come after an append in another lane
 * waits until that one is settled (`settledThrough`, `settled`), not only until it was rejected.
 */
import { KafkaError } from '../errors.ts';
import type { AppendAnswer, AppendRequest, Journal, Lane } from '../journal/journal.ts';
import { APPEND_PAUSE_MS_MAX, APPEND_PAUSE_MS_MIN, LANE_IN_FLIGHT_MAX, LANE_SPAN_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';

export type LaneAppend = Omit<AppendRequest, 'lane' | 'number'>;

export type LaneOutcome =
  | { readonly type: 'answered'; readonly answer: AppendAnswer }
  /** `sent`: it may have been appended all the same, or may still be until it is settled. Otherwise it never will be. */
  | { readonly type: 'failed'; readonly cause: unknown; readonly sent: boolean };

export interface LaneListener {
  /** Once, in the order of numbers where all are answered. */
  end(outcome: LaneOutcome): void;
  /** Once, not before `end`: from now on it is in the journal, or never will be. */
  settled(): void;
  /** Whether what must be settled before it is; asked again at each `pump`. */
  maySend(): boolean;
}

export interface LaneOptions {
  readonly journal: Journal;
  readonly lane: Lane;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  /** How long to go back for the same append. */
  readonly patienceMs: () => number;
  /** The broker that leads the journal; -1 when nobody is known to. */
  readonly leaderId: () => number;
  /** After each answer: other lanes and the cadence may wait for it. */
  readonly onProgress: () => void;
  readonly onGoingBack?: () => void;
  readonly onGivenUp: (cause: unknown) => void;
}

class Work {
  /** Null: the number is to be skipped. */
  request: LaneAppend | null;
  readonly listener: LaneListener | null;
  /** An attempt to append it has left. */
  sent = false;
  /** The attempt in which it is under way; -1 when it is not. */
  attempt = -1;

  constructor(request: LaneAppend | null, listener: LaneListener | null) {
    this.request = request;
    this.listener = listener;
  }
}

export class AppendLane {
  readonly #options: LaneOptions;
  #reserved = 0;
  #nextToSend = 0;
  #settledThrough = -1;
  /** Settled numbers above `#settledThrough`. */
  readonly #settledApart = new Set<number>();
  /** By number: what can be sent in its turn, and what was sent and is not settled. */
  readonly #work = new Map<number, Work>();
  /** Counts how often the lane went back. Rejections of earlier attempts say nothing any more. */
  #attempt = 0;
  /** Of this attempt. */
  #inFlight = 0;
  #sentTo = -1;
  #goingBack = false;
  #pauseMs = APPEND_PAUSE_MS_MIN;
  #pause: TimerHandle | null = null;
  /** When the first rejection since the last answer came; null when there was none. */
  #troubleSince: number | null = null;
  #suspended = false;
  #resuming = false;
  #cause: unknown = null;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Every number that was given out is settled. */
  get idle(): boolean {
    return this.#settledThrough === this.#reserved - 1;
  }

  /** This number and all below are settled. */
  get settledThrough(): number {
    return this.#settledThrough;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  get resuming(): boolean {
    return this.#resuming;
  }

  /** Why the lane is suspended, or goes back; null when it does neither. */
  get cause(): unknown {
    return this.#cause;
  }

  /** The next number. Whoever asks must call `append` or `skip` for it. Not while suspended. */
  reserve(): number {
    assert(!this.#suspended, 'a suspended lane gave out a number');
    return this.#reserved++;
  }

  /** Sends when all earlier numbers were sent and `maySend` agrees. Nobody changes the bytes before the end. */
  append(number: number, request: LaneAppend, listener: LaneListener): void {
    this.#put(number, new Work(request, listener));
  }

  skip(number: number): void {
    this.#put(number, new Work(null, null));
  }

  /** Sends what may be sent. */
  pump(): void {
    if (this.#goingBack || (this.#suspended && !this.#resuming)) return;
    while (this.#inFlight < LANE_IN_FLIGHT_MAX && this.#nextToSend - this.#settledThrough <= LANE_SPAN_MAX) {
      const number = this.#nextToSend;
      const work = this.#work.get(number);
      if (work === undefined) {
        if (!this.#isSettled(number)) return;
        this.#nextToSend++;
        continue;
      }
      if (work.request !== null && work.listener?.maySend() === false) return;
      this.#nextToSend++;
      this.#send(number, work);
    }
  }

  /** Another broker may lead the journal now: whoever waits for that tries at once. */
  wake(): void {
    this.#pauseMs = APPEND_PAUSE_MS_MIN;
    if (this.#suspended) this.resume();
    else if (this.#pause !== null) this.#again();
    else if (this.#inFlight > 0 && this.#isSucceeded()) this.#again();
  }

  /** Tries to skip the unsettled numbers of a suspended lane. Its state tells whether that worked. */
  resume(): void {
    if (!this.#suspended || this.#resuming || this.#inFlight > 0 || isOver(this.#options.journal)) return;
    this.#resuming = true;
    this.#again();
    this.#afterResume();
  }

  /** Fails what is not under way, as after a rejection that trying again will not mend. */
  giveUp(cause: unknown): void {
    if (this.#suspended && !this.#resuming) return;
    this.#suspended = true;
    this.#resuming = false;
    this.#cause = cause;
    this.#pause?.cancel();
    this.#pause = null;
    for (const [number, work] of this.#work) if (work.attempt !== this.#attempt) this.#fail(number, work);
    if (this.#work.size === 0) {
      this.#recover();
      return;
    }
    this.#options.onGivenUp(cause);
    if (this.#inFlight === 0) this.#probeLater();
  }

  /** Who is refused meanwhile makes it sooner. */
  #probeLater(): void {
    const { runtime, journal } = this.#options;
    if (this.#pause !== null || isOver(journal)) return;
    this.#pause = runtime.timers.after(this.#pauseMs, () => {
      this.#pause = null;
      this.resume();
    });
    this.#pauseMs = Math.min(this.#pauseMs * 2, PROBE_PAUSE_MS_MAX);
  }

  #put(number: number, work: Work): void {
    assert(number < this.#reserved && !this.#work.has(number), `lane number ${number} is used twice`);
    this.#work.set(number, work);
    if (this.#suspended) this.#fail(number, work);
    this.pump();
  }

  #send(number: number, work: Work): void {
    const { journal, lane, leaderId } = this.#options;
    const attempt = this.#attempt;
    work.attempt = attempt;
    this.#inFlight++;
    this.#sentTo = leaderId();
    let sent: Promise<AppendAnswer | null>;
    if (work.request === null) {
      sent = journal.skip(lane, number).then(() => null);
    } else {
      work.sent = true;
      sent = journal.append({ lane, number, ...work.request });
    }
    sent.then(
      (answer) => this.#answered(number, work, attempt, answer),
      (cause: unknown) => this.#rejected(number, work, attempt, cause),
    );
  }

  #answered(number: number, work: Work, attempt: number, answer: AppendAnswer | null): void {
    if (attempt === this.#attempt) this.#inFlight--;
    if (this.#work.get(number) === work) {
      this.#work.delete(number);
      this.#settle(number);
      this.#troubleSince = null;
      this.#pauseMs = APPEND_PAUSE_MS_MIN;
      if (work.request !== null) work.listener?.end({ type: 'answered', answer: answer! });
      if (work.sent) work.listener?.settled();
    }
    this.#afterAnswer();
  }

  #rejected(number: number, work: Work, attempt: number, cause: unknown): void {
    if (attempt !== this.#attempt) return;
    this.#inFlight--;
    work.attempt = -1;
    this.#goingBack = true;
    this.#troubleSince ??= this.#options.runtime.clock.monotonic();
    if (this.#suspended && !this.#resuming) this.#fail(number, work);
    else if (this.#resuming || !mayMend(cause) || isOver(this.#options.journal)) this.giveUp(cause);
    else this.#cause = cause;
    this.#afterAnswer();
  }

  /** Its clients know better than we do how long to try. */
  #fail(number: number, work: Work): void {
    if (work.request === null || this.#work.get(number) !== work) return;
    work.request = null;
    work.listener!.end({ type: 'failed', cause: this.#cause, sent: work.sent });
    if (!work.sent) work.listener!.settled();
  }

  #afterAnswer(): void {
    if (this.#suspended) {
      if (this.#inFlight === 0 && this.#work.size === 0) this.#recover();
      else if (this.#inFlight === 0 && !this.#resuming) this.#probeLater();
    } else if (this.#goingBack && this.#inFlight === 0 && this.#pause === null) {
      this.#goBack();
    }
    this.pump();
    this.#afterResume();
    this.#options.onProgress();
  }

  /** With nothing under way. */
  #goBack(): void {
    if (this.#work.size === 0) {
      this.#recover();
      return;
    }
    const { runtime, journal, patienceMs, onProgress, onGoingBack } = this.#options;
    onGoingBack?.();
    this.#pause = runtime.timers.after(this.#pauseMs, () => {
      const isOverdue = runtime.clock.monotonic() - (this.#troubleSince ?? 0) >= patienceMs();
      if (!isOverdue && !isOver(journal)) {
        this.#again();
        return;
      }
      this.giveUp(this.#cause);
      onProgress();
    });
    this.#pauseMs = Math.min(this.#pauseMs * 2, APPEND_PAUSE_MS_MAX);
  }

  /** Sends everything from the lowest number on that is not settled. What is under way is not waited for any more. */
  #again(): void {
    this.#pause?.cancel();
    this.#pause = null;
    this.#attempt++;
    this.#inFlight = 0;
    this.#goingBack = false;
    this.#nextToSend = this.#settledThrough + 1;
    this.pump();
  }

  /** What was sent cannot be hoped for: another broker leads than it was sent to. */
  #isSucceeded(): boolean {
    const leaderId = this.#options.leaderId();
    return leaderId !== -1 && leaderId !== this.#sentTo;
  }

  #afterResume(): void {
    if (!this.#resuming || this.#inFlight > 0) return;
    // Numbers whose uploads still run come later; only a skip that failed is a reason to stay suspended.
    if (!this.#work.has(this.#nextToSend)) this.#recover();
  }

  #recover(): void {
    this.#resuming = false;
    this.#suspended = false;
    this.#goingBack = false;
    this.#troubleSince = null;
    this.#cause = null;
  }

  #isSettled(number: number): boolean {
    return number <= this.#settledThrough || this.#settledApart.has(number);
  }

  #settle(number: number): void {
    if (number !== this.#settledThrough + 1) {
      this.#settledApart.add(number);
      return;
    }
    this.#settledThrough = number;
    while (this.#settledApart.delete(this.#settledThrough + 1)) this.#settledThrough++;
  }
}

/** Of a lane that is suspended. */
const PROBE_PAUSE_MS_MAX = 1_000;

/** Another leader, or the same one a moment later, may take what this one did not. */
const mayMend = (cause: unknown): boolean => cause instanceof KafkaError && cause.error === 'NOT_LEADER_OR_FOLLOWER';

/** Nothing will be appended through this journal any more. */
const isOver = ({ role }: Journal): boolean => role === 'deposed' || role === 'stopped';
