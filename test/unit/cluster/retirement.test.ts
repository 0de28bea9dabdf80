import { expect, test } from 'vitest';
import { type BrokerItem, readClusterItems } from '../../../src/cluster/cluster-items.ts';
import { DEAD_KEPT_MS, PeerTable, STOPPED_KEPT_MS, UNSEEN_KEPT_MS } from '../../../src/cluster/peer-table.ts';
import { registerBroker } from '../../../src/cluster/registration.ts';
import { retireBroker } from '../../../src/cluster/retirement.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import { steppedRuntime } from '../coordinator/stepped-runtime.ts';
import { Cluster } from './world/cluster.ts';

const runtime = steppedRuntime();
const OPTIONS = { cause: 'tool' } as const;
const at = (port: number) => ({ host: '10.0.0.7', port });
const register = (metadata: MetadataStore, brokerId = 3) => {
  const broker = { brokerId, kafka: at(1), kafkaByZone: {}, http: at(3), internal: at(4), zone: '', version: '1' };
  return registerBroker({ metadata, clusterId: 'c', broker, runtime });
};
const retire = (metadata: MetadataStore, item: BrokerItem) => retireBroker(metadata, 'c', item, OPTIONS);
const registered = async (metadata: MetadataStore) => (await readClusterItems(metadata, 'c', OPTIONS)).brokers;

test('an id whose registration was dropped goes on above its last epoch', async () => {
  const metadata = new MemoryMetadataStore();
  await register(metadata);
  expect(await retire(metadata, await register(metadata))).toBe(true);
  expect((await registered(metadata)).size).toBe(0);
  expect((await register(metadata)).brokerEpoch).toBe(3);
});

test('a broker that registered anew, or wrote a heartbeat, is not dropped', async () => {
  const metadata = new MemoryMetadataStore();
  const first = await register(metadata);
  const second = await register(metadata);
  expect(await retire(metadata, first)).toBe(false);
  expect(await retire(metadata, { ...second, counter: 4 })).toBe(false);
  expect((await registered(metadata)).get(3)).toEqual(second);
});

test('a table of a thousand brokers that were there once is small again', async () => {
  const metadata = new MemoryMetadataStore();
  for (let id = 1; id <= 1_000; id++) await retire(metadata, await register(metadata, id));
  expect((await registered(metadata)).size).toBe(0);
  expect((await register(metadata, 1)).brokerEpoch).toBeGreaterThan(1);
});

type Act = (store: MetadataStore) => Promise<void>;

/** Runs all acts at once, one request to the store at a time: `choices` says whose, by number or by share. Tells how many there were to choose from. */
async function interleaved(acts: readonly Act[], choices: readonly number[]): Promise<number[]> {
  const table = new MemoryMetadataStore();
  const waiting = new Map<number, () => void>();
  const turn = (actor: number) => new Promise<void>((resolve) => waiting.set(actor, resolve));
  let running = acts.length;
  const gated = (actor: number): MetadataStore => ({
    pricing: table.pricing,
    get: (...given) => turn(actor).then(() => table.get(...given)),
    query: (...given) => turn(actor).then(() => table.query(...given)),
    put: (...given) => turn(actor).then(() => table.put(...given)),
    delete: (...given) => turn(actor).then(() => table.delete(...given)),
    transact: (...given) => turn(actor).then(() => table.transact(...given)),
    close: async () => {},
  });
  const all = Promise.all(acts.map((act, actor) => act(gated(actor)).finally(() => running--)));
  const counts: number[] = [];
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    if (running === 0) break;
    const actors = [...waiting.keys()].sort();
    const choice = choices[counts.length] ?? 0;
    const actor = actors[Number.isInteger(choice) ? choice : Math.floor(choice * actors.length)]!;
    counts.push(actors.length);
    const go = waiting.get(actor)!;
    waiting.delete(actor);
    go();
  }
  await all;
  return counts;
}

/** The next path through the tree of choices; null after the last one. */
function nextPath(path: readonly number[], counts: readonly number[]): number[] | null {
  for (let depth = counts.length - 1; depth >= 0; depth--) {
    const choice = path[depth] ?? 0;
    if (choice + 1 < counts[depth]!) return [...counts.slice(0, depth).map((_, at) => path[at] ?? 0), choice + 1];
  }
  return null;
}

const starts =
  (epochs: number[]): Act =>
  async (store) => {
    epochs.push((await register(store)).brokerEpoch);
  };
const startsAndIsDropped =
  (epochs: number[]): Act =>
  async (store) => {
    const item = await register(store);
    epochs.push(item.brokerEpoch);
    await retire(store, item);
  };

