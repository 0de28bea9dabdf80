/**
 * The controller of the cluster, as each broker runs it: most of the time it follows whoever is. One item says who the controller
 * is and what it decided. All writes of it are conditional on the write before, so a controller that was succeeded finds out at
 * its next one, and changed nothing.
 */
import { KafkaError, StorageUnavailableError, toKafkaError } from '../errors.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ABSENT, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { type ControllerItem, decodeController, encodeController } from './cluster-items.ts';
import { type AssignableBroker, type Assignments, decideAssignments, NOBODY } from './decide-assignments.ts';
import { type ControllerFacts, decideController, mayReassignAt } from './decide-controller.ts';
import { type Registered, retireBroker } from './retirement.ts';
import { within } from './within.ts';

const OPTIONS = { cause: 'membership' } as const;
/** How often a controller looks although nothing was told. */
const LOOK_MS = 1_000;
/** Numbers are evened out once all brokers have been there for so long, one journal in so long. */
export const BALANCE_AFTER_MS = 5_000;
export const BALANCE_INTERVAL_MS = 1_000;
/** A broker that was given a journal and does not lead it by then: another one is tried, first who led it before. Doubles with each time. */
export const STUCK_MS = 15_000;
const STUCK_MS_MAX = 5 * 60_000;
/** Such a broker is given nothing for so long, then one journal. While it tries, who led that goes on. */
const FAILED_MS = 30_000;
/** Registrations are dropped one in so long. */
const RETIRE_INTERVAL_MS = 10_000;
const FAILURE_MS = 200;
const FAILURE_MS_MAX = 5_000;

/** What the controller goes by; moments are of the monotonic clock. */
export interface Surroundings extends ControllerFacts {
  readonly journals: number;
  /** Brokers that are there. */
  readonly brokers: readonly AssignableBroker[];
  readonly leaderOf: (journal: number) => number | null;
  readonly epochOf: (brokerId: number) => number | undefined;
  /** Since when the same brokers have been there. */
  readonly stableSince: number;
  /** A broker whose registration is of no use any more. */
  readonly longGone: Registered | null;
}

export interface ControllerOptions {
  readonly clusterId: string;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly metadata: MetadataStore;
  readonly runtime: Runtime;
  /** As things are now, seen from an item. */
  readonly surroundings: (item: ControllerItem | null) => Surroundings;
  /** Another item holds. `own`: this broker wrote it, and tells the others. */
  readonly onItem: (item: ControllerItem, own: boolean) => void;
  /** Reads the table: whether the controller that we do not see wrote anything. False when it does not answer. */
  readonly refresh: () => Promise<unknown>;
}

/** What an administrator asks for; refuses by throwing. Null: nothing has to change. */
export type Amend = (item: ControllerItem, surroundings: Surroundings) => Partial<ControllerItem> | null;

export class Controller {
  readonly #options: ControllerOptions;
  #item: ControllerItem | null = null;
  #stopped = false;
  #turn: Promise<unknown> = Promise.resolve();
  #lookPending = false;
  #timer: TimerHandle | null = null;
  #balancedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #retiredAt = Number.NEGATIVE_INFINITY;
  /** Since when a journal has waited for the broker it was given to, and how often another one was tried. */
  readonly #waiting = new Map<
    number,
    { readonly brokerId: number; readonly since: number; readonly attempts: number }
  >();

  /** Brokers that did not come to lead what they were given last, and until when they are given nothing. */
  readonly #failed = new Map<number, { readonly brokerEpoch: number | undefined; readonly until: number }>();

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  get item(): ControllerItem | null {
    return this.#item;
  }

  get leads(): boolean {
    return this.#item !== null && this.#isOurs(this.#item);
  }

