/** Which offsets expire, and that they go by entries. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GroupStateName, GroupType } from '../../../../../src/coordinator/group/live-group.ts';
import { expiredOffsets } from '../../../../../src/coordinator/group/offsets/expired-offsets.ts';
import { OffsetExpiry } from '../../../../../src/coordinator/group/offsets/offset-expiry.ts';
import {
  encodeGuard,
  encodeOffset,
  encodePending,
  guardKey,
  offsetKey,
  pendingKey,
} from '../../../../../src/coordinator/group/offsets/offset-records.ts';
import { type ManualRuntime, manualRuntime } from '../../../log/manual-runtime.ts';
import { type OffsetsWorld, openOffsets, TOPIC } from './offsets-world.ts';

const RETENTION_MS = 1_000;
const DELETED = 'BBBBBBBBQACAAAAAAAAAAA';

const at = (committedAt: number, more: { readonly expiresAt?: number } = {}) =>
  encodeOffset({ offset: 1, leaderEpoch: -1, metadata: '', committedAt, ...more });

function group(
  type: GroupType,
  state: GroupStateName,
  more: { readonly protocolType?: string; readonly emptySince?: number | null; readonly subscribed?: boolean } = {},
) {
  const { protocolType = 'consumer', emptySince = null, subscribed = false } = more;
  const memberCount = state === 'Empty' ? 0 : 1;
  return { type, state, protocolType, emptySince, memberCount, subscribesTo: () => subscribed };
}

const NOW = 10_000;
const keysExpired = (records: Record<string, string>, of: ReturnType<typeof group> | undefined) =>
  expiredOffsets(new Map(Object.entries(records)), of, {
    now: NOW,
    retentionMs: RETENTION_MS,
    guardRetentionMs: 5_000,
    topicName: (topicId) => (topicId === DELETED ? undefined : 'orders'),
  }).map(({ key }) => key);

describe('an old offset', () => {
  const key = offsetKey(TOPIC, 0);
  const old = { [key]: at(NOW - RETENTION_MS) };
  test.each([
    ['a group that never had members', group('classic', 'Empty', { protocolType: '', emptySince: 0 }), true],
    ['a group that lost its last member long ago', group('classic', 'Empty', { emptySince: NOW - 1_000 }), true],
    ['a group that just lost its last member', group('classic', 'Empty', { emptySince: NOW - 999 }), false],
    ['members that subscribe to another topic', group('classic', 'Stable'), true],
    ['members that subscribe to its topic', group('classic', 'Stable', { subscribed: true }), false],
    ['members in a rebalance', group('classic', 'PreparingRebalance'), false],
    ['members of another protocol', group('classic', 'Stable', { protocolType: 'connect' }), false],
    ['a consumer group that does not subscribe', group('consumer', 'Stable'), true],
    ['a consumer group that does', group('consumer', 'Stable', { subscribed: true }), false],
    ['a consumer group without members', group('consumer', 'Empty', { emptySince: NOW }), true],
    ['a share group', group('share', 'Empty', { emptySince: 0 }), false],
    ['no group', undefined, true],
  ] as const)('of %s', (_, of, expired) => {
    expect(keysExpired(old, of)).toEqual(expired ? [key] : []);
  });
});

test('a young offset stays', () => {
  expect(keysExpired({ [offsetKey(TOPIC, 0)]: at(NOW - RETENTION_MS + 1) }, undefined)).toEqual([]);
});

test("a client's own retention time counts instead", () => {
  const [soon, late] = [offsetKey(TOPIC, 0), offsetKey(TOPIC, 1)];
  const records = { [soon]: at(NOW - 10, { expiresAt: NOW }), [late]: at(0, { expiresAt: NOW + 1 }) };
  expect(keysExpired(records, undefined)).toEqual([soon]);
});

test('offsets of deleted topics go, whoever has members', () => {
  const key = offsetKey(DELETED, 3);
  expect(keysExpired({ [key]: at(NOW) }, group('classic', 'Stable', { subscribed: true }))).toEqual([key]);
});

test('what a transaction holds does not expire', () => {
  const pending = encodePending({ offset: 2, leaderEpoch: -1, metadata: '', committedAt: 0, order: 1 });
  const records = { [offsetKey(TOPIC, 0)]: at(0), [offsetKey(TOPIC, 1)]: at(0), [pendingKey(7, TOPIC, 0)]: pending };
  expect(keysExpired(records, undefined)).toEqual([offsetKey(TOPIC, 1)]);
});

test('guards of transactions that ended long ago go', () => {
  const guard = (at: number) => encodeGuard({ producerEpoch: 0, transaction: 1, open: false, at });
  expect(keysExpired({ [guardKey(1)]: guard(4_999), [guardKey(2)]: guard(5_000) }, undefined)).toEqual([guardKey(1)]);
});

describe('a look every interval', () => {
  let runtime: ManualRuntime;
  let world: OffsetsWorld;
  let expiry: OffsetExpiry;
  const topics = new Set([TOPIC]);
  const stored = new Set<string>();
  let clocksDiffer = false;

  beforeEach(async () => {
    runtime = manualRuntime();
    world = await openOffsets({ runtime, retentionMs: RETENTION_MS });
    expiry = new OffsetExpiry({
      groups: world.groups,
      topics: {
        byId: (topicId) => (topics.has(topicId) ? ({ name: 'orders' } as never) : undefined),
        lookUp: async (topicId) => (stored.has(topicId) ? ({ name: 'orders' } as never) : undefined),
      },
      runtime,
      intervalMs: 500,
      retentionMs: RETENTION_MS,
      guardRetentionMs: 5_000,
      storeClock: {
        async check() {
          if (clocksDiffer) throw new Error('the clocks differ');
        },
      },
    });
    expiry.start();
  });
  afterEach(async () => {
    expiry.close();
    await world.close();
  });

  test('removes what is over, and the group with it', async () => {
    await world.commit('orders', 5);
    await runtime.advance(999);
    expect(await world.committed('orders')).toEqual({ 0: 5 });
    await world.commit('orders', 6, { partition: 1 });
    await runtime.advance(501);
    expect(await world.committed('orders')).toEqual({ 1: 6 });
    await runtime.advance(1_000);
    expect(world.groups.find('orders')).toBeUndefined();
    expect(await world.committed('orders')).toEqual({});
  });

  test('leaves offsets of a topic that only the store knows', async () => {
    topics.delete(TOPIC);
    stored.add(TOPIC);
    await world.commit('orders', 5);
    await runtime.advance(10_000);
    expect(await world.committed('orders')).toEqual({ 0: 5 });
    stored.delete(TOPIC);
    await runtime.advance(500);
    expect(await world.committed('orders')).toEqual({});
    topics.add(TOPIC);
  });

  test('removes nothing while the clocks of broker and store are far apart', async () => {
    clocksDiffer = true;
    await world.commit('orders', 5);
    await runtime.advance(10_000);
    expect(await world.committed('orders')).toEqual({ 0: 5 });
    clocksDiffer = false;
    await runtime.advance(500);
    expect(await world.committed('orders')).toEqual({});
  });

  test('removes thousands in several entries', async () => {
    await Promise.all(Array.from({ length: 2_500 }, (_, partition) => world.commit('orders', 5, { partition })));
    await runtime.advance(2_000);
    expect(world.groups.find('orders')).toBeUndefined();
  });
});
