import { expect, test } from 'vitest';
import { decodePing, encodePing, StateExchange } from '../../../src/cluster/exchange.ts';
import { EXCHANGE_STATES, type PeerState } from '../../../src/cluster/membership-methods.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { LocalNetwork } from '../rpc/local-peers.ts';

const ping = { stateVersion: 7, assignments: 3, topics: 12, configs: 0 };

test('a ping comes back as it was, in a few bytes', () => {
  const bytes = Buffer.from(encodePing(ping));
  expect(decodePing(bytes)).toEqual(ping);
  expect(bytes.toString()).toBe('[1,7,3,12,0]');
});

test('what a later version adds to a ping is passed over', () => {
  expect(decodePing(Buffer.from('[1,7,3,12,0,99]'))).toEqual(ping);
});

test.each([
  '',
  '{',
  'null',
  '{}',
  '[]',
  '[2,7,3,12,0]',
  '[1,7,3,12]',
  '[1,7,3,12,"0"]',
  '[1,7,3,1.5,0]',
  '[1,null,3,12,0]',
])('a ping of %j is none', (text) => {
  expect(decodePing(Buffer.from(text))).toBeNull();
});

const address = { host: '127.0.0.1', port: 1 };
const description = {
  ...{ brokerEpoch: 1, session: 's', state: 'running', revision: 1, zone: '', version: '1.2.3', startedAt: 0 },
  ...{ kafka: address, kafkaByZone: {}, http: address, internal: address },
} as const;

const stateOf = (brokerId: number, stateVersion: number) =>
  ({ description: { ...description, brokerId }, stateVersion, led: [], fit: true, sees: [] }) as PeerState;

test('what a later minor adds to a state is left alone', () => {
  const state = { ...stateOf(2, 7), led: [[0, 5, 'later']], later: { deep: [1] } };
  const [bytes] = EXCHANGE_STATES.encodeRequest(state as unknown as PeerState);
  expect(EXCHANGE_STATES.decodeRequest(bytes as Buffer)).toEqual(state);
});

test('one exchange with a broker is under way at a time, and what changed meanwhile goes with the next', async () => {
  const network = new LocalNetwork();
  let version = 1;
  const heard: number[] = [];
  const answers: (() => void)[] = [];
  network.registry(2).handle(EXCHANGE_STATES, async (state) => {
    heard.push(state.stateVersion);
    await new Promise<void>((resolve) => answers.push(resolve));
    return stateOf(2, 1);
  });
  const learned: PeerState[] = [];
  const exchange = new StateExchange({
    peers: network.peers({ brokerId: 1, brokerEpoch: 1 }),
    runtime: systemRuntime(silentLogger),
    own: () => stateOf(1, version),
    onState: (state) => learned.push(state),
  });
  const first = exchange.with(2);
  for (version = 2; version <= 5; version++) expect(exchange.with(2)).toBe(first);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  answers.shift()!();
  await turn();
  expect(heard).toEqual([1, 6]);
  answers.shift()!();
  await first;
  expect(learned).toHaveLength(2);
});

test('a broker that cannot be told is no failure', async () => {
  const network = new LocalNetwork();
  const exchange = new StateExchange({
    peers: network.peers({ brokerId: 1, brokerEpoch: 1 }),
    runtime: systemRuntime(silentLogger),
    own: () => stateOf(1, 1),
    onState: () => {},
  });
  await exchange.with(2);
  await exchange.with(2);
});

test('what changes in the very moment in which an exchange ends is told, too', async () => {
  let asked = 0;
  const exchange: StateExchange = new StateExchange({
    peers: {
      call: async () => {
        asked++;
        return stateOf(2, asked) as never;
      },
    },
    runtime: systemRuntime(silentLogger),
    own: () => stateOf(1, 1),
    onState: ({ stateVersion }) => {
      if (stateVersion === 1) queueMicrotask(() => void exchange.with(2));
    },
  });
  await exchange.with(2);
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toBe(2);
});
