import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { classicMembers } from './classic-members.ts';

const members = classicMembers();

test.each(versionsOf('Heartbeat'))('v%i is good in the generation, and refused elsewhere', async (version) => {
  const { memberId, generationId } = await members.work();
  const beat = async (more: object) =>
    (await members.world.ask('Heartbeat', version, { groupId: 'g', memberId, generationId, ...more })).errorCode;
  expect(await beat({})).toBe(0);
  expect(await beat({ generationId: 7 })).toBe(ERRORS.ILLEGAL_GENERATION.code);
  expect(await beat({ memberId: 'nobody' })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  expect(await beat({ groupId: 'none' })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  expect(await beat({ groupId: '' })).toBe(ERRORS.INVALID_GROUP_ID.code);
  if (version >= 3) expect(await beat({ groupInstanceId: 'i' })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
});
