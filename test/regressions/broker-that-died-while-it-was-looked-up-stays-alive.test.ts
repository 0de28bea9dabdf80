/**
 * A broker that was connected to before its registration had been read, and went away while the table was asked for it, was
 * marked as connected when the table had answered: nothing said again that it was gone, and it was believed to be alive until
 * it was started once more.
 */
import { expect, test } from 'vitest';
import type { DownReason } from '../../src/cluster/links.ts';
import { MembershipService } from '../../src/cluster/membership.ts';
import { registerBroker } from '../../src/cluster/registration.ts';
import type { PeerIdentity } from '../../src/rpc/method.ts';
import { PeerUnavailableError } from '../../src/rpc/peers.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import type { MetadataStore } from '../../src/storage/metadata-store.ts';
import { asSeats, FakeSeats, Fences } from '../unit/cluster/world/seats.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';

test('a broker that goes away while the table is asked for it is gone', async () => {
  const time = steppedRuntime();
  const table = new MemoryMetadataStore();
  let held = Promise.resolve();
  const metadata: MetadataStore = {
    pricing: table.pricing,
    get: (...asked) => table.get(...asked),
    query: (...asked) => held.then(() => table.query(...asked)),
    put: (...asked) => table.put(...asked),
    delete: (...asked) => table.delete(...asked),
    transact: (...asked) => table.transact(...asked),
    close: () => table.close(),
  };
  const register = (brokerId: number) => {
    const at = (port: number) => ({ host: '127.0.0.1', port: port + brokerId });
    const doors = { kafka: at(100), kafkaByZone: {}, http: at(200), internal: at(300) };
    const broker = { ...doors, brokerId, zone: '', version: '1.2.3' };
    return registerBroker({ metadata: table, clusterId: 'c', broker, runtime: time });
  };
  let up: (peer: PeerIdentity) => void = () => {};
  let down: (brokerId: number, reason: DownReason) => void = () => {};
  const registration = await register(1);
  const membership = new MembershipService({
    clusterId: 'c',
    runtime: time,
    metadata,
    registration,
    incarnation: null,
    seats: asSeats(new FakeSeats(1, 1, new Fences(), time)),
    peers: { call: async () => Promise.reject(new PeerUnavailableError('nobody answers', false)) },
    registry: { handle: () => {} },
    links: {
      want() {},
      onUp(listener) {
        up = listener;
      },
      onDown(listener) {
        down = listener;
      },
      onPing() {},
      onPong() {},
      onStall() {},
      setPingPayload() {},
    },
  });
  const isLive = () => membership.known().find(({ member }) => member.brokerId === 2)?.live;

  await register(2);
  await membership.start(registration);
  up({ brokerId: 2, brokerEpoch: 1 });
  expect(isLive()).toBe(true);
  down(2, 'refused');
  await register(2);
  const { promise, resolve } = Promise.withResolvers<void>();
  held = promise;
  up({ brokerId: 2, brokerEpoch: 2 });
  down(2, 'refused');
  resolve();
  await time.advance(5_000);
  expect(isLive()).toBe(false);

  up({ brokerId: 2, brokerEpoch: 2 });
  expect(isLive()).toBe(true);
  membership.close();
});
