/**
 * The classic group protocol as pure functions: no clock, no socket, no store. `classic-group.ts` feeds them what happens
 * and carries out the effects.
 *
 *   Empty ──join──► PreparingRebalance ──all joined, or deadline──► CompletingRebalance ──leader's sync durable──► Stable
 *                    ▲     ▲      │                                          │                                      │
 *                    │     │      └─deadline, nobody left──► Empty           │                                      │
 *                    │     └──── join, leave, expiry, write failed ──────────┘                                      │
 *                    └───────────────── join, leave, expiry, somebody never synced ─────────────────────────────────┘
 *   any ──close──► Dead
 *
 * Here is what they share: the group, its members and what is asked about them. The steps are in `join.ts`, `sync.ts`,
 * `leave.ts` and `rebalance.ts`.
 */
import type { ErrorName } from '../../../errors.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

export interface Group {
  readonly state: GroupState;
  /** Grows by one at each completed join phase; a member with an older one is fenced. */
  readonly generationId: number;
  /** Null before anybody joined. */
  readonly protocolType: string | null;
  /** What this generation chose; null while Empty. */
  readonly protocolName: string | null;
  readonly leaderId: string | null;
  /** In the order in which they first joined. */
  readonly members: ReadonlyMap<string, Member>;
  /** Static membership (KIP-345): member ids by instance id. */
  readonly staticMembers: ReadonlyMap<string, string>;
  /** Ids that were handed out with MEMBER_ID_REQUIRED (KIP-394) and have not joined yet. */
  readonly pending: ReadonlySet<string>;
  /** Set in a PreparingRebalance that began Empty: it ends by its deadline alone, which members who come late put off. */
  readonly initial: InitialDelay | null;
  /** What the leader sent, until it is durable: base64 by member id. */
  readonly proposed: ReadonlyMap<string, string> | null;
}

export interface InitialDelay {
  /** The delay that runs now, and how much more of the rebalance timeout is left. */
  readonly delayMs: number;
  readonly remainingMs: number;
  readonly someoneCame: boolean;
}

export interface Member {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  /** As Kafka prints it: `/127.0.0.1`. */
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** In the order of preference. */
  readonly protocols: readonly Protocol[];
  /** Base64; empty before the first assignment. */
  readonly assignment: string;
  /** The request that it waits for an answer to. */
  readonly waiting: 'join' | 'sync' | null;
  /** It never got an answer to a join: it does not know its id, or does not send heartbeats yet. */
  readonly isNew: boolean;
  /** It asked for its assignment of this generation. */
  readonly synced: boolean;
}

export interface Protocol {
  readonly name: string;
  /** Opaque bytes as base64, which is what records hold, too. */
  readonly metadata: string;
}

export interface GroupSettings {
  readonly initialRebalanceDelayMs: number;
  readonly groupSizeMax: number;
}

/** One step: the group after it, what there is to do, and what the caller is told. */
export interface Step<Reply = undefined> {
  readonly group: Group;
  readonly effects: readonly Effect[];
  readonly reply: Reply;
}

export type Effect =
  | { readonly type: 'answerJoin'; readonly memberId: string; readonly answer: JoinAnswer }
  | { readonly type: 'answerSync'; readonly memberId: string; readonly answer: SyncAnswer }
  /** The deadline of the phase, in place of the one before. */
  | { readonly type: 'arm'; readonly delayMs: number }
  | { readonly type: 'disarm' }
  /** A member or pending member is to be expired after this, unless it shows up. */
  | { readonly type: 'startSession'; readonly memberId: string; readonly timeoutMs: number }
  | { readonly type: 'endSession'; readonly memberId: string }
  /** The group is to be written as it is now, with `proposed` for assignments when there are some. */
  | { readonly type: 'persist' };

export type JoinAnswer = Joined | (Refused & { readonly memberId: string });
export type SyncAnswer = Synced | Refused;

export interface Refused {
  readonly type: 'refused';
  readonly error: ErrorName;
}

export interface Joined {
  readonly type: 'joined';
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolType: string;
  readonly protocolName: string;
  readonly leaderId: string;
  readonly skipAssignment: boolean;
  /** For the leader alone, with the metadata of the chosen protocol. */
  readonly members: readonly JoinedMember[];
}

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: string;
}

export interface Synced {
  readonly type: 'synced';
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: string;
}

