/**
 * When transactions have been open for too long, and ids idle for too long. Looks at all of them in intervals, and at the
 * very moment when one is due before the next look: an open transaction holds the last stable offset of its partitions no
 * longer than its timeout.
 *
 * Nothing is done by a clock that differs from the store's by minutes: it would abort what has just begun, or forget ids that
 * are in use. Until the two agree, what is due waits.
 */
import type { StoreClock } from '../../cluster/store-clock.ts';
import { toKafkaError } from '../../errors.ts';
import type { TimerHandle } from '../../runtime/clock.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { LiveTransaction } from './transaction-index.ts';
import { isTimedOut, type Transaction } from './transaction-state.ts';
import type { TransactionSettings } from './transactions.ts';

export interface Overdue {
  list(): Iterable<LiveTransaction>;
  abort(live: LiveTransaction): Promise<unknown>;
  /** Forgets the id unless it was used since `before`. */
  expire(live: LiveTransaction, before: number): Promise<unknown>;
  /** Asked before either; absent where there is nothing to compare with. */
  readonly storeClock?: Pick<StoreClock, 'checkJump'> | undefined;
}

/** Decisions under way at once; the rest comes with a look soon after. */
const DECISIONS_MAX = 1_000;
const BUSY_INTERVAL_MS = 1_000;
const LOOK_INTERVAL_MS_MIN = 10;

export class Deadlines {
  readonly #runtime: Runtime;
  readonly #settings: TransactionSettings;
  readonly #overdue: Overdue;
  /** Decisions that are under way, by transactional id: a store may be away for many looks. */
  readonly #deciding = new Set<string>();
  #timer: TimerHandle | null = null;
  /** By the wall clock. */
  #nextLookAt = 0;
  #nextExpiryAt: number;
  /** Under way, and shared by all that is due. */
  #comparing: Promise<boolean> | null = null;
  /** By the monotonic clock: until then the two are known to differ, or cannot be compared. */
  #distrustedUntil = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(runtime: Runtime, settings: TransactionSettings, overdue: Overdue) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#overdue = overdue;
    this.#nextExpiryAt = runtime.clock.now() + settings.expireIntervalMs;
    this.#lookAfter(Math.min(settings.abortIntervalMs, settings.expireIntervalMs));
  }

  /** A transaction goes on: there will be a look when it is due. */
  opened({ startedAt, timeoutMs }: Transaction): void {
    const dueAt = startedAt + timeoutMs;
    if (dueAt < this.#nextLookAt) this.#lookAfter(Math.max(LOOK_INTERVAL_MS_MIN, dueAt - this.#runtime.clock.now()));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #lookAfter(delayMs: number): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#nextLookAt = this.#runtime.clock.now() + delayMs;
    this.#timer = this.#runtime.timers.after(delayMs, () => this.#look());
  }

  #look(): void {
    const now = this.#runtime.clock.now();
    const { abortIntervalMs, expireIntervalMs, idExpirationMs } = this.#settings;
    const expiring = now >= this.#nextExpiryAt;
    // It may be far ahead of a clock that was set back.
    if (expiring || this.#nextExpiryAt > now + expireIntervalMs) this.#nextExpiryAt = now + expireIntervalMs;
    let nextDueAt = Math.min(now + abortIntervalMs, this.#nextExpiryAt);
    for (const live of this.#overdue.list()) {
      const { transaction } = live;
      if (this.#deciding.size >= DECISIONS_MAX) {
        nextDueAt = Math.min(nextDueAt, now + BUSY_INTERVAL_MS);
        if (expiring) this.#nextExpiryAt = nextDueAt;
        break;
      }
      if (isTimedOut(transaction, now)) {
        this.#decide(live, 'abort', () => this.#overdue.abort(live));
      } else if (transaction.state === 'Ongoing') {
        nextDueAt = Math.min(nextDueAt, transaction.startedAt + transaction.timeoutMs);
      } else if (expiring && transaction.updatedAt < now - idExpirationMs) {
        const expire = () => this.#overdue.expire(live, this.#runtime.clock.now() - idExpirationMs);
        this.#decide(live, 'expiry', expire);
      }
    }
    this.#lookAfter(Math.max(LOOK_INTERVAL_MS_MIN, nextDueAt - now));
  }

  /** What cannot be decided now is due at a later look as well. */
  #decide({ transactionalId }: LiveTransaction, what: 'abort' | 'expiry', decide: () => Promise<unknown>): void {
    if (this.#deciding.has(transactionalId)) return;
    this.#deciding.add(transactionalId);
    this.#clocksAgree()
      .then((agree) => (agree && !this.#closed ? decide() : undefined))
      .catch((cause) => {
        const { logger } = this.#runtime;
        const error = toKafkaError(cause);
        const reason = error?.message ?? (cause instanceof Error ? cause.stack : String(cause));
        const message = `the ${what} of a transactional id failed`;
        if (error === null) logger.error({ transactionalId, cause: reason }, message);
        else logger.debug({ transactionalId, cause: reason }, message);
      })
      .finally(() => this.#deciding.delete(transactionalId));
  }

  /** Where they differ, the question is asked once an interval. */
  async #clocksAgree(): Promise<boolean> {
    if (this.#runtime.clock.monotonic() < this.#distrustedUntil) return false;
    this.#comparing ??= this.#compareClocks().finally(() => {
      this.#comparing = null;
    });
    return this.#comparing;
  }

  async #compareClocks(): Promise<boolean> {
    const { clock, logger } = this.#runtime;
    const askedAt = clock.monotonic();
    try {
      await this.#overdue.storeClock?.checkJump();
      return true;
    } catch (cause) {
      this.#distrustedUntil = askedAt + this.#settings.abortIntervalMs;
      const message = 'transactions are not timed out, nor transactional ids expired; a later look tries again';
      if (!this.#closed) logger.warn({ cause: String(cause) }, message);
      return false;
    }
  }
}
