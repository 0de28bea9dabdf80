import { describe, expect, test } from 'vitest';
import { newConsumerGroup, newMember } from '../../../../../src/coordinator/group/consumer/consumer-group.ts';
import {
  ConsumerGroupReader,
  recordChanges,
} from '../../../../../src/coordinator/group/consumer/consumer-group-records.ts';
import { StorageCorruptError } from '../../../../../src/errors.ts';

const HEADER = '{"v":1,"type":"consumer","epoch":3,"targetEpoch":2,"topics":"h","emptySince":null}';
const MEMBER =
  '{"v":1,"instance":null,"rack":"r","client":"c","host":"/h","rebalanceMs":7,"assignor":"range","names":["t"],' +
  '"regex":null,"epoch":2,"previous":1,"state":"UNREVOKED_PARTITIONS","assigned":{"id":"0-2,4"},"revoking":{"id":"9"},"classic":null}';

const records = (...more: [string, string][]) => new Map([['group', HEADER], ...more]);
const read = (map: ReadonlyMap<string, string>) => new ConsumerGroupReader('g').read(map);

// Written out by hand: what brokers wrote once they must read for ever.
test('the records of version 1 are read', () => {
  const group = read(records(['m/a', MEMBER], ['a/a', '{"v":1,"partitions":{"id":"1"}}'], ['o/t/0', 'an offset']));
  expect(group).toEqual({
    groupId: 'g',
    epoch: 3,
    targetEpoch: 2,
    topicsHash: 'h',
    emptySince: null,
    members: new Map([
      [
        'a',
        {
          ...newMember('a'),
          rackId: 'r',
          clientId: 'c',
          clientHost: '/h',
          rebalanceTimeoutMs: 7,
          serverAssignor: 'range',
          subscribedTopicNames: ['t'],
          memberEpoch: 2,
          previousMemberEpoch: 1,
          state: 'UNREVOKED_PARTITIONS',
          assigned: new Map([['id', [0, 1, 2, 4]]]),
          revoking: new Map([['id', [9]]]),
        },
      ],
    ]),
    targets: new Map([['a', new Map([['id', [1]]])]]),
  });
});

test('the records of version 1 are written as they were', () => {
  const group = read(records(['m/a', MEMBER], ['a/a', '{"v":1,"partitions":{"id":"1"}}']))!;
  expect(recordChanges(null, group)).toEqual([
    { key: 'group', value: HEADER },
    { key: 'm/a', value: MEMBER },
    { key: 'a/a', value: '{"v":1,"partitions":{"id":"1"}}' },
  ]);
  expect(recordChanges(group, group)).toEqual([]);
  expect(recordChanges(group, { ...newConsumerGroup('g') }).map(({ key, value }) => [key, value === null])).toEqual([
    ['group', false],
    ['m/a', true],
    ['a/a', true],
  ]);
});

test('a member in a state of a later version is in state UNKNOWN', () => {
  const later = MEMBER.replace('UNREVOKED_PARTITIONS', 'DANCING');
  expect(read(records(['m/a', later]))?.members.get('a')?.state).toBe('UNKNOWN');
});

test.each([
  ['no group', new Map([['o/t/0', 'x']])],
  ['a group of another kind', new Map([['group', '{"v":1,"type":"classic"}']])],
])('%s is no consumer group', (_what, map) => {
  expect(read(map)).toBeNull();
});

test.each([
  ['a group of a later version', new Map([['group', '{"v":2,"type":"consumer"}']])],
  ['a member that is no JSON', records(['m/a', '{'])],
  ['a target without partitions', records(['a/a', '{"v":1,"partitions":{"id":"x"}}'])],
])('%s is corrupt', (_what, map) => {
  expect(() => read(map)).toThrow(StorageCorruptError);
});

describe('a reader', () => {
  test('answers the same object for records that did not change', () => {
    const reader = new ConsumerGroupReader('g');
    const first = reader.read(records(['m/a', MEMBER]));
    expect(reader.read(records(['m/a', MEMBER], ['o/t/0', 'another offset']))).toBe(first);
  });

  test('keeps what did not change, and shares equal lists of names', () => {
    const reader = new ConsumerGroupReader('g');
    const first = reader.read(records(['m/a', MEMBER]))!;
    const second = reader.read(records(['m/a', MEMBER], ['m/b', MEMBER]))!;
    expect(second.members.get('a')).toBe(first.members.get('a'));
    expect(second.members.get('b')!.subscribedTopicNames).toBe(first.members.get('a')!.subscribedTopicNames);
    expect([...reader.read(records(['m/b', MEMBER]))!.members.keys()]).toEqual(['b']);
  });
});