  /** Takes in what the table or another broker says, unless something later is known. True when it is news. */
  adopt(item: ControllerItem): boolean {
    if (this.#stopped || (this.#item !== null && item.version <= this.#item.version)) return false;
    this.#hold(item, false);
    return true;
  }

  /** Things have changed. */
  look(): void {
    if (this.#lookPending || this.#stopped) return;
    this.#lookPending = true;
    this.#inTurn(async () => {
      this.#lookPending = false;
      await this.#lookNow();
    }).catch((cause) => {
      this.#options.runtime.logger.error({ cause }, 'a bug: the controller could not decide; it tries again');
      this.#lookIn(FAILURE_MS_MAX);
    });
  }

  /** Carries out what an administrator asks for; null when this broker is not the controller. */
  amend(change: Amend): Promise<ControllerItem | null> {
    return this.#inTurn(async () => {
      for (;;) {
        const item = this.#item;
        if (this.#stopped || item === null || !this.#isOurs(item)) return null;
        const surroundings = this.#options.surroundings(item);
        const changed = change(item, surroundings);
        if (changed === null) return item;
        const amended = { ...item, ...changed };
        const facts = {
          ...surroundings,
          brokers: this.#takers(withoutDrained(surroundings, amended.drained), surroundings),
          assigned: amended.assigned,
          pinned: amended.pinned,
          balance: false,
        };
        const written = await this.#write({ ...amended, ...decideAssignments(facts, amended) });
        if (written === 'written') return this.#item;
        if (written === 'unavailable') {
          throw new KafkaError('KAFKA_STORAGE_ERROR', 'assignments cannot be written now', { noSideEffects: false });
        }
      }
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #lookNow(): Promise<void> {
    if (this.#stopped) return;
    this.#timer?.cancel();
    const now = this.#now();
    const surroundings = this.#options.surroundings(this.#item);
    const decision = decideController(surroundings, now);
    switch (decision.type) {
      case 'follow':
        return;
      case 'wait':
        return this.#lookIn(decision.until - now);
      case 'lead': {
        void this.#retire(surroundings.longGone, now);
        const next = this.#next(this.#item!, surroundings, now);
        if (next === null || (await this.#write({ ...this.#item!, ...next })) === 'written') this.#lookIn(LOOK_MS);
        return;
      }
      case 'take':
        return this.#take();
    }
  }

  /** What this broker knows may be old, when it did not run for a while or nobody could reach it: the table is looked at before. */
  async #take(): Promise<void> {
    if ((await this.#options.refresh()) === false) {
      this.#unavailable('the table cannot be read');
      return;
    }
    if (this.#stopped) return;
    const surroundings = this.#options.surroundings(this.#item);
    if (decideController(surroundings, this.#now()).type === 'take') await this.#become(surroundings);
    else this.look();
  }

  async #become(surroundings: Surroundings): Promise<void> {
    const { brokerId, brokerEpoch, runtime } = this.#options;
    const before = this.#item;
    const standing: Assignments = { assigned: before?.assigned ?? [], pinned: before?.pinned ?? {} };
    const mine: Omit<ControllerItem, 'nonce'> = {
      brokerId,
      brokerEpoch,
      controllerEpoch: (before?.controllerEpoch ?? 0) + 1,
      version: before?.version ?? 0,
      drained: before?.drained ?? {},
      ...decideAssignments({ ...surroundings, ...standing, balance: false }, standing),
    };
    if ((await this.#write(mine)) !== 'written') return;
    const fields = { controllerEpoch: mine.controllerEpoch, before: before?.brokerId ?? null };
    runtime.logger.info(fields, 'this broker is the controller of the cluster');
    this.look();
  }

  /** Whoever is the controller may drop it: the conditions of the writes guard against a broker that lives, and other controllers. */
  async #retire(broker: Registered | null, now: number): Promise<void> {
    if (broker === null || now - this.#retiredAt < RETIRE_INTERVAL_MS) return;
    this.#retiredAt = now;
    const { clusterId, metadata, runtime, refresh } = this.#options;
    const { brokerId, brokerEpoch } = broker;
    try {
      const retired = await within(runtime.timers, (signal) =>
        retireBroker(metadata, clusterId, broker, { ...OPTIONS, signal }),
      );
      if (retired)
        runtime.logger.info({ broker: brokerId, epoch: brokerEpoch }, 'a broker that is long gone is forgotten');
      await refresh();
      await this.amend(({ drained: { [brokerId]: drainedEpoch, ...drained } }) =>
        retired && drainedEpoch === brokerEpoch ? { drained } : null,
      );
    } catch (cause) {
      const reason = toKafkaError(cause)?.message;
      if (reason === undefined) throw cause;
      runtime.logger.warn({ broker: brokerId, reason }, 'a broker that is long gone could not be forgotten');
    }
  }

  /** What shall hold from now on; null when it does already. */
  #next(item: ControllerItem, surroundings: Surroundings, now: number): Assignments | null {
    const reassignAt = mayReassignAt(surroundings, surroundings.stableSince);
    if (now < reassignAt) return null;
    const unstuck = this.#withoutStuck(item, surroundings, now);
    const facts = { ...surroundings, ...unstuck, brokers: this.#takers(surroundings.brokers, surroundings) };
    const settled = now - surroundings.stableSince >= BALANCE_AFTER_MS && !this.#isMoving(now);
    const decided = decideAssignments({ ...facts, balance: false }, item);
    if (decided !== item) return decided;
    if (!settled || now - this.#balancedAt < BALANCE_INTERVAL_MS) return null;
    const balanced = decideAssignments({ ...facts, balance: true }, item);
    if (balanced === item) return null;
    this.#balancedAt = now;
    return balanced;
  }

  /** A journal is on its way. One that nobody comes to lead holds nothing up. */
  #isMoving(now: number): boolean {
    for (const { since, attempts } of this.#waiting.values()) {
      if (attempts === 0 && now - since < STUCK_MS) return true;
    }
    return false;
  }

  /** The assignments, but for journals whose broker had its time and does not lead them. */
  #withoutStuck(item: ControllerItem, surroundings: Surroundings, now: number): Assignments {
    const { brokers, leaderOf } = surroundings;
    const assigned = [...item.assigned];
    const pinned = { ...item.pinned };
    for (const [journal, brokerId] of item.assigned.entries()) {
      const waiting = this.#waiting.get(journal);
      if (brokerId === NOBODY || leaderOf(journal) === brokerId) {
        if (waiting?.brokerId === brokerId) this.#failed.delete(brokerId);
        this.#waiting.delete(journal);
        continue;
      }
      if (waiting?.brokerId !== brokerId) {
        this.#waiting.set(journal, { brokerId, since: now, attempts: waiting?.attempts ?? 0 });
        continue;
      }
      const patienceMs = Math.min(STUCK_MS_MAX, STUCK_MS * 2 ** waiting.attempts);
      const candidates = this.#takers(
        brokers.filter((broker) => broker.brokerId !== brokerId),
        surroundings,
      );
      const others = candidates.filter((broker) => broker.eligible).map((broker) => broker.brokerId);
      if (now - waiting.since < patienceMs || others.length === 0) continue;
      const leader = leaderOf(journal);
      const goesOn = leader !== null && others.includes(leader);
      assigned[journal] = goesOn ? leader : others[(journal + waiting.attempts) % others.length]!;
      delete pinned[journal];
      // What others could not lead either says nothing about this one.
      if (waiting.attempts === 0) {
        this.#failed.set(brokerId, { brokerEpoch: surroundings.epochOf(brokerId), until: now + FAILED_MS });
      }
      this.#waiting.set(journal, { brokerId: assigned[journal]!, since: now, attempts: waiting.attempts + 1 });
      this.#options.runtime.logger.warn(
        { journal, broker: brokerId, next: assigned[journal], waitedMs: Math.round(now - waiting.since) },
        'a broker does not come to lead the journal that it was given; another one is tried',
      );
    }
    return { assigned, pinned };
  }

  /** Brokers that failed keep what they have, as long as there are others to give something to. */
  #takers(brokers: readonly AssignableBroker[], { epochOf }: Surroundings): readonly AssignableBroker[] {
    const now = this.#now();
    const isFailing = ({ brokerId }: AssignableBroker) => {
      const failed = this.#failed.get(brokerId);
      if (failed === undefined || failed.brokerEpoch !== epochOf(brokerId)) return false;
      const isTrying = [...this.#waiting.values()].some((one) => one.brokerId === brokerId && one.attempts === 0);
      return isTrying || now < failed.until;
    };
    const takers = brokers.map((broker) =>
      isFailing(broker)
        ? { ...broker, eligible: false, doubtful: broker.eligible || broker.doubtful === true }
        : broker,
    );
    return takers.some(({ eligible }) => eligible) ? takers : brokers;
  }

  /** Puts the next version. `raced`: another broker's stands there, and was taken in. A look follows when it is not written. */
  async #write(wanted: Omit<ControllerItem, 'nonce'>): Promise<'written' | 'raced' | 'unavailable'> {
    const { clusterId, metadata, runtime } = this.#options;
    const before = this.#item;
    const nonce = randomHex(runtime.random, 8);
    const next: ControllerItem = { ...wanted, version: (before?.version ?? 0) + 1, nonce };
    const condition = before === null ? ABSENT : whenEquals({ nonce: before.nonce });
    try {
      const outcome = await within(runtime.timers, (signal) =>
        metadata.put(encodeController(clusterId, next), condition, { ...OPTIONS, signal }),
      );
      this.#failures = 0;
      if (outcome.ok || outcome.existing?.attributes['nonce'] === nonce) {
        if (this.#stopped) return 'written';
        // Who succeeded us since may have been heard of before our answer.
        if ((this.#item?.version ?? 0) < next.version) {
          this.#hold(next, true);
          return 'written';
        }
        this.look();
        return 'raced';
      }
      if (outcome.existing !== null) this.adopt(decodeController(outcome.existing));
      // Gone, or put back to an earlier state, with the table perhaps: the next heartbeat says so.
      if (this.#item === before) {
        return this.#unavailable('the item of the controller is not the one that was written last');
      }
      this.look();
      return 'raced';
    } catch (cause) {
      if (!(cause instanceof StorageUnavailableError)) throw cause;
      return this.#unavailable(cause.message);
    }
  }

  #unavailable(reason: string): 'unavailable' {
    const pauseMs = Math.min(FAILURE_MS_MAX, FAILURE_MS * 2 ** this.#failures++);
    this.#options.runtime.logger.warn({ reason, nextAttemptMs: pauseMs }, 'assignments cannot be written');
    this.#lookIn(pauseMs);
    return 'unavailable';
  }

  #hold(item: ControllerItem, own: boolean): void {
    const before = this.#item;
    this.#item = item;
    if (!this.#isOurs(item)) {
      this.#waiting.clear();
      this.#failed.clear();
    }
    if (before !== null && this.#isOurs(before) && !this.#isOurs(item)) {
      this.#options.runtime.logger.info({ controller: item.brokerId }, 'another broker is the controller now');
    }
    this.#options.onItem(item, own);
  }

  #isOurs(item: ControllerItem): boolean {
    return item.brokerId === this.#options.brokerId && item.brokerEpoch === this.#options.brokerEpoch;
  }

  #lookIn(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#options.runtime.timers.after(delayMs, () => this.look());
  }

  #now(): number {
    return this.#options.runtime.clock.monotonic();
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(ignore);
    return turn;
  }
}

const ignore = () => {};

const withoutDrained = ({ brokers, epochOf }: Surroundings, drained: ControllerItem['drained']) =>
  brokers.map((broker) =>
    drained[broker.brokerId] === epochOf(broker.brokerId) ? { ...broker, eligible: false } : broker,
  );
