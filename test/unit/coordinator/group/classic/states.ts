/** Short spellings of groups, requests and what becomes of them. */
import {
  emptyGroup,
  type Group,
  type GroupSettings,
  type GroupState,
  type Member,
  type Step,
} from '../../../../../src/coordinator/group/classic/group-state.ts';
import { type Join, type JoinReply, join } from '../../../../../src/coordinator/group/classic/join.ts';
import type { Sync, SyncReply } from '../../../../../src/coordinator/group/classic/sync.ts';

export const settings: GroupSettings = { initialRebalanceDelayMs: 3_000, groupSizeMax: 100 };

export const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: `${name} of it` }));

export const joinOf = (memberId: string, more: Partial<Join> = {}): Join => ({
  memberId,
  newMemberId: 'new',
  groupInstanceId: null,
  clientId: 'client',
  clientHost: '/127.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: protocols('range'),
  asksForId: false,
  skipsAssignment: false,
  ...more,
});

/** A new member under an id that the test chooses. */
export const newcomer = (newMemberId: string, more: Partial<Join> = {}): Join => joinOf('', { newMemberId, ...more });

export const syncOf = (memberId: string, generationId: number, more: Partial<Sync> = {}): Sync => ({
  memberId,
  groupInstanceId: null,
  generationId,
  protocolType: null,
  protocolName: null,
  assignments: new Map(),
  ...more,
});

export const member = (memberId: string, more: Partial<Member> = {}): Member => ({
  memberId,
  groupInstanceId: null,
  clientId: 'client',
  clientHost: '/127.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocols: protocols('range'),
  assignment: '',
  waiting: null,
  isNew: false,
  synced: false,
  ...more,
});

export function groupOf(state: GroupState, members: readonly Member[], more: Partial<Group> = {}): Group {
  return {
    ...emptyGroup,
    state,
    generationId: 4,
    protocolType: 'consumer',
    protocolName: members.length === 0 ? null : 'range',
    leaderId: members[0]?.memberId ?? null,
    members: new Map(members.map((each) => [each.memberId, each])),
    staticMembers: new Map(
      members.flatMap(({ groupInstanceId, memberId }) =>
        groupInstanceId === null ? [] : [[groupInstanceId, memberId]],
      ),
    ),
    ...more,
  };
}

/** `a` leads, `b` follows. */
export const stable = (more: Partial<Group> = {}): Group =>
  groupOf('Stable', [member('a', { synced: true, assignment: 'for a' }), member('b', { synced: true })], more);

/** Several joins, each on the group that the one before left. */
export function joinAll(group: Group, ...requests: readonly Join[]): Step<readonly JoinReply[]> {
  const replies: JoinReply[] = [];
  const effects = [];
  let last = group;
  for (const request of requests) {
    const step = join(last, request, settings);
    last = step.group;
    effects.push(...step.effects);
    replies.push(step.reply);
  }
  return { group: last, effects, reply: replies };
}

/** `joined 5`, `synced`, an error, or `wait`. */
export function brief(reply: JoinReply | SyncReply): string {
  if (reply.type === 'wait') return 'wait';
  const { answer } = reply;
  if (answer.type === 'refused') return answer.error;
  return answer.type === 'joined' ? `joined ${answer.generationId}` : `synced ${answer.assignment}`;
}

/** Answers among the effects: `join a: joined 5`. */
export const answers = ({ effects }: Pick<Step, 'effects'>): string[] =>
  effects.flatMap((effect) => {
    if (effect.type !== 'answerJoin' && effect.type !== 'answerSync') return [];
    const kind = effect.type === 'answerJoin' ? 'join' : 'sync';
    return [`${kind} ${effect.memberId}: ${brief({ type: 'now', answer: effect.answer } as JoinReply)}`];
  });
