/**
 * Has the seats of this broker follow the assignments: takes over what it is assigned, with the present leader letting go in
 * the last moment, and lets go of what it is not assigned any more. An assignment is a wish: who leads is decided by the fence.
 *
 *   assigned      leads            nothing to do, unless another broker says that it does, too: then it is looked who is right
 *   assigned      does not lead    lead(); after a failure again, with growing patience
 *   not assigned  leads            the next leader asks for it, when it has read everything; else let go after a grace period
 *   not assigned  is taking over   give up
 */
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Seats } from './seats.ts';

/** How long a leader waits for the next one to ask for the journal, as long as that one is not connected. */
export const GRACE_MS = 3_000;
/** And when it is: it may have much to read, or cannot read it, and the controller finds another one meanwhile. */
export const GRACE_MS_MAX = 21_000;
const PATIENCE_MS = 250;
const PATIENCE_MS_MAX = 30_000;
/** Who led for so long has not failed. */
const GOOD_MS = 10_000;

export type Assignment = 'ours' | 'connected' | 'elsewhere';

export interface ReconcilerOptions {
  readonly seats: Seats;
  readonly runtime: Runtime;
  /** Who shall lead: this broker, one that is connected and can ask for it, or any other. */
  readonly assignmentOf: (journal: number) => Assignment;
  /** The highest epoch in which anybody is known to have led. */
  readonly newestEpoch: (journal: number) => number;
  /** Asks the present leader to let go. */
  readonly handOver: (journal: number) => Promise<void>;
  /** Reads the assignments anew: this broker lost a journal that it was assigned. */
  readonly refresh: () => Promise<unknown>;
  /** Journals that this broker leads have changed. */
  readonly onLed: () => void;
  readonly onAttempt: (outcome: 'leads' | 'failed') => void;
}

