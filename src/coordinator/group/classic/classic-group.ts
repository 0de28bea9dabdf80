/**
 * One classic group at work: the pure steps of `group-state.ts` with timers, waiting requests and records around them.
 *
 * A heartbeat moves a number. Sessions share one timer, set for the earliest deadline that was known when it was armed;
 * when it fires it looks which deadlines really passed.
 */
import { type ErrorName, KafkaError } from '../../../errors.ts';
import type { Journal, Records } from '../../../journal/journal.ts';
import type { TimerHandle } from '../../../runtime/clock.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { confirmLeading, toCoordinatorError } from '../../coordinator-error.ts';
import { groupOwner } from '../../owner.ts';
import type { Committer, GroupStateName, LiveGroup } from '../live-group.ts';
import type { ClassicMembership } from './classic-membership.ts';
import { imageOf, type LoadedGroup, loadGroup, writeImage } from './classic-records.ts';
import { checkClassicCommit } from './commit-check.ts';
import {
  type Effect,
  type Group,
  type GroupSettings,
  heartbeatError,
  type JoinAnswer,
  type Member,
  type MemberName,
  metadataOf,
  refused,
  type Step,
  type SyncAnswer,
} from './group-state.ts';
import { type Join, join } from './join.ts';
import { leave } from './leave.ts';
import { close, expire, passDeadline, prepareRebalance } from './rebalance.ts';
import { subscribedTopics } from './subscription.ts';
import { persisted, persistFailed, type Sync, sync } from './sync.ts';

const CONSUMER = 'consumer';
/** A timer that comes this much later than asked for found a process that did not run, and did not read heartbeats. */
const STALL_MS = 1_000;

export interface ClassicGroupOptions {
  readonly groupId: string;
  readonly journal: Journal;
  readonly runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>;
  readonly settings: GroupSettings;
  /** It has neither members nor anything on its way: it may be forgotten when it has no records. */
  readonly onIdle: (group: ClassicGroup) => void;
  /** Its journal is led by another broker. */
  readonly onLost: (group: ClassicGroup) => void;
}

interface Session {
  /** Monotonic. */
  deadline: number;
  readonly timeoutMs: number;
}

type Waiting<Answer> = (answer: Answer) => void;

export class ClassicGroup implements LiveGroup, ClassicMembership {
  readonly type = 'classic';
  readonly groupId: string;
  readonly journal: Journal;
  readonly #options: ClassicGroupOptions;
  readonly #owner: string;
  readonly #joins = new Map<string, Waiting<JoinAnswer>>();
  readonly #syncs = new Map<string, Waiting<SyncAnswer>>();
  readonly #sessions = new Map<string, Session>();
  #group: Group;
  #emptySince: number | null;
  #phaseTimer: TimerHandle | null = null;
  #sessionTimer: TimerHandle | null = null;
  #sessionTimerAt = 0;
  /** The write that was begun last, with its error; earlier ones are superseded by it. */
  #write: Promise<ErrorName | null> = Promise.resolve(null);
  #writesBegun = 0;
  #writesUnderWay = 0;
  #subscription: { readonly of: Group['members']; readonly topics: ReadonlySet<string> | null } | null = null;

  constructor(options: ClassicGroupOptions, loaded: LoadedGroup) {
    this.groupId = options.groupId;
    this.journal = options.journal;
    this.#options = options;
    this.#owner = groupOwner(options.groupId);
    this.#group = loaded.group;
    this.#emptySince = loaded.emptySince;
    for (const { memberId, sessionTimeoutMs } of loaded.group.members.values()) {
      this.#startSession(memberId, sessionTimeoutMs);
    }
    if (loaded.partial) this.#apply(prepareRebalance(loaded.group));
  }

  static load(options: ClassicGroupOptions, records: Records): ClassicGroup {
    return new ClassicGroup(options, loadGroup(groupOwner(options.groupId), records));
  }

  get classic(): ClassicMembership {
    return this;
  }

  get state(): GroupStateName {
    return this.#group.state;
  }

  get protocolType(): string {
    return this.#group.protocolType ?? '';
  }

  get memberCount(): number {
    return this.#group.members.size;
  }

  get emptySince(): number | null {
    return this.#group.members.size === 0 ? this.#emptySince : null;
  }

  /** As it is now; for descriptions, and for what takes over from it. */
  get snapshot(): Group {
    return this.#group;
  }

