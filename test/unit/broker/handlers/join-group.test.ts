import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { classicMembers, joinOf, METADATA } from './classic-members.ts';

const members = classicMembers();

test.each(versionsOf('JoinGroup'))('v%i makes a member, which leads when it is the first', async (version) => {
  const answer = await members.join(version);
  expect(answer).toMatchObject({ errorCode: 0, generationId: 1, protocolName: 'range' });
  expect(answer.memberId).toMatch(/^test-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  expect(answer.leader).toBe(answer.memberId);
  expect(answer.members).toMatchObject([{ memberId: answer.memberId, groupInstanceId: null, metadata: METADATA }]);
  if (version >= 7) expect(answer.protocolType).toBe('consumer');
});

test.each(versionsOf('JoinGroup'))('v%i tells a new member its id first since v4', async (version) => {
  const waiting = members.world.ask('JoinGroup', version, joinOf('g', ''));
  await members.runtime.advance(0);
  const answer = await waiting;
  expect(answer.errorCode).toBe(version >= 4 ? ERRORS.MEMBER_ID_REQUIRED.code : 0);
  expect(answer.memberId).not.toBe('');
  if (version >= 7 && version >= 4) expect(answer.protocolName).toBeNull();
  else if (version >= 4) expect(answer.protocolName).toBe('');
});

test.each(versionsOf('JoinGroup'))('v%i refuses a member that nobody knows', async (version) => {
  const answer = await members.world.ask('JoinGroup', version, joinOf('g', 'nobody'));
  expect(answer).toMatchObject({ errorCode: ERRORS.UNKNOWN_MEMBER_ID.code, memberId: 'nobody', generationId: -1 });
});

test('v0 has its session timeout for a rebalance timeout', async () => {
  await members.join(0);
  const group = members.world.core.coordinators.groups.find('g');
  expect(group?.type === 'classic' && [...(group as any).snapshot.members.values()]).toMatchObject([
    { rebalanceTimeoutMs: 10_000 },
  ]);
});
