/** The classic APIs at a consumer group: the pure steps of `classic-join.ts` with deadlines around them. */
import { type ErrorName, KafkaError } from '../../../errors.ts';
import { toCoordinatorError } from '../../coordinator-error.ts';
import type {
  ClassicMembership,
  Join,
  JoinAnswer,
  MemberName,
  Sync,
  SyncAnswer,
} from '../classic/classic-membership.ts';
import { refused } from '../classic/group-state.ts';
import type { MemberDeadlines } from '../member-deadlines.ts';
import {
  classicLeavers,
  decideClassicJoin,
  mustRejoin,
  type NamedTopics,
  requireClassicMember,
  requireSupported,
  requireSyncable,
} from './classic-join.ts';
import type { ConsumerGroup, ConsumerMember } from './consumer-group.ts';
import { CONSUMER_PROTOCOL } from './consumer-protocol.ts';
import { fenceMembers, type HeartbeatContext, requireRoom } from './heartbeat.ts';
import { assignmentBytes } from './migration.ts';

/** What the group at work offers. */
export interface ClassicHost {
  readonly deadlines: MemberDeadlines;
  readonly topics: NamedTopics;
  /** The durable group. Throws REBALANCE_IN_PROGRESS while it is not there yet, NOT_COORDINATOR. */
  requireDurable(): ConsumerGroup;
  context(timestamp: number): HeartbeatContext;
  /** Looks whether this broker still leads. Throws NOT_COORDINATOR. */
  confirm(): Promise<void>;
  /** Decides on the group as it is at the entry. Throws as `requireDurable`. */
  coordinate<T>(
    decide: (group: ConsumerGroup, timestamp: number) => { readonly group: ConsumerGroup; readonly answer: T },
  ): Promise<T>;
}

export class ClassicMembers implements ClassicMembership {
  readonly #host: ClassicHost;

  constructor(host: ClassicHost) {
    this.#host = host;
  }

  async join(request: Join): Promise<JoinAnswer> {
    const { deadlines } = this.#host;
    try {
      if (request.asksForId && request.memberId === '' && request.groupInstanceId === null) {
        return this.#giveId(request);
      }
      const member = await this.#host.coordinate((group, timestamp) => {
        const outcome = decideClassicJoin(group, request, this.#host.context(timestamp));
        return { group: outcome.group, answer: outcome.member };
      });
      const { memberId, memberEpoch, rebalanceTimeoutMs } = member;
      deadlines.clear(memberId, 'join');
      deadlines.set(memberId, 'session', request.sessionTimeoutMs);
      deadlines.set(memberId, 'sync', rebalanceTimeoutMs, memberEpoch);
      return joined(member);
    } catch (cause) {
      return { ...refused(nameOf(cause)), memberId: request.memberId };
    }
  }

  /** Nobody is told by old records what to own: a successor may have given it to others since. */
  async sync(request: Sync): Promise<SyncAnswer> {
    const { deadlines, topics } = this.#host;
    try {
      await this.#host.confirm();
      const group = this.#host.requireDurable();
      const member = requireClassicMember(group, request, request.generationId);
      try {
        requireSyncable(group, member, request);
      } catch (cause) {
        if (nameOf(cause) === 'REBALANCE_IN_PROGRESS') this.#awaitJoin(member);
        throw cause;
      }
      deadlines.clear(member.memberId, 'sync');
      deadlines.set(member.memberId, 'session', member.classic!.sessionTimeoutMs);
      const { protocolType, protocolName } = request;
      return { type: 'synced', protocolType, protocolName, assignment: assignmentBytes(member, topics) };
    } catch (cause) {
      return refused(nameOf(cause));
    }
  }

  heartbeat(name: MemberName, generationId: number): ErrorName {
    try {
      const group = this.#host.requireDurable();
      const member = requireClassicMember(group, name, generationId);
      this.#host.deadlines.set(member.memberId, 'session', member.classic!.sessionTimeoutMs);
      if (!mustRejoin(group, member)) return 'NONE';
      this.#awaitJoin(member);
      return 'REBALANCE_IN_PROGRESS';
    } catch (cause) {
      return nameOf(cause);
    }
  }

  async leave(names: readonly MemberName[]): Promise<readonly ErrorName[]> {
    const { topics } = this.#host.context(0);
    try {
      return await this.#host.coordinate((group, timestamp) => {
        const { memberIds, errors } = classicLeavers(group, names);
        const after = memberIds.length === 0 ? group : fenceMembers(group, memberIds, { timestamp, topics });
        return { group: after, answer: errors };
      });
    } catch (cause) {
      return names.map(() => nameOf(cause));
    }
  }

  /** A new member gets its id first, and joins with it (KIP-394). */
  #giveId(request: Join): JoinAnswer {
    const group = this.#host.requireDurable();
    requireRoom(group, request.newMemberId, this.#host.context(0).sizeMax);
    requireSupported(group, request);
    return { ...refused('MEMBER_ID_REQUIRED'), memberId: request.newMemberId };
  }

  /** It was told to join again, and has so long to do it. */
  #awaitJoin({ memberId, memberEpoch, rebalanceTimeoutMs }: ConsumerMember): void {
    this.#host.deadlines.setOnce(memberId, 'join', rebalanceTimeoutMs, memberEpoch);
  }
}

const joined = ({ memberId, memberEpoch, classic }: ConsumerMember): JoinAnswer => ({
  type: 'joined',
  memberId,
  generationId: memberEpoch,
  protocolType: CONSUMER_PROTOCOL,
  protocolName: classic!.protocols[0]!.name,
  // Nobody leads: the group assigns.
  leaderId: '',
  skipAssignment: false,
  members: [],
});

/** Throws on what is a bug of ours. */
function nameOf(cause: unknown): ErrorName {
  return cause instanceof KafkaError ? cause.error : toCoordinatorError(cause).error;
}
