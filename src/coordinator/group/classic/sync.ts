/** SyncGroup: members ask for their assignment, the leader brings all of them; what comes of writing them. */
import type { ErrorName } from '../../../errors.ts';
import {
  type Effect,
  type Group,
  type MemberName,
  memberError,
  refused,
  type Step,
  type SyncAnswer,
  syncedAnswer,
  withMember,
} from './group-state.ts';
import { mapMembers, prepareRebalance, sessionOf, stepTo } from './rebalance.ts';

export interface Sync extends MemberName {
  readonly generationId: number;
  /** Null from clients that do not tell. */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** From the leader: base64 by member id. */
  readonly assignments: ReadonlyMap<string, string>;
}

export type SyncReply =
  | { readonly type: 'now'; readonly answer: SyncAnswer }
  /** An `answerSync` will come. */
  | { readonly type: 'wait' };

export function sync(group: Group, request: Sync): Step<SyncReply> {
  const error = syncError(group, request);
  if (error !== null) return { group, effects: [], reply: { type: 'now', answer: refused(error) } };
  const { memberId } = request;
  const member = group.members.get(memberId)!;
  if (group.state === 'Stable') {
    const synced = member.synced ? group : withMember(group, { ...member, synced: true });
    return { group: synced, effects: [sessionOf(member)], reply: { type: 'now', answer: syncedAnswer(group, member) } };
  }
  const waiting = withMember(group, { ...member, waiting: 'sync', synced: true });
  // A leader that asks again, because its answer was lost, waits for what is being written.
  const proposes = memberId === group.leaderId && group.proposed === null;
  return {
    group: proposes ? { ...waiting, proposed: request.assignments } : waiting,
    effects: proposes ? [{ type: 'persist' }] : [],
    reply: { type: 'wait' },
  };
}

function syncError(group: Group, request: Sync): ErrorName | null {
  if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
  const error = memberError(group, request);
  if (error !== null) return error;
  if (request.generationId !== group.generationId) return 'ILLEGAL_GENERATION';
  const differs = (told: string | null, known: string | null) => told !== null && known !== null && told !== known;
  if (differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocolName)) {
    return 'INCONSISTENT_GROUP_PROTOCOL';
  }
  return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : null;
}

/** What the leader of this generation proposed is durable. */
export function persisted(group: Group, generationId: number): Step {
  const { proposed } = group;
  if (proposed === null || group.state !== 'CompletingRebalance' || group.generationId !== generationId) {
    return stepTo(group); // A rebalance began meanwhile.
  }
  const effects: Effect[] = [];
  const members = mapMembers(group, (member) => {
    const assigned = { ...member, assignment: proposed.get(member.memberId) ?? '', waiting: null };
    if (member.waiting === 'sync') {
      const { memberId } = member;
      effects.push({ type: 'answerSync', memberId, answer: syncedAnswer(group, assigned) }, sessionOf(member));
    }
    return assigned;
  });
  return stepTo({ ...group, state: 'Stable', members, proposed: null }, ...effects);
}

/** It may or may not be durable: everybody joins again. */
export function persistFailed(group: Group, generationId: number, error: ErrorName): Step {
  const concerned = group.proposed !== null && group.generationId === generationId;
  return concerned ? prepareRebalance(group, error) : stepTo(group);
}
