/** From a reason to rebalance to the next generation, and how members fall out of a group. */
import type { ErrorName } from '../../../errors.ts';
import {
  type Effect,
  type Group,
  type GroupSettings,
  joinedAnswer,
  type Member,
  rebalanceTimeoutMs,
  refused,
  type Step,
  selectProtocol,
  waitingForJoinCount,
  withoutMembers,
} from './group-state.ts';

/** A step without a reply. */
export const stepTo = (group: Group, ...effects: Effect[]): Step => ({ group, effects, reply: undefined });

/** The same step after these effects. */
export const after = <R>(effects: readonly Effect[], step: Step<R>): Step<R> =>
  effects.length === 0 ? step : { ...step, effects: [...effects, ...step.effects] };

/** Begins a rebalance, or looks whether the one that is under way is done. */
export function rebalance(group: Group, settings: GroupSettings): Step {
  switch (group.state) {
    case 'Empty':
      return beginInitial(group, settings);
    case 'CompletingRebalance':
    case 'Stable':
      return prepareRebalance(group);
    case 'PreparingRebalance':
      return maybeCompleteJoin(group);
    case 'Dead':
      return stepTo(group);
  }
}

/** A group that begins gives others time to join, or each of its first members would cost a rebalance. */
function beginInitial(group: Group, { initialRebalanceDelayMs: delayMs }: GroupSettings): Step {
  const remainingMs = Math.max(rebalanceTimeoutMs(group) - delayMs, 0);
  const initial = { delayMs, remainingMs, someoneCame: false };
  return stepTo({ ...group, state: 'PreparingRebalance', initial }, { type: 'arm', delayMs });
}

/** Whoever waits for an assignment joins again instead. */
export function prepareRebalance(group: Group, error: ErrorName = 'REBALANCE_IN_PROGRESS'): Step {
  const effects: Effect[] = [];
  const members = mapMembers(group, (member) => {
    if (member.waiting !== 'sync') return { ...member, assignment: '' };
    effects.push({ type: 'answerSync', memberId: member.memberId, answer: refused(error) }, sessionOf(member));
    return { ...member, assignment: '', waiting: null };
  });
  const preparing: Group = { ...group, state: 'PreparingRebalance', members, proposed: null, initial: null };
  const step = everyoneJoined(preparing)
    ? completeJoin(preparing)
    : stepTo(preparing, { type: 'arm', delayMs: rebalanceTimeoutMs(preparing) });
  return after(effects, step);
}

export function maybeCompleteJoin(group: Group): Step {
  const done = group.state === 'PreparingRebalance' && group.initial === null && everyoneJoined(group);
  return done ? completeJoin(group) : stepTo(group);
}

const everyoneJoined = (group: Group): boolean =>
  group.pending.size === 0 && waitingForJoinCount(group) === group.members.size;

/** The deadline of the phase: of joining while PreparingRebalance, of syncing afterwards. */
export function passDeadline(group: Group, settings: GroupSettings): Step {
  switch (group.state) {
    case 'PreparingRebalance':
      return passJoinDeadline(group, settings);
    case 'CompletingRebalance':
    case 'Stable':
      return passSyncDeadline(group);
    default:
      return stepTo(group); // A timer that lost its race.
  }
}

/** As long as somebody came during the last delay there is another one, up to the rebalance timeout. */
function passJoinDeadline(group: Group, { initialRebalanceDelayMs }: GroupSettings): Step {
  if (group.initial === null || !group.initial.someoneCame || group.initial.remainingMs === 0) {
    return completeJoin(group);
  }
  const delayMs = Math.min(initialRebalanceDelayMs, group.initial.remainingMs);
  const remainingMs = Math.max(group.initial.remainingMs - group.initial.delayMs, 0);
  return stepTo({ ...group, initial: { delayMs, remainingMs, someoneCame: false } }, { type: 'arm', delayMs });
}

/** Members that joined and never asked for their assignment hold up the others: they are out. */
function passSyncDeadline(group: Group): Step {
  const silent = Array.from(group.members.values()).filter(({ synced }) => !synced);
  if (silent.length === 0) return stepTo(group);
  const removed = removeMembers(group, silent);
  return after(removed.effects, prepareRebalance(removed.group));
}