/** How a member is named in requests. */
export interface MemberName {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export const emptyGroup: Group = {
  state: 'Empty',
  generationId: 0,
  protocolType: null,
  protocolName: null,
  leaderId: null,
  members: new Map(),
  staticMembers: new Map(),
  pending: new Set(),
  initial: null,
  proposed: null,
};

export const refused = (error: ErrorName): Refused => ({ type: 'refused', error });

/** Null when the member may speak; else why not. */
export function memberError(group: Group, { memberId, groupInstanceId }: MemberName): ErrorName | null {
  if (groupInstanceId !== null) {
    const known = group.staticMembers.get(groupInstanceId);
    if (known === undefined) return 'UNKNOWN_MEMBER_ID';
    if (known !== memberId) return 'FENCED_INSTANCE_ID';
  }
  return group.members.has(memberId) ? null : 'UNKNOWN_MEMBER_ID';
}

export function heartbeatError(group: Group, name: MemberName, generationId: number): ErrorName | null {
  if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
  const error = memberError(group, name);
  if (error !== null) return error;
  if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';
  return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : null;
}

/** Whether a member that speaks these protocols could take part. */
export function supportsProtocols(group: Group, protocolType: string, protocols: readonly Protocol[]): boolean {
  if (protocolType === '' || protocols.length === 0) return false;
  if (group.state === 'Empty' || group.members.size === 0) return true;
  if (group.protocolType !== protocolType) return false;
  const common = commonProtocols(group.members.values());
  return protocols.some(({ name }) => common.has(name));
}

/** Each member votes for the first of its protocols that all support; the first among equals wins. */
export function selectProtocol(members: ReadonlyMap<string, Member>): string | null {
  const common = commonProtocols(members.values());
  const votes = new Map<string, number>();
  for (const { protocols } of members.values()) {
    const choice = protocols.find(({ name }) => common.has(name));
    if (choice) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
  }
  let selected: string | null = null;
  for (const [name, count] of votes) if (selected === null || count > votes.get(selected)!) selected = name;
  return selected;
}

function commonProtocols(members: Iterable<Member>): ReadonlySet<string> {
  let common: readonly string[] | null = null;
  for (const { protocols } of members) {
    const names: string[] = protocols.map(({ name }) => name);
    common = common === null ? names : common.filter((name) => names.includes(name));
  }
  return new Set(common);
}

export const metadataOf = ({ protocols }: Member, protocolName: string | null): string =>
  protocols.find(({ name }) => name === protocolName)?.metadata ?? '';

export const sameProtocols = (left: readonly Protocol[], right: readonly Protocol[]): boolean =>
  left.length === right.length &&
  left.every(({ name, metadata }, index) => name === right[index]!.name && metadata === right[index]!.metadata);

/** The longest of all members. */
export function rebalanceTimeoutMs({ members }: Group): number {
  let longest = 0;
  for (const member of members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
  return longest;
}

export function waitingForJoinCount({ members }: Group): number {
  let count = 0;
  for (const { waiting } of members.values()) if (waiting === 'join') count += 1;
  return count;
}

/** The answer to a join in the generation that stands. */
export function joinedAnswer(group: Group, memberId: string): Joined {
  return {
    type: 'joined',
    memberId,
    generationId: group.generationId,
    protocolType: group.protocolType ?? '',
    protocolName: group.protocolName ?? '',
    leaderId: group.leaderId ?? '',
    skipAssignment: false,
    members: memberId === group.leaderId ? membersForLeader(group) : [],
  };
}

export const membersForLeader = ({ members, protocolName }: Group): JoinedMember[] =>
  Array.from(members.values(), (member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataOf(member, protocolName),
  }));

export const syncedAnswer = (group: Group, { assignment }: Member): Synced => ({
  type: 'synced',
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  assignment,
});

/** The group with one member changed or added. */
export function withMember(group: Group, member: Member): Group {
  const members = new Map(group.members).set(member.memberId, member);
  const { groupInstanceId, memberId } = member;
  if (groupInstanceId === null || group.staticMembers.get(groupInstanceId) === memberId) return { ...group, members };
  return { ...group, members, staticMembers: new Map(group.staticMembers).set(groupInstanceId, memberId) };
}

/** The group without some members, or pending ones. The oldest that is left takes over from a leader that goes. */
export function withoutMembers(group: Group, memberIds: readonly string[]): Group {
  if (memberIds.length === 0) return group;
  const members = new Map(group.members);
  const staticMembers = new Map(group.staticMembers);
  const pending = new Set(group.pending);
  for (const memberId of memberIds) {
    const instanceId = members.get(memberId)?.groupInstanceId ?? null;
    if (instanceId !== null && staticMembers.get(instanceId) === memberId) staticMembers.delete(instanceId);
    members.delete(memberId);
    pending.delete(memberId);
  }
  const [oldest = null] = members.keys();
  const leaderId = group.leaderId !== null && members.has(group.leaderId) ? group.leaderId : oldest;
  return { ...group, members, staticMembers, pending, leaderId };
}
