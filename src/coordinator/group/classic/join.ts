/** JoinGroup: new, known and static members. */
import type { ErrorName } from '../../../errors.ts';
import { GROUP_METADATA_BYTES_MAX, MEMBERS_PENDING_MAX, NEW_MEMBER_JOIN_TIMEOUT_MS } from '../../../limits.ts';
import {
  type Effect,
  type Group,
  type GroupSettings,
  type JoinAnswer,
  joinedAnswer,
  type Member,
  type MemberName,
  memberError,
  membersForLeader,
  type Protocol,
  refused,
  type Step,
  sameProtocols,
  selectProtocol,
  supportsProtocols,
  waitingForJoinCount,
  withMember,
  withoutMembers,
} from './group-state.ts';
import { after, answerWaiting, maybeCompleteJoin, prepareRebalance, rebalance, sessionOf } from './rebalance.ts';

export interface Join extends MemberName {
  /** Empty from a member that joins for the first time. */
  readonly memberId: string;
  /** What such a member will be called. */
  readonly newMemberId: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly Protocol[];
  /** Since v4 a new member gets its id first, and joins with it (KIP-394). */
  readonly asksForId: boolean;
  /** Since v9 a leader can be told that there is nothing to assign (KIP-814). */
  readonly skipsAssignment: boolean;
}

export type JoinReply =
  | { readonly type: 'now'; readonly answer: JoinAnswer }
  /** An `answerJoin` will come. */
  | { readonly type: 'wait'; readonly memberId: string }
  /** Once what this step persists is durable. */
  | { readonly type: 'whenDurable'; readonly answer: JoinAnswer };

export function join(group: Group, request: Join, settings: GroupSettings): Step<JoinReply> {
  if (group.state === 'Dead') return refuse(group, 'COORDINATOR_NOT_AVAILABLE', request.memberId);
  if (!hasRoom(group, request, settings.groupSizeMax)) return turnAway(group, request);
  if (!supportsProtocols(group, request.protocolType, request.protocols)) {
    return refuse(group, 'INCONSISTENT_GROUP_PROTOCOL', request.memberId);
  }
  return request.memberId === '' ? joinAsNew(group, request, settings) : joinAsKnown(group, request, settings);
}

const refuse = (group: Group, error: ErrorName, memberId: string): Step<JoinReply> =>
  answerNow(group, { ...refused(error), memberId });

const answerNow = (group: Group, answer: JoinAnswer, ...effects: Effect[]): Step<JoinReply> => ({
  group,
  effects,
  reply: { type: 'now', answer },
});

/** While members join, those who came first stay: the size of the group before says nothing. */
function hasRoom(group: Group, { memberId, protocols }: Join, groupSizeMax: number): boolean {
  if (metadataChars(group, memberId) + protocolChars(protocols) > GROUP_METADATA_CHARS_MAX) return false;
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return true;
    case 'PreparingRebalance':
      return group.members.get(memberId)?.waiting === 'join' || waitingForJoinCount(group) < groupSizeMax;
    case 'CompletingRebalance':
    case 'Stable':
      return group.members.has(memberId) || group.members.size < groupSizeMax;
  }
}

/** Base64 takes a third more. */
const GROUP_METADATA_CHARS_MAX = (GROUP_METADATA_BYTES_MAX / 3) * 4;

function metadataChars({ members }: Group, exceptMemberId: string): number {
  let chars = 0;
  for (const { memberId, protocols } of members.values()) {
    if (memberId !== exceptMemberId) chars += protocolChars(protocols);
  }
  return chars;
}

const protocolChars = (protocols: readonly Protocol[]): number =>
  protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);

function turnAway(group: Group, { memberId }: Join): Step<JoinReply> {
  const reply: JoinReply = { type: 'now', answer: { ...refused('GROUP_MAX_SIZE_REACHED'), memberId: '' } };
  if (!group.members.has(memberId) && !group.pending.has(memberId)) return { group, effects: [], reply };
  const step = maybeCompleteJoin(withoutMembers(group, [memberId]));
  return { group: step.group, effects: [{ type: 'endSession', memberId }, ...step.effects], reply };
}

function joinAsNew(group: Group, request: Join, settings: GroupSettings): Step<JoinReply> {
  const { groupInstanceId, newMemberId, asksForId, sessionTimeoutMs } = request;
  if (groupInstanceId !== null) {
    const standing = group.staticMembers.get(groupInstanceId);
    return standing === undefined
      ? addMember(group, newMemberId, request, settings)
      : replaceStatic(group, group.members.get(standing)!, request);
  }
  if (!asksForId) return addMember(group, newMemberId, request, settings);
  if (group.pending.size >= MEMBERS_PENDING_MAX) return refuse(group, 'GROUP_MAX_SIZE_REACHED', '');
  return answerNow(
    { ...group, pending: new Set(group.pending).add(newMemberId) },
    { ...refused('MEMBER_ID_REQUIRED'), memberId: newMemberId },
    { type: 'startSession', memberId: newMemberId, timeoutMs: sessionTimeoutMs },
  );
}

