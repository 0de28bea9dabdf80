/**
 * What every kind of group is to the rest of the coordinator: offsets, listings and deletion need no more. Classic groups,
 * consumer groups (KIP-848) and share groups (KIP-932) each implement it.
 */
import type { ErrorName } from '../../errors.ts';
import type { Journal, RecordsView } from '../../journal/journal.ts';

import type { ClassicMembership } from './classic/classic-membership.ts';

export type GroupType = 'classic' | 'consumer' | 'share';

/** Kafka's names, as ListGroups and DescribeGroups print them. */
export type GroupStateName =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Assigning'
  | 'Reconciling'
  | 'Stable'
  | 'Dead';

export interface LiveGroup {
  readonly groupId: string;
  readonly type: GroupType;
  /** Keeps its records. */
  readonly journal: Journal;
  readonly state: GroupStateName;
  /** 'consumer', 'connect', …; empty for a group that only has offsets; 'share' for share groups. */
  readonly protocolType: string;
  readonly memberCount: number;
  /** How members that speak the classic protocol take part; absent where they cannot. */
  readonly classic?: ClassicMembership;
  /** Milliseconds since 1970 of the entry since which it has no members; 0 when it never had any, null while it has some. */
  readonly emptySince: number | null;

  /** Whether a member subscribes to the topic: its offsets neither expire nor may be deleted. */
  subscribesTo(topicName: string): boolean;
  /**
   * Throws Kafka's error when this member may not commit now: UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, STALE_MEMBER_EPOCH, …
   * Asked when a commit arrives, and again inside the decision that writes it: what the group keeps in records is read from
   * `view`, the state at that entry, so that a member who left in an entry before is refused.
   */
  checkCommit(committer: Committer, view: RecordsView): void;
  /** KIP-848 members name themselves when they fetch offsets. Throws as `checkCommit`. */
  checkFetch(memberId: string, memberEpoch: number): void;

  /** The end of its life in memory: answers whoever waits with `error` and stops all timers. Its records stay. */
  close(error: ErrorName): void;
}

export interface Committer {
  /** Empty together with a negative generation: a client that manages its partitions itself. */
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationIdOrMemberEpoch: number;
  /** TxnOffsetCommit is checked less strictly by its older versions. */
  readonly transactional: boolean;
  readonly apiVersion: number;
}

/** The live groups of this broker. `coordinator/group/groups.ts` keeps them. */
export interface GroupDirectory {
  /** Undefined for a group without members and without records here. Synchronous: all groups of led journals are loaded. */
  find(groupId: string): LiveGroup | undefined;
  list(): Iterable<LiveGroup>;
}
