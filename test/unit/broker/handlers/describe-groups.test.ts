import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { classicMembers, joinOf, METADATA } from './classic-members.ts';

const members = classicMembers();

test.each(versionsOf('DescribeGroups'))('v%i shows members and their assignments', async (version) => {
  const { memberId } = await members.work();
  const { groups } = await members.world.ask('DescribeGroups', version, { groups: ['g'] });
  expect(groups).toMatchObject([
    {
      errorCode: 0,
      groupId: 'g',
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        {
          memberId,
          groupInstanceId: null,
          clientId: 'test',
          clientHost: '/127.0.0.1',
          memberMetadata: METADATA,
          memberAssignment: Buffer.from('all'),
        },
      ],
    },
  ]);
});

test.each(versionsOf('DescribeGroups'))('v%i says of an unknown group that it is dead', async (version) => {
  const { groups } = await members.world.ask('DescribeGroups', version, { groups: ['none'] });
  const errorCode = version >= 6 ? ERRORS.GROUP_ID_NOT_FOUND.code : 0;
  expect(groups).toMatchObject([{ groupId: 'none', groupState: 'Dead', errorCode, members: [] }]);
  if (version >= 6) expect(groups[0]!.errorMessage).toBe('Group none not found.');
});

test('shows neither metadata nor assignments while the group rebalances', async () => {
  const { memberId } = await members.work();
  void members.world.ask('JoinGroup', 3, joinOf('g', ''));
  await members.runtime.settle();
  const { groups } = await members.world.ask('DescribeGroups', 6, { groups: ['g'] });
  expect(groups[0]).toMatchObject({ groupState: 'PreparingRebalance', protocolData: '' });
  const empty = Buffer.alloc(0);
  expect(groups[0]!.members).toMatchObject([{ memberId, memberMetadata: empty, memberAssignment: empty }, {}]);
});
