import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ShareGroupReader, shareGroupChanges } from '../../../../../src/coordinator/group/share/share-group-records.ts';
import {
  type Beat,
  emptyShareGroup,
  heartbeat,
  leave,
  type ShareGroupState,
  type ShareHeartbeat,
} from '../../../../../src/coordinator/group/share/share-membership.ts';

const SIZE_MAX = 3;

/** Topics with so many partitions. */
const topicsWith = (counts: Record<string, number>) => ({
  byName: (name: string) => {
    const length = counts[name];
    return length === undefined ? undefined : { topicId: `${name}-id`, partitions: { length } };
  },
});
const topics = topicsWith({ orders: 4 });

const beatOf = (memberId: string, memberEpoch: number, more: Partial<ShareHeartbeat> = {}): ShareHeartbeat => ({
  memberId,
  memberEpoch,
  rackId: null,
  subscribedTopicNames: memberEpoch === 0 ? ['orders'] : null,
  clientId: 'c',
  clientHost: '/h',
  ...more,
});

function done(beat: Beat) {
  if ('rejected' in beat) throw new Error(beat.rejected);
  return beat;
}

const beat = (group: ShareGroupState, ...rest: Parameters<typeof beatOf>) =>
  done(heartbeat(group, beatOf(...rest), topics, SIZE_MAX));

const partitionsOf = ({ member }: ReturnType<typeof done>) => member.assigned.get('orders-id') ?? [];

describe('membership of a share group', () => {
  const alone = beat(emptyShareGroup(5), 'a', 0);

  test('the first member gets everything, and the group its first epoch', () => {
    expect(alone).toMatchObject({ tellsAssignment: true, group: { epoch: 1, emptySince: null } });
    expect(alone.member).toMatchObject({ memberEpoch: 1, previousMemberEpoch: 0 });
    expect(partitionsOf(alone)).toEqual([0, 1, 2, 3]);
  });

  test('a heartbeat that says nothing new changes nothing', () => {
    const again = beat(alone.group, 'a', 1);
    expect(again.group).toBe(alone.group);
    expect(again.tellsAssignment).toBe(false);
  });

  test('others learn of a new member with their next heartbeat', () => {
    const second = beat(alone.group, 'b', 0);
    expect(second.group.epoch).toBe(2);
    expect(partitionsOf(second)).toHaveLength(2);
    const first = beat(second.group, 'a', 1);
    expect(first).toMatchObject({ tellsAssignment: true, member: { memberEpoch: 2, previousMemberEpoch: 1 } });
    expect([...partitionsOf(first), ...partitionsOf(second)].sort()).toEqual([0, 1, 2, 3]);
  });

  test('a heartbeat with the previous epoch is a repeat, others are fenced', () => {
    const second = beat(alone.group, 'b', 0);
    const moved = beat(second.group, 'a', 1).group;
    expect(beat(moved, 'a', 1).group).toBe(moved);
    for (const epoch of [3, 7]) {
      expect(heartbeat(moved, beatOf('a', epoch), topics, SIZE_MAX)).toMatchObject({ rejected: 'FENCED_MEMBER_EPOCH' });
    }
  });

  test('a stranger must join first', () => {
    expect(heartbeat(alone.group, beatOf('x', 1), topics, SIZE_MAX)).toMatchObject({ rejected: 'UNKNOWN_MEMBER_ID' });
  });

  test('a full group takes nobody in, and keeps those it has', () => {
    const full = ['b', 'c'].reduce((group, id) => beat(group, id, 0).group, alone.group);
    expect(heartbeat(full, beatOf('d', 0), topics, SIZE_MAX)).toMatchObject({ rejected: 'GROUP_MAX_SIZE_REACHED' });
    expect(beat(full, 'c', 0).group.epoch).toBe(full.epoch);
  });

  test('another subscription, and a topic that comes, goes or grows, begin an epoch', () => {
    const subscribed = beat(alone.group, 'a', 1, { subscribedTopicNames: ['orders', 'later', 'later'] });
    expect(subscribed.group.epoch).toBe(2);
    expect(subscribed.member.subscribedTopicNames).toEqual(['later', 'orders']);
    const grown = topicsWith({ orders: 5 });
    const after = done(heartbeat(subscribed.group, beatOf('a', 2), grown, SIZE_MAX));
    expect(after).toMatchObject({ tellsAssignment: true, group: { epoch: 3 } });
    expect(partitionsOf(after)).toHaveLength(5);
    expect(partitionsOf(done(heartbeat(after.group, beatOf('a', 3), topicsWith({}), SIZE_MAX)))).toEqual([]);
  });

  test('who leaves gives its partitions to the others, the last one leaves the group empty', () => {
    const two = beat(alone.group, 'b', 0).group;
    const left = leave(two, ['b', 'x'], topics, 77);
    expect(left).toMatchObject({ epoch: 3, emptySince: null });
    expect(left.targets.get('a')?.get('orders-id')).toEqual([0, 1, 2, 3]);
    expect(leave(left, ['x'], topics, 78)).toBe(left);
    expect(leave(left, ['a'], topics, 79)).toMatchObject({ epoch: 4, emptySince: 79, targets: new Map() });
  });
});

test('a group is read back from its records as it was, and only what changed is written', () => {
  const step = fc.record({
    memberId: fc.constantFrom('a', 'b', 'c'),
    leaves: fc.boolean(),
    names: fc.option(fc.subarray(['orders', 'audit'], { minLength: 1 })),
  });
  const both = topicsWith({ orders: 4, audit: 1 });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const records = new Map<string, string>();
      const reader = new ShareGroupReader('g');
      let before: ShareGroupState | null = null;
      for (const { memberId, leaves, names } of steps) {
        const group: ShareGroupState = before ?? emptyShareGroup(1);
        const memberEpoch = group.members.get(memberId)?.memberEpoch ?? 0;
        const subscribedTopicNames = memberEpoch === 0 ? (names ?? ['orders']) : names;
        const after = leaves
          ? leave(group, [memberId], both, 9)
          : done(heartbeat(group, beatOf(memberId, memberEpoch, { subscribedTopicNames }), both, 9)).group;
        const changes = shareGroupChanges(before, after);
        if (after === before) expect(changes).toEqual([]);
        for (const { key, value } of changes) {
          if (value === null) records.delete(key);
          else records.set(key, value);
        }
        before = reader.read(new Map(records));
        expect(before).toEqual(after);
        expect(new ShareGroupReader('g').read(records)).toEqual(after);
      }
    }),
    { numRuns: 100 },
  );
});
