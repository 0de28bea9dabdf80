import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { classicMembers } from './classic-members.ts';

const members = classicMembers();

test.each(versionsOf('DeleteGroups'))('v%i deletes groups without members, and those alone', async (version) => {
  await members.work('busy');
  const { memberId } = await members.work('idle');
  await members.leave('idle', memberId);
  const { results } = await members.world.ask('DeleteGroups', version, { groupsNames: ['busy', 'idle', 'none'] });
  expect(results).toEqual([
    { groupId: 'busy', errorCode: ERRORS.NON_EMPTY_GROUP.code },
    { groupId: 'idle', errorCode: 0 },
    { groupId: 'none', errorCode: ERRORS.GROUP_ID_NOT_FOUND.code },
  ]);
});
