/**
 * Deadlines of a group's members, behind one timer: sessions, and the time a member has to give partitions up. Moving a
 * deadline moves a number; when the timer fires it looks which really passed.
 */
import type { TimerHandle } from '../../runtime/clock.ts';
import type { Runtime } from '../../runtime/runtime.ts';

/**
 * - session: it was not heard of for too long.
 * - rebalance: it did not give up in time what it was told to.
 * - join, sync: a member of the classic protocol did not join again in time, or did not ask for its assignment.
 */
export type DeadlineKind = 'session' | 'rebalance' | 'join' | 'sync';

/** A timer that comes this much later than asked for found a process that did not run, and did not read heartbeats. */
const STALL_MS = 1_000;

export interface Missed {
  readonly memberId: string;
  readonly kind: DeadlineKind;
  /** The member epoch that the deadline was set at. */
  readonly memberEpoch: number;
}

interface Deadline {
  readonly at: number;
  readonly timeoutMs: number;
  readonly memberEpoch: number;
}

type Deadlines = Partial<Record<DeadlineKind, Deadline>>;

export class MemberDeadlines {
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly #onMissed: (missed: readonly Missed[]) => void;
  readonly #members = new Map<string, Deadlines>();
  #timer: TimerHandle | null = null;
  #timerAt = 0;
  #closed = false;

  constructor(runtime: Pick<Runtime, 'clock' | 'timers'>, onMissed: (missed: readonly Missed[]) => void) {
    this.#runtime = runtime;
    this.#onMissed = onMissed;
  }

  set(memberId: string, kind: DeadlineKind, timeoutMs: number, memberEpoch = 0): void {
    if (this.#closed) return;
    const deadlines = this.#members.get(memberId) ?? {};
    const at = this.#runtime.clock.monotonic() + timeoutMs;
    deadlines[kind] = { at, timeoutMs, memberEpoch };
    this.#members.set(memberId, deadlines);
    this.#arm(at);
  }

  /** As `set`, but one that was set at the same epoch stays as it is. */
  setOnce(memberId: string, kind: DeadlineKind, timeoutMs: number, memberEpoch: number): void {
    if (this.#members.get(memberId)?.[kind]?.memberEpoch !== memberEpoch)
      this.set(memberId, kind, timeoutMs, memberEpoch);
  }

  clear(memberId: string, kind: DeadlineKind): void {
    const deadlines = this.#members.get(memberId);
    if (deadlines) delete deadlines[kind];
  }

  /** Forgets all others. */
  keep(isMember: (memberId: string) => boolean): void {
    for (const memberId of this.#members.keys()) if (!isMember(memberId)) this.#members.delete(memberId);
  }

  close(): void {
    this.#closed = true;
    this.#members.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(at: number): void {
    if (this.#timer !== null) {
      if (at >= this.#timerAt) return;
      this.#timer.cancel();
    }
    this.#timerAt = at;
    const { clock, timers } = this.#runtime;
    this.#timer = timers.after(Math.max(at - clock.monotonic(), 0), () => this.#fire());
  }

  #fire(): void {
    this.#timer = null;
    const now = this.#runtime.clock.monotonic();
    const stalledMs = now - this.#timerAt;
    if (stalledMs > STALL_MS) this.#putOff(stalledMs + STALL_MS, now); // Heartbeats that wait are read after this.
    const missed: Missed[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [memberId, deadlines] of this.#members) {
      for (const [kind, { at, memberEpoch }] of Object.entries(deadlines) as [DeadlineKind, Deadline][]) {
        if (at > now) next = Math.min(next, at);
        else {
          missed.push({ memberId, kind, memberEpoch });
          delete deadlines[kind];
        }
      }
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
    if (missed.length > 0) this.#onMissed(missed);
  }

  /** Sessions begin anew: clients that gave up their connections meanwhile take seconds to come back. */
  #putOff(byMs: number, now: number): void {
    for (const deadlines of this.#members.values()) {
      for (const [kind, deadline] of Object.entries(deadlines) as [DeadlineKind, Deadline][]) {
        const at = kind === 'session' ? now + deadline.timeoutMs : deadline.at + byMs;
        deadlines[kind] = { ...deadline, at };
      }
    }
  }
}