  /** No member, no id that somebody may still join with, nothing that is being written. */
  get isIdle(): boolean {
    return this.#group.state === 'Empty' && this.#group.pending.size === 0 && this.#writesUnderWay === 0;
  }

  join(request: Join): JoinAnswer | Promise<JoinAnswer> {
    const step = join(this.#group, request, this.#options.settings);
    const { reply } = step;
    switch (reply.type) {
      case 'now':
        this.#apply(step);
        return reply.answer;
      case 'whenDurable':
        this.#apply(step);
        return this.#write.then((error) =>
          error === null ? reply.answer : { ...refused(error), memberId: request.memberId },
        );
      case 'wait':
        return new Promise((resolve) => {
          this.#joins.get(reply.memberId)?.({ ...refused('REBALANCE_IN_PROGRESS'), memberId: reply.memberId });
          this.#joins.set(reply.memberId, resolve);
          this.#apply(step);
        });
    }
  }

  sync(request: Sync): SyncAnswer | Promise<SyncAnswer> {
    const step = sync(this.#group, request);
    const { reply } = step;
    if (reply.type === 'now') {
      this.#apply(step);
      return reply.answer.type === 'refused' ? reply.answer : this.#confirmed(reply.answer);
    }
    return new Promise((resolve) => {
      this.#syncs.get(request.memberId)?.(refused('REBALANCE_IN_PROGRESS'));
      this.#syncs.set(request.memberId, resolve);
      this.#apply(step);
    });
  }

  /** What was not written just now may be over: a successor may have given the partitions to others. */
  async #confirmed(answer: SyncAnswer): Promise<SyncAnswer> {
    try {
      await confirmLeading(this.journal);
      return answer;
    } catch (cause) {
      return refused(toCoordinatorError(cause).error);
    }
  }