/** Dynamic members that did not join again are out; static ones stay until their session ends. */
function completeJoin(group: Group): Step {
  const missing = Array.from(group.members.values()).filter(
    ({ waiting, groupInstanceId }) => waiting !== 'join' && groupInstanceId === null,
  );
  const { group: remaining, effects } = removeMembers(group, missing);
  const leaderId = electLeader(remaining);
  if (leaderId === null && remaining.members.size > 0) {
    return stepTo(remaining, ...effects, { type: 'arm', delayMs: rebalanceTimeoutMs(remaining) });
  }
  const generation = { ...remaining, leaderId, generationId: group.generationId + 1, initial: null, proposed: null };
  return after(effects, remaining.members.size === 0 ? becomeEmpty(generation) : beginSync(generation));
}

/** The old leader when it joined again, else whoever did; null when nobody did. */
function electLeader({ leaderId, members }: Group): string | null {
  if (leaderId !== null && members.get(leaderId)?.waiting === 'join') return leaderId;
  for (const member of members.values()) if (member.waiting === 'join') return member.memberId;
  return null;
}

const becomeEmpty = (group: Group): Step =>
  stepTo({ ...group, state: 'Empty', protocolName: null }, { type: 'disarm' }, { type: 'persist' });

function beginSync(group: Group): Step {
  const chosen: Group = { ...group, state: 'CompletingRebalance', protocolName: selectProtocol(group.members) };
  const effects: Effect[] = [{ type: 'arm', delayMs: rebalanceTimeoutMs(group) }];
  const members = mapMembers(chosen, (member) => {
    const { memberId, waiting } = member;
    if (waiting === 'join') effects.push({ type: 'answerJoin', memberId, answer: joinedAnswer(chosen, memberId) });
    effects.push(sessionOf(member));
    return { ...member, waiting: null, isNew: false, synced: false };
  });
  return stepTo({ ...chosen, members }, ...effects);
}

/** A session timeout. Members that wait for an answer are alive as long as they are known to know their id. */
export function expire(group: Group, memberId: string): Step {
  if (group.pending.has(memberId)) {
    return after([{ type: 'endSession', memberId }], maybeCompleteJoin(withoutMembers(group, [memberId])));
  }
  const member = group.members.get(memberId);
  if (member === undefined) return stepTo(group, { type: 'endSession', memberId });
  if (member.waiting !== null && !member.isNew) return stepTo(group, sessionOf(member));
  return dropMembers(group, [member]);
}

/** Removes members, and rebalances those that are left. */
export function dropMembers(group: Group, members: readonly Member[]): Step {
  const { group: remaining, effects } = removeMembers(group, members);
  const rebalances = group.state === 'Stable' || group.state === 'CompletingRebalance';
  return after(effects, rebalances ? prepareRebalance(remaining) : maybeCompleteJoin(remaining));
}

/** Those who wait are told that they are not known, and join again if they are still there. */
export function removeMembers(group: Group, members: readonly Member[]): Step {
  const effects = members.flatMap((member): Effect[] => [
    ...answerWaiting(member, 'UNKNOWN_MEMBER_ID'),
    { type: 'endSession', memberId: member.memberId },
  ]);
  const memberIds = members.map(({ memberId }) => memberId);
  return stepTo(withoutMembers(group, memberIds), ...effects);
}

export function answerWaiting({ memberId, waiting }: Member, error: ErrorName): Effect[] {
  if (waiting === 'join') return [{ type: 'answerJoin', memberId, answer: { ...refused(error), memberId } }];
  if (waiting === 'sync') return [{ type: 'answerSync', memberId, answer: refused(error) }];
  return [];
}

/** The end of its life in memory. */
export function close(group: Group, error: ErrorName): Step {
  const waiting = Array.from(group.members.values()).flatMap((member) => answerWaiting(member, error));
  const sessions = [...group.members.keys(), ...group.pending].map((memberId) => ({
    type: 'endSession' as const,
    memberId,
  }));
  const none = { members: new Map(), staticMembers: new Map(), pending: new Set<string>(), leaderId: null };
  const dead: Group = { ...group, ...none, state: 'Dead', initial: null, proposed: null };
  return stepTo(dead, ...waiting, ...sessions, { type: 'disarm' });
}

export const sessionOf = ({ memberId, sessionTimeoutMs }: Member): Effect => ({
  type: 'startSession',
  memberId,
  timeoutMs: sessionTimeoutMs,
});

export const mapMembers = ({ members }: Group, change: (member: Member) => Member): ReadonlyMap<string, Member> =>
  new Map(Array.from(members, ([memberId, member]) => [memberId, change(member)]));
