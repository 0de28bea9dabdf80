/** LeaveGroup: members say good-bye, or an administrator says it for static ones. */
import type { ErrorName } from '../../../errors.ts';
import {
  type Effect,
  type Group,
  type Member,
  type MemberName,
  memberError,
  type Step,
  withoutMembers,
} from './group-state.ts';
import { after, dropMembers, maybeCompleteJoin } from './rebalance.ts';

/** Per member, in the order of the request; NONE for those that left. */
export type LeaveReply = readonly ErrorName[];

export function leave(group: Group, names: readonly MemberName[]): Step<LeaveReply> {
  if (group.state === 'Dead') return { group, effects: [], reply: names.map(() => 'COORDINATOR_NOT_AVAILABLE') };
  const leaving = new Set<Member>();
  const pending = new Set<string>();
  const reply = names.map((name): ErrorName => {
    if (group.pending.has(name.memberId)) {
      pending.add(name.memberId);
      return 'NONE';
    }
    const found = findLeaving(group, name);
    if (typeof found === 'string') return found;
    leaving.add(found);
    return 'NONE';
  });
  if (leaving.size === 0 && pending.size === 0) return { group, effects: [], reply };
  const ended = [...pending].map((memberId): Effect => ({ type: 'endSession', memberId }));
  const remaining = withoutMembers(group, [...pending]);
  const step = leaving.size === 0 ? maybeCompleteJoin(remaining) : dropMembers(remaining, [...leaving]);
  return { ...after(ended, step), reply };
}

/** An administrator knows the instance id alone. */
function findLeaving(group: Group, { memberId, groupInstanceId }: MemberName): Member | ErrorName {
  if (memberId === '') {
    const known = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId);
    return known === undefined ? 'UNKNOWN_MEMBER_ID' : group.members.get(known)!;
  }
  return memberError(group, { memberId, groupInstanceId }) ?? group.members.get(memberId)!;
}