test('in no order of requests is an epoch of an id given twice', { timeout: 60_000 }, async () => {
  for (const other of [starts, startsAndIsDropped]) {
    let orders = 0;
    for (let path: number[] | null = []; path !== null; orders++) {
      const epochs: number[] = [];
      const counts = await interleaved([other(epochs), startsAndIsDropped(epochs)], path);
      expect(new Set(epochs).size, `epochs ${epochs} in order ${path}`).toBe(2);
      path = nextPath(path, counts);
    }
    expect(orders).toBeGreaterThan(50);
  }
  const random = runtime.random;
  for (let order = 0; order < 500; order++) {
    const epochs: number[] = [];
    const acts = [starts(epochs), startsAndIsDropped(epochs), startsAndIsDropped(epochs), starts(epochs)];
    const path = Array.from({ length: 100 }, () => random.float());
    await interleaved(acts, path);
    expect(new Set(epochs).size, `epochs ${epochs} in order ${path}`).toBe(4);
  }
});

test('what the table drops is dropped from memory, soon also what it has never shown, but not who is connected', () => {
  let now = 0;
  const table = new PeerTable(1, () => now);
  const item = (brokerId: number): BrokerItem => ({
    ...{ brokerId, brokerEpoch: 1, session: 's', state: 'running', revision: 1, zone: '', version: '1' },
    ...{ kafka: at(1), kafkaByZone: {}, http: at(2), internal: at(3), startedAt: 0, counter: 1 },
  });
  now = 10;
  table.observe(new Map([2, 3].map((id) => [id, item(id)])), now);
  table.linkUp({ brokerId: 3, brokerEpoch: 1 });
  table.describe(item(4));
  table.observe(new Map(), 5); // Asked before.
  expect([...table.all()].map(({ description }) => description.brokerId)).toEqual([2, 3, 4]);
  now = 20;
  table.observe(new Map(), now);
  expect([...table.all()].map(({ description }) => description.brokerId)).toEqual([3, 4]);
  now = 11 + UNSEEN_KEPT_MS;
  table.observe(new Map(), now);
  expect([...table.all()].map(({ description }) => description.brokerId)).toEqual([3]);
});

test.each([
  ['stopped', STOPPED_KEPT_MS],
  ['running', DEAD_KEPT_MS],
] as const)('a broker that is %s is long gone after %d ms without a sign of life', (state, keptMs) => {
  let now = 0;
  const table = new PeerTable(1, () => now);
  const item: BrokerItem = {
    ...{ brokerId: 2, brokerEpoch: 1, session: 's', state, revision: 1, zone: '', version: '1' },
    ...{ kafka: at(1), kafkaByZone: {}, http: at(2), internal: at(3), startedAt: 0, counter: 1 },
  };
  const seeAt = (ms: number, counter: number) => {
    now = ms;
    table.observe(new Map([[2, { ...item, counter }]]), now);
  };
  seeAt(10, 1);
  seeAt(20, 2);
  seeAt(20 + keptMs, 2);
  expect(table.longGone()).toBeNull();
  seeAt(21 + keptMs, 2);
  expect(table.longGone()).toMatchObject({ brokerId: 2, brokerEpoch: 1, session: 's', counter: 2 });
  table.linkUp({ brokerId: 2, brokerEpoch: 1 }); // Who said goodbye may have been connected to the end.
  expect(table.longGone() === null).toBe(state === 'running');
});

test('a cluster forgets brokers that left, and one of them comes back with a new epoch', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3, 4]);
  await cluster.awaited(cluster.get(1).operations.drain(3));
  await cluster.leave(3);
  await cluster.leave(4);
  await cluster.time.advance(STOPPED_KEPT_MS + 60_000);
  expect([...(await registered(cluster.table)).keys()]).toEqual([1, 2]);
  expect(cluster.get(1).membership.controller.item!.drained).toEqual({});
  expect((await cluster.start(3)).epoch).toBe(2);
  await cluster.time.advance(30_000);
  for (const id of [1, 2, 3]) {
    expect(cluster.get(id).failure).toBeNull();
    expect(
      cluster
        .get(id)
        .membership.live()
        .map(({ brokerId }) => brokerId),
    ).toEqual([1, 2, 3]);
  }
});

test('a broker that was forgotten while it stood still stops when it goes on', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const { node } = cluster.get(2);
  node.frozen = true;
  await cluster.time.advance(60_000);
  await retire(cluster.table, (await registered(cluster.table)).get(2)!);
  await cluster.time.advance(20_000);
  node.thaw();
  await cluster.time.advance(20_000);
  expect(cluster.get(2).failure?.message).toMatch('the table does not know this broker any more');
  expect(cluster.get(2).seats.led).toEqual([]);
  // Nobody listens where it was, and nobody says so.
  cluster.network.cut(1, 2);
  await cluster.time.advance(60_000);
  expect(
    cluster
      .get(1)
      .membership.known()
      .map(({ member }) => member.brokerId),
  ).toEqual([1]);
});
