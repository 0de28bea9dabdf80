/**
 * A broker that knows the secret sent half a description of itself. It was kept, and what looked at all brokers a moment later fell
 * over it, in no call that could have failed: the process ended. A number of journals beyond all bounds took its memory.
 */
import { expect, test } from 'vitest';
import {
  ASK_CONTROLLER,
  EXCHANGE_STATES,
  IMAGE_CHANGED,
  RELINQUISH,
  TELL_ASSIGNMENTS,
} from '../../src/cluster/membership-methods.ts';
import type { RpcMethod } from '../../src/rpc/method.ts';
import { Cluster } from '../unit/cluster/world/cluster.ts';

const address = { host: '127.0.0.1', port: 1 };
const description = {
  ...{
    brokerId: 1,
    brokerEpoch: 9,
    session: 's',
    state: 'running',
    revision: 1,
    zone: '',
    version: '1.2.3',
    startedAt: 0,
  },
  ...{ kafka: address, kafkaByZone: {}, http: address, internal: address },
};
const state = { description, stateVersion: 1_000, led: [], fit: true, sees: [] };
const item = {
  ...{ brokerId: 1, brokerEpoch: 1, controllerEpoch: 9, version: 1_000, assigned: [1, 1, 1, 2, 2, 2] },
  ...{ pinned: {}, drained: {}, nonce: 'n' },
};

const WORDS: readonly (readonly [RpcMethod<any, any>, unknown])[] = [
  [EXCHANGE_STATES, null],
  [EXCHANGE_STATES, { ...state, description: { brokerId: 1, brokerEpoch: 9 } }],
  [EXCHANGE_STATES, { ...state, description: { ...description, internal: '127.0.0.1:1' } }],
  [EXCHANGE_STATES, { ...state, description: { ...description, brokerId: 2 } }],
  [EXCHANGE_STATES, { ...state, description: { ...description, brokerId: 7 } }],
  [EXCHANGE_STATES, { ...state, led: [[0, Number.MAX_VALUE]] }],
  [EXCHANGE_STATES, { ...state, led: [null] }],
  [EXCHANGE_STATES, { ...state, sees: 5 }],
  [EXCHANGE_STATES, { ...state, stateVersion: 'x' }],
  [TELL_ASSIGNMENTS, {}],
  [TELL_ASSIGNMENTS, { ...item, assigned: null }],
  [TELL_ASSIGNMENTS, { ...item, assigned: Array.from({ length: 100_000 }, () => 1) }],
  [TELL_ASSIGNMENTS, { ...item, version: null }],
  [TELL_ASSIGNMENTS, { ...item, pinned: { 0: 'x' } }],
  [RELINQUISH, { journal: 'x', version: 1 }],
  [RELINQUISH, { journal: 0 }],
  [IMAGE_CHANGED, { kind: '__proto__', before: 0, version: 5, names: [] }],
  [IMAGE_CHANGED, { kind: 'topics', before: 0, version: null, names: [] }],
  [IMAGE_CHANGED, { kind: 'topics', before: 0, version: 5 }],
  [ASK_CONTROLLER, { type: 'grow', journals: 1e9 }],
  [ASK_CONTROLLER, { type: 'move', journal: -1, brokerId: 2 }],
  [ASK_CONTROLLER, { type: 'become', brokerId: 2 }],
];

test.each(
  WORDS.map(([method, said]) => [method.name, said, method] as const),
)('to %s a broker says %j, and nothing comes of it', async (_, said, method) => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const before = cluster.leaders();
  const asked = cluster.get(1).node.peers.call(2, method, said as never, { timeoutMs: 1_000 });
  await expect(cluster.awaited(asked)).rejects.toThrow();
  await cluster.time.advance(15_000);
  const { failure, membership } = cluster.get(2);
  expect(failure).toBeNull();
  expect(membership.readiness()).toEqual({ ready: true });
  expect(membership.known().map(({ member }) => member.brokerId)).toEqual([1, 2]);
  expect(cluster.leaders()).toEqual(before);
  expect((Object.prototype as { latest?: unknown }).latest).toBeUndefined();
});