function joinAsKnown(group: Group, request: Join, settings: GroupSettings): Step<JoinReply> {
  const { memberId } = request;
  if (group.pending.has(memberId) && request.groupInstanceId === null) {
    return addMember(group, memberId, request, settings);
  }
  const error = memberError(group, request);
  if (error !== null) return refuse(group, error, memberId);
  const member = group.members.get(memberId)!;
  const unchanged = sameProtocols(member.protocols, request.protocols);
  // The first answer may have been lost: the generation stands for members that say nothing new. In a group at work the
  // leader joins again in order to have partitions assigned anew.
  const answersAtOnce =
    unchanged && (group.state === 'CompletingRebalance' || (group.state === 'Stable' && group.leaderId !== memberId));
  if (answersAtOnce) return answerNow(group, joinedAnswer(group, memberId), sessionOf(member));
  // On another connection it still waited for its assignment.
  const superseded = member.waiting === 'sync' ? answerWaiting(member, 'REBALANCE_IN_PROGRESS') : [];
  return wait(memberId, after(superseded, rebalance(withMember(group, updated(member, request)), settings)));
}

function addMember(group: Group, memberId: string, request: Join, settings: GroupSettings): Step<JoinReply> {
  const { groupInstanceId, clientId, clientHost } = request;
  const fresh = { memberId, groupInstanceId, clientId, clientHost, assignment: '', isNew: true, synced: false };
  const pending = new Set(group.pending);
  pending.delete(memberId);
  const joined = withMember(
    {
      ...group,
      pending,
      protocolType: group.members.size === 0 ? request.protocolType : group.protocolType,
      leaderId: group.leaderId ?? memberId,
      initial: group.initial && { ...group.initial, someoneCame: true },
    },
    updated({ ...fresh, ...timeoutsOf(request), protocols: [], waiting: null }, request),
  );
  // It sends no heartbeats before its join is answered. Should it have given up meanwhile, it must not stay for ever.
  const session: Effect = { type: 'startSession', memberId, timeoutMs: NEW_MEMBER_JOIN_TIMEOUT_MS };
  return wait(memberId, after([session], rebalance(joined, settings)));
}

const wait = (memberId: string, step: Step): Step<JoinReply> => ({ ...step, reply: { type: 'wait', memberId } });

const timeoutsOf = ({ sessionTimeoutMs, rebalanceTimeoutMs }: Join) => ({ sessionTimeoutMs, rebalanceTimeoutMs });

/** With what the request says, and waiting for its answer. */
const updated = (member: Member, request: Join): Member => ({
  ...member,
  ...timeoutsOf(request),
  protocols: request.protocols,
  waiting: 'join',
});

/**
 * A static member that was started again takes its place under a new id (KIP-345), and keeps its assignment when the
 * group would choose the same protocol.
 */
function replaceStatic(group: Group, old: Member, request: Join): Step<JoinReply> {
  const { newMemberId: memberId, clientId, clientHost } = request;
  const replacement: Member = { ...updated(old, request), memberId, clientId, clientHost };
  const fenced: Effect[] = [
    ...answerWaiting(old, 'FENCED_INSTANCE_ID'),
    { type: 'endSession', memberId: old.memberId },
  ];
  const effects = [...fenced, sessionOf(replacement)];
  const replaced = withReplacement(group, old.memberId, replacement);
  switch (group.state) {
    case 'Stable':
      if (selectProtocol(replaced.members) !== group.protocolName) break;
      return after(effects, keepAssignment(group, replaced, replacement, request));
    case 'PreparingRebalance':
      return wait(memberId, after(effects, maybeCompleteJoin(replaced)));
    default:
  }
  // While it completes, the leader may already have assigned to the old id.
  return wait(memberId, after(effects, prepareRebalance(replaced)));
}

function keepAssignment(before: Group, replaced: Group, replacement: Member, request: Join): Step<JoinReply> {
  const { memberId } = replacement;
  const group = withMember(replaced, { ...replacement, waiting: null });
  const isLeader = group.leaderId === memberId;
  const answer: JoinAnswer = {
    ...joinedAnswer(group, memberId),
    // Before v9 the only way not to have it assign is not to call it the leader.
    leaderId: (request.skipsAssignment ? group.leaderId : before.leaderId) ?? '',
    skipAssignment: request.skipsAssignment && isLeader,
    members: request.skipsAssignment && isLeader ? membersForLeader(group) : [],
  };
  return { group, effects: [{ type: 'persist' }], reply: { type: 'whenDurable', answer } };
}

/** In the same place among the members. */
function withReplacement(group: Group, oldMemberId: string, replacement: Member): Group {
  const { memberId, groupInstanceId } = replacement;
  const members = new Map(
    Array.from(group.members, ([id, member]) => (id === oldMemberId ? [memberId, replacement] : [id, member])),
  );
  const staticMembers = new Map(group.staticMembers).set(groupInstanceId!, memberId);
  return { ...group, members, staticMembers, leaderId: group.leaderId === oldMemberId ? memberId : group.leaderId };
}