interface Course {
  attempt: AbortController | null;
  /** Ends when the store answered who shall lead. */
  refreshing: boolean;
  /** It is looked whether this broker still leads. */
  confirming: boolean;
  releasing: Promise<void> | null;
  failures: number;
  notBefore: number;
  timer: TimerHandle | null;
  ledSince: number;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #courses = new Map<number, Course>();
  readonly #led = new Map<number, number>();
  #endWatch: () => void;
  #halted = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#endWatch = options.seats.whileLeading((journal) => this.#began(journal.id, journal.epoch));
  }

  /** Journals that this broker leads, and in which epochs. */
  get led(): ReadonlyMap<number, number> {
    return this.#led;
  }

  /** Assignments have changed. */
  look(): void {
    if (this.#halted) return;
    for (let journal = 0; journal < this.#options.seats.count; journal++) this.#step(journal);
  }

  /** The next leader asks for it. */
  async relinquish(journal: number): Promise<void> {
    const course = this.#course(journal);
    course.attempt?.abort(new Error(`journal ${journal} goes to another broker`));
    course.releasing ??= this.#options.seats.relinquish(journal).finally(() => {
      course.releasing = null;
      this.#step(journal);
    });
    await course.releasing;
  }

  /** Lets go of everything and takes nothing over any more. */
  async halt(): Promise<void> {
    this.#halted = true;
    for (const course of this.#courses.values()) {
      course.timer?.cancel();
      course.attempt?.abort(new Error('this broker leads nothing any more'));
    }
    await Promise.all([...this.#led.keys()].map((journal) => this.relinquish(journal)));
    this.#unwatch();
  }

  /** Stops deciding; what is led stays led until the seats are closed. */
  stop(): void {
    this.#halted = true;
    for (const course of this.#courses.values()) {
      course.timer?.cancel();
      course.attempt?.abort(new Error('the broker stops'));
    }
    this.#unwatch();
  }

  #unwatch(): void {
    this.#endWatch();
    this.#endWatch = () => {};
  }

  #step(journal: number): void {
    if (this.#halted) return;
    const course = this.#course(journal);
    const epoch = this.#led.get(journal);
    if (epoch !== undefined && epoch < this.#options.newestEpoch(journal)) void this.#confirm(journal, course);
    if (this.#isOurs(journal)) this.#pursue(journal, course);
    else this.#letGo(journal, course);
  }

  #pursue(journal: number, course: Course): void {
    if (this.#led.has(journal)) {
      course.timer?.cancel();
      course.timer = null;
      return;
    }
    if (course.attempt !== null || course.refreshing || course.releasing !== null) return;
    const waitMs = course.notBefore - this.#now();
    if (waitMs > 0) {
      course.timer?.cancel();
      course.timer = this.#options.runtime.timers.after(waitMs, () => {
        course.timer = null;
        this.#step(journal);
      });
      return;
    }
    void this.#attempt(journal, course);
  }

  /**
   * Somebody led after this broker, which has written nothing since and does not know: it would take itself for the leader that it
   * is assigned to be, and do nothing. What it looks at makes it step down, and then it takes the journal over.
   */
  async #confirm(journal: number, course: Course): Promise<void> {
    if (course.confirming) return;
    course.confirming = true;
    try {
      await this.#options.seats.get(journal)?.confirmLeadership();
    } catch (cause) {
      // The next look asks again.
      this.#options.runtime.logger.debug({ journal, reason: String(cause) }, 'who leads a journal could not be read');
    } finally {
      course.confirming = false;
    }
  }

  #letGo(journal: number, course: Course): void {
    course.attempt?.abort(new Error(`journal ${journal} is assigned to another broker`));
    course.failures = 0;
    course.notBefore = 0;
    if (!this.#led.has(journal)) {
      course.timer?.cancel();
      course.timer = null;
      return;
    }
    if (course.timer === null) this.#relinquishLater(journal, course, this.#now() + GRACE_MS_MAX);
  }

  #relinquishLater(journal: number, course: Course, endsAt: number): void {
    course.timer = this.#options.runtime.timers.after(GRACE_MS, () => {
      course.timer = null;
      if (this.#halted || this.#isOurs(journal) || !this.#led.has(journal)) return;
      const mayAsk = this.#options.assignmentOf(journal) === 'connected' && this.#now() < endsAt;
      if (mayAsk) this.#relinquishLater(journal, course, endsAt);
      else void this.relinquish(journal);
    });
  }

  #isOurs(journal: number): boolean {
    return this.#options.assignmentOf(journal) === 'ours';
  }

  async #attempt(journal: number, course: Course): Promise<void> {
    const { seats, handOver, runtime, onAttempt } = this.#options;
    const attempt = new AbortController();
    course.attempt = attempt;
    try {
      await seats.lead(journal, { handOver: () => handOver(journal), signal: attempt.signal });
      onAttempt('leads');
    } catch (cause) {
      if (!attempt.signal.aborted) {
        this.#failed(course);
        onAttempt('failed');
        const fields = { journal, reason: String(cause), failures: course.failures };
        runtime.logger.error(fields, 'a journal could not be taken over; another attempt follows');
      }
    } finally {
      course.attempt = null;
      this.#step(journal);
    }
  }

  #began(journal: number, epoch: number): () => void {
    const course = this.#course(journal);
    const { logger } = this.#options.runtime;
    course.ledSince = this.#now();
    logger.info({ journal, epoch }, 'this broker leads a journal');
    this.#led.set(journal, epoch);
    this.#options.onLed();
    this.#step(journal);
    return () => {
      logger.info({ journal, epoch }, 'this broker leads a journal no longer');
      this.#led.delete(journal);
      course.timer?.cancel();
      course.timer = null;
      this.#options.onLed();
      if (course.releasing === null && !this.#halted) void this.#deposed(journal, course);
    };
  }

  /** Another broker took the journal over: it was assigned to that one, and we have not heard; or both want it. */
  async #deposed(journal: number, course: Course): Promise<void> {
    if (this.#now() - course.ledSince > GOOD_MS) course.failures = 0;
    this.#failed(course);
    course.refreshing = true;
    try {
      await this.#options.refresh();
    } finally {
      course.refreshing = false;
      this.#step(journal);
    }
  }

  #failed(course: Course): void {
    const patienceMs = Math.min(PATIENCE_MS_MAX, PATIENCE_MS * 2 ** course.failures);
    course.failures++;
    course.notBefore = this.#now() + patienceMs;
  }

  #course(journal: number): Course {
    const known = this.#courses.get(journal);
    if (known) return known;
    const course: Course = {
      attempt: null,
      refreshing: false,
      confirming: false,
      releasing: null,
      failures: 0,
      notBefore: 0,
      timer: null,
      ledSince: 0,
    };
    this.#courses.set(journal, course);
    return course;
  }

  #now(): number {
    return this.#options.runtime.clock.monotonic();
  }
}
