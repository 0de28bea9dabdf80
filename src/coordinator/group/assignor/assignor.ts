/**
 * What a server-side assignor is (KIP-848): a pure function from members, their subscriptions and what they were to have
 * until now, to what they are to have. Every partition of a topic with subscribers goes to exactly one of them.
 */

/** Partitions by topic id: each list ascends and is not empty. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

export const NO_PARTITIONS: Assignment = new Map();

export interface AssignorMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Ids of topics that exist. Members with equal subscriptions may share one set. */
  readonly topicIds: ReadonlySet<string>;
  /** Its part of the assignment before. May name partitions that are gone, or that another member has as well. */
  readonly previous: Assignment;
}

export interface AssignorSpec {
  readonly members: readonly AssignorMember[];
  /** Of every topic that a member subscribes to; others do not matter. */
  readonly partitionCounts: ReadonlyMap<string, number>;
}

/** By member id; every member of the spec is in it. */
export type Assignor = (spec: AssignorSpec) => ReadonlyMap<string, Assignment>;

/** Static members first, by instance id, which survives their restarts; then the others by member id. */
export function inStableOrder(members: readonly AssignorMember[]): AssignorMember[] {
  return [...members].sort((a, b) => {
    if (a.instanceId !== null && b.instanceId !== null) return compare(a.instanceId, b.instanceId);
    if (a.instanceId !== null) return -1;
    if (b.instanceId !== null) return 1;
    return compare(a.memberId, b.memberId);
  });
}

/** Whether all members subscribe to the same topics. */
export function isHomogeneous(members: readonly AssignorMember[]): boolean {
  const first = members[0]?.topicIds;
  return members.every(({ topicIds }) => topicIds === first || equalSets(topicIds, first!));
}

function equalSets(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const value of a) if (!b.has(value)) return false;
  return true;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
