import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { classicMembers } from './classic-members.ts';

const members = classicMembers();

test.each(versionsOf('LeaveGroup'))('v%i ends a membership', async (version) => {
  const { memberId, generationId } = await members.work();
  const leave = (id: string, groupId = 'g') =>
    members.world.ask('LeaveGroup', version, { groupId, memberId: id, members: [{ memberId: id }] });
  const errorOf = ({ errorCode, members }: Awaited<ReturnType<typeof leave>>) =>
    version >= 3 ? members[0]!.errorCode : errorCode;
  expect(errorOf(await leave('nobody'))).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  expect(errorOf(await leave(memberId, 'none'))).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  const left = await leave(memberId);
  expect(left.errorCode).toBe(0);
  expect(errorOf(left)).toBe(0);
  const beat = await members.world.ask('Heartbeat', 4, { groupId: 'g', memberId, generationId });
  expect(beat.errorCode).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
});
