import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { classicMembers } from './classic-members.ts';

const members = classicMembers();

test.each(versionsOf('SyncGroup'))('v%i gives the leader what it assigned to itself', async (version) => {
  const { memberId, generationId } = await members.join();
  const assignments = [{ memberId, assignment: Buffer.from('all') }];
  const told = version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {};
  const answer = await members.world.ask('SyncGroup', version, {
    groupId: 'g',
    generationId,
    memberId,
    assignments,
    ...told,
  });
  expect(answer).toMatchObject({ errorCode: 0, assignment: Buffer.from('all'), ...told });
});

test.each(versionsOf('SyncGroup'))('v%i refuses who is not known, and generations that are over', async (version) => {
  const { memberId, generationId } = await members.work();
  const error = async (named: { readonly memberId: string; readonly generationId: number }) =>
    (await members.world.ask('SyncGroup', version, { groupId: 'g', ...named, assignments: [] })).errorCode;
  expect(await error({ memberId: 'nobody', generationId })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  expect(await error({ memberId, generationId: generationId - 1 })).toBe(ERRORS.ILLEGAL_GENERATION.code);
});
