import { expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import { classicMembers } from './classic-members.ts';

const members = classicMembers();

test.each(
  versionsOf('ListGroups'),
)('v%i lists groups, with their states and types when they are asked for', async (version) => {
  await members.work('busy');
  const { memberId } = await members.work('idle');
  await members.leave('idle', memberId);
  const list = async (filters: object = {}) =>
    (await members.world.ask('ListGroups', version, filters)).groups.map(({ groupId }) => groupId).sort();
  expect(await list()).toEqual(['busy', 'idle']);
  const { groups } = await members.world.ask('ListGroups', version, {});
  const [busy] = groups.filter(({ groupId }) => groupId === 'busy');
  expect(busy).toMatchObject({ protocolType: 'consumer' });
  if (version >= 4) {
    expect(busy!.groupState).toBe('Stable');
    expect(await list({ statesFilter: ['stable'] })).toEqual(['busy']);
    expect(await list({ statesFilter: ['Empty', 'Dead'] })).toEqual(['idle']);
  }
  if (version >= 5) {
    expect(busy!.groupType).toBe('classic');
    expect(await list({ typesFilter: ['Classic'] })).toEqual(['busy', 'idle']);
    expect(await list({ typesFilter: ['consumer'] })).toEqual([]);
  }
});