  heartbeat(name: MemberName, generationId: number): ErrorName {
    const error = heartbeatError(this.#group, name, generationId);
    if (error === null || error === 'REBALANCE_IN_PROGRESS') this.#touch(name.memberId);
    return error ?? 'NONE';
  }

  leave(names: readonly MemberName[]): readonly ErrorName[] {
    const step = leave(this.#group, names);
    this.#apply(step);
    return step.reply;
  }

  subscribesTo(topicName: string): boolean {
    if (this.#group.protocolType !== CONSUMER || this.#group.members.size === 0) return false;
    const topics = this.#subscribedTopics();
    // What a member subscribes to may be written in a way that only its assignor reads.
    return topics === null || topics.has(topicName);
  }

  checkCommit(committer: Committer): void {
    const error = checkClassicCommit(this.#group, committer);
    if (error !== null) throw new KafkaError(error, `the commit of ${committer.memberId || 'a client'} is refused`);
    if (!committer.transactional) this.#touch(committer.memberId);
  }

  checkFetch(): void {
    // Members of classic groups do not name themselves.
  }

  close(error: ErrorName): void {
    if (this.#group.state === 'Dead') return;
    this.#writesBegun += 1; // What follows it in the journal must not find the rest of a write that takes several entries.
    this.#apply(close(this.#group, error));
    this.#sessionTimer?.cancel();
    this.#sessionTimer = null;
  }

  #apply(step: Pick<Step, 'group' | 'effects'>): void {
    const before = this.#group;
    this.#group = step.group;
    if (before.members.size > 0 && step.group.members.size === 0) this.#emptySince = this.#options.runtime.clock.now();
    for (const effect of step.effects) this.#carryOut(effect);
    if (this.isIdle) this.#options.onIdle(this);
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'answerJoin':
        answer(this.#joins, effect.memberId, effect.answer);
        return;
      case 'answerSync':
        answer(this.#syncs, effect.memberId, effect.answer);
        return;
      case 'arm':
        this.#phaseTimer?.cancel();
        this.#phaseTimer = this.#options.runtime.timers.after(effect.delayMs, () => this.#onPhaseTimer());
        return;
      case 'disarm':
        this.#phaseTimer?.cancel();
        this.#phaseTimer = null;
        return;
      case 'startSession':
        this.#startSession(effect.memberId, effect.timeoutMs);
        return;
      case 'endSession':
        this.#sessions.delete(effect.memberId);
        return;
      case 'persist':
        this.#persist();
    }
  }

  #onPhaseTimer(): void {
    this.#phaseTimer = null;
    this.#apply(passDeadline(this.#group, this.#options.settings));
  }

  /** A group that never had a generation at work leaves nothing behind. */
  #persist(): void {
    const { journal } = this.#options;
    const isEmpty = this.#group.members.size === 0;
    if (isEmpty && this.#writesUnderWay === 0 && journal.state.records(this.#owner).size === 0) return;
    const { generationId } = this.#group;
    this.#writesBegun += 1;
    this.#writesUnderWay += 1;
    this.#write = this.#writeImage(this.#writesBegun).then(
      () => this.#onWritten(generationId, null),
      (cause) => this.#onWritten(generationId, this.#failureOf(cause)),
    );
  }

  /** Several entries when one does not take it. Gives up when a later write began: that one does all there is to do. */
  async #writeImage(number: number): Promise<void> {
    const image = imageOf(this.#group);
    for (;;) {
      const written = await this.journal.coordinate((view) => writeImage(view, this.#owner, image));
      if (number !== this.#writesBegun) return;
      if (written.complete) {
        if (written.emptySince !== null) this.#emptySince = written.emptySince;
        return;
      }
    }
  }

  #onWritten(generationId: number, error: ErrorName | null): ErrorName | null {
    this.#writesUnderWay -= 1;
    if (error === null) this.#apply(persisted(this.#group, generationId));
    else this.#apply(persistFailed(this.#group, generationId, error));
    if (error === 'NOT_COORDINATOR') this.#options.onLost(this);
    return error;
  }

  #failureOf(cause: unknown): ErrorName {
    const { error, message } = toCoordinatorError(cause);
    const { logger } = this.#options.runtime;
    logger.warn({ group: this.groupId, error, cause: message }, 'a generation of a group was not written');
    return error;
  }

  #startSession(memberId: string, timeoutMs: number): void {
    const deadline = this.#options.runtime.clock.monotonic() + timeoutMs;
    this.#sessions.set(memberId, { deadline, timeoutMs });
    this.#armSessions(deadline);
  }

  #touch(memberId: string): void {
    const session = this.#sessions.get(memberId);
    if (session) session.deadline = this.#options.runtime.clock.monotonic() + session.timeoutMs;
  }

  #armSessions(deadline: number): void {
    if (this.#sessionTimer !== null) {
      if (deadline >= this.#sessionTimerAt) return;
      this.#sessionTimer.cancel();
    }
    const { clock, timers } = this.#options.runtime;
    this.#sessionTimerAt = deadline;
    this.#sessionTimer = timers.after(Math.max(deadline - clock.monotonic(), 0), () => this.#onSessionTimer());
  }

  #onSessionTimer(): void {
    this.#sessionTimer = null;
    if (this.journal.role !== 'leading') {
      this.#options.onLost(this);
      return;
    }
    const now = this.#options.runtime.clock.monotonic();
    if (now - this.#sessionTimerAt > STALL_MS) {
      for (const session of this.#sessions.values()) session.deadline = now + session.timeoutMs;
    }
    const expired = [...this.#sessions].filter(([, { deadline }]) => deadline <= now);
    for (const [memberId] of expired) {
      const { logger } = this.#options.runtime;
      logger.debug({ group: this.groupId, memberId }, 'the session of a member ended');
      this.#apply(expire(this.#group, memberId));
    }
    let earliest = Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#sessions.values()) earliest = Math.min(earliest, deadline);
    if (earliest < Number.POSITIVE_INFINITY) this.#armSessions(earliest);
  }

  #subscribedTopics(): ReadonlySet<string> | null {
    const { members, protocolName } = this.#group;
    if (this.#subscription?.of !== members) {
      this.#subscription = { of: members, topics: topicsOf(members.values(), protocolName) };
    }
    return this.#subscription.topics;
  }
}

function answer<A>(waiting: Map<string, Waiting<A>>, memberId: string, given: A): void {
  const resolve = waiting.get(memberId);
  waiting.delete(memberId);
  resolve?.(given);
}

/** Null when a subscription cannot be read. */
function topicsOf(members: Iterable<Member>, protocolName: string | null): ReadonlySet<string> | null {
  const topics = new Set<string>();
  for (const member of members) {
    const metadata = metadataOf(member, protocolName ?? member.protocols[0]?.name ?? '');
    const subscribed = subscribedTopics(Buffer.from(metadata, 'base64'));
    if (subscribed === null) return null;
    for (const topic of subscribed) topics.add(topic);
  }
  return topics;
}
