import { expect, test } from 'vitest';
import { StorageThrottledError } from '../../../src/errors.ts';
import { imageKey } from '../../../src/storage/keys.ts';
import { ALWAYS } from '../../../src/storage/metadata-store.ts';
import { type Broker, Cluster } from './world/cluster.ts';

const OPTIONS = { cause: 'tool' } as const;

/** Names and values of one kind in the table, and what each broker shows of them. */
class Shown {
  readonly table = new Map<string, number>();
  readonly images = new Map<Broker, Map<string, number>>();
  readonly reads: string[] = [];
  /** It can read nothing. */
  failing: Broker | null = null;

  async open(broker: Broker): Promise<void> {
    const shown = new Map<string, number>();
    this.images.set(broker, shown);
    await broker.membership.images.open('topics', {
      refresh: async (name) => {
        if (this.failing === broker) throw new StorageThrottledError('slow down');
        this.reads.push(`${broker.id}: ${name}`);
        shown.set(name, this.table.get(name)!);
      },
      refreshAll: async () => {
        if (this.failing === broker) throw new StorageThrottledError('slow down');
        this.reads.push(`${broker.id}: all`);
        for (const [name, value] of this.table) shown.set(name, value);
      },
    });
  }

  change(broker: Broker, name: string, value: number): Promise<void> {
    this.table.set(name, value);
    this.images.get(broker)!.set(name, value);
    return broker.membership.images.announce('topics', [name]);
  }

  of(broker: Broker, name: string): number | undefined {
    return this.images.get(broker)!.get(name);
  }
}

async function opened(ids: readonly number[]) {
  const cluster = new Cluster();
  const shown = new Shown();
  for (const id of ids) await shown.open(await cluster.start(id));
  await cluster.time.advance(5_000);
  shown.reads.length = 0;
  return { cluster, shown };
}

test('a change is shown by all brokers before it is answered', async () => {
  const { cluster, shown } = await opened([1, 2, 3]);
  await cluster.awaited(shown.change(cluster.get(2), 'orders', 1), 1);
  expect([1, 2, 3].map((id) => shown.of(cluster.get(id), 'orders'))).toEqual([1, 1, 1]);
  expect(shown.reads).toEqual(['1: orders', '3: orders']);
  await cluster.time.advance(30_000);
  expect(shown.reads).toHaveLength(2);
});

test('changes of several brokers at once are all shown', async () => {
  const { cluster, shown } = await opened([1, 2, 3]);
  const changes = [1, 2, 3].map((id) => shown.change(cluster.get(id), `of ${id}`, id));
  await cluster.awaited(Promise.all(changes), 1);
  await cluster.time.advance(2_000);
  for (const id of [1, 2, 3]) {
    for (const of of [1, 2, 3]) expect(shown.of(cluster.get(id), `of ${of}`)).toBe(of);
  }
});

test('changes that one broker makes at once are told together', async () => {
  const { cluster, shown } = await opened([1, 2]);
  for (const broker of cluster.brokers.values()) broker.table.delayMs = 10;
  const before = cluster.get(1).membership.images.versions().topics;
  const names = Array.from({ length: 40 }, (_, index) => `t${index}`);
  const changes = names.map((name, index) => shown.change(cluster.get(1), name, index));
  await cluster.awaited(Promise.all(changes), 1);
  for (const [index, name] of names.entries()) expect(shown.of(cluster.get(2), name)).toBe(index);
  expect(shown.reads.toSorted()).toEqual(names.map((name) => `2: ${name}`).toSorted());
  expect(cluster.get(1).membership.images.versions().topics).toBe(before + 2);
  await cluster.time.advance(15_000);
  expect(shown.reads).toHaveLength(names.length);
});

test('changes of the same thing that come one upon the other are all shown, and nothing else is read', async () => {
  const { cluster, shown } = await opened([1, 2]);
  for (const broker of cluster.brokers.values()) broker.table.delayMs = 10;
  const changes: Promise<void>[] = [];
  for (let value = 1; value <= 5; value++) {
    changes.push(shown.change(cluster.get(1), 'orders', value));
    await cluster.time.advance(2);
  }
  await cluster.awaited(Promise.all(changes), 1);
  expect(shown.of(cluster.get(2), 'orders')).toBe(5);
  expect(new Set(shown.reads)).toEqual(new Set(['2: orders']));
});

test('a broker that could not be told sees the version of a ping and reads everything', async () => {
  const { cluster, shown } = await opened([1, 2]);
  cluster.get(2).node.frozen = true;
  const changed = shown.change(cluster.get(1), 'orders', 1);
  await cluster.time.advance(1_200);
  cluster.get(2).node.thaw();
  await cluster.awaited(changed);
  await cluster.time.advance(3_000);
  expect(shown.of(cluster.get(2), 'orders')).toBe(1);
});

test('a broker that others cannot reach sees the version in its heartbeat', async () => {
  const { cluster, shown } = await opened([1, 2]);
  cluster.network.cut(1, 2);
  await cluster.time.advance(3_000);
  const began = cluster.time.clock.monotonic();
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1));
  expect(cluster.time.clock.monotonic() - began).toBeLessThan(1_500);
  await cluster.time.advance(11_000);
  expect(shown.of(cluster.get(2), 'orders')).toBe(1);
});

test('a change waits a second at most for a broker that does not answer', async () => {
  const { cluster, shown } = await opened([1, 2]);
  cluster.get(2).node.frozen = true;
  const began = cluster.time.clock.monotonic();
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1));
  expect(cluster.time.clock.monotonic() - began).toBeLessThan(1_200);
});

test('what a broker changed and told nobody before it died is read when it is gone', async () => {
  const { cluster, shown } = await opened([1, 2]);
  shown.table.set('orders', 1);
  cluster.kill(1);
  await cluster.time.advance(1_000);
  expect(shown.of(cluster.get(2), 'orders')).toBe(1);
});

test('a change whose version cannot be written is shown by all brokers that can be called', async () => {
  const { cluster, shown } = await opened([1, 2, 3]);
  cluster.get(1).table.refusal = new StorageThrottledError('slow down');
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1), 1);
  expect([2, 3].map((id) => shown.of(cluster.get(id), 'orders'))).toEqual([1, 1]);
});

test('a change whose version cannot be written is seen later by a broker that cannot be called', async () => {
  const { cluster, shown } = await opened([1, 2]);
  cluster.network.cut(1, 2);
  await cluster.time.advance(2_000);
  cluster.get(1).table.refusal = new StorageThrottledError('slow down');
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1));
  expect(shown.of(cluster.get(2), 'orders')).toBeUndefined();
  cluster.get(1).table.refusal = null;
  await cluster.time.advance(6_000);
  expect((await asked({ cluster, shown }, 2, 'orders')).shown).toBe(1);
});

test('a broker that cannot read a change which has no version knows that it misses one', async () => {
  const world = await opened([1, 2]);
  const { cluster, shown } = world;
  cluster.get(1).table.refusal = new StorageThrottledError('slow down');
  shown.failing = cluster.get(2);
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1));
  await expect(asked(world, 2, 'orders')).rejects.toThrow('cannot be read');
  shown.failing = null;
  expect(await asked(world, 2, 'orders')).toEqual({ asked: true, shown: 1 });
});

test('versions that skipped some make a broker read everything', async () => {
  const { cluster, shown } = await opened([1, 2]);
  await cluster.table.put(
    { ...imageKey('c', 'topics'), body: Buffer.alloc(0), attributes: { version: 9 } },
    ALWAYS,
    OPTIONS,
  );
  shown.table.set('payments', 7);
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1));
  await cluster.time.advance(500);
  for (const id of [1, 2]) expect(shown.of(cluster.get(id), 'payments')).toBe(7);
  expect(cluster.get(1).membership.images.versions().topics).toBe(10);
});

test('reading that fails is tried again', async () => {
  const { cluster } = await opened([1]);
  let failures = 3;
  let read = 0;
  const { images } = cluster.get(1).membership;
  await images.open('configs', { refresh: async () => {}, refreshAll: async () => {} });
  await images.open('configs', {
    refresh: async () => {},
    refreshAll: async () => {
      if (read++ > 0 && failures-- > 0) throw new Error('away');
    },
  });
  images.seen({ topics: 0, configs: 4 });
  await cluster.time.advance(10_000);
  expect(read).toBe(5);
  expect(images.versions().configs).toBe(4);
});

/** Asks whether the image of a broker shows everything, and what it shows then. */
async function asked({ cluster, shown }: Awaited<ReturnType<typeof opened>>, id: number, name: string) {
  const current = cluster.get(id).membership.images.current('topics');
  if (current !== null) await cluster.awaited(current, 1);
  return { asked: current !== null, shown: shown.of(cluster.get(id), name) };
}

test('an image is current without a request as long as all brokers are heard', async () => {
  const world = await opened([1, 2, 3]);
  const { cluster, shown } = world;
  await cluster.awaited(shown.change(cluster.get(2), 'orders', 1), 1);
  for (let ms = 0; ms < 30_000; ms += 333) {
    expect(await asked(world, 1, 'orders')).toEqual({ asked: false, shown: 1 });
    await cluster.time.advance(333);
  }
});

test('of a broker that left, or was killed, nothing is missed', async () => {
  const world = await opened([1, 2, 3]);
  const { cluster } = world;
  await cluster.leave(3);
  cluster.kill(2);
  await cluster.time.advance(1_000);
  expect((await asked(world, 1, 'orders')).asked).toBe(false);
});

test.each([
  'cut',
  'cut one way',
  'cut the other way',
  'frozen',
])('whoever was told that a change is made finds it shown everywhere: %s', async (fault) => {
  for (let beforeMs = 0; beforeMs < 2_000; beforeMs += 130) {
    const world = await opened([1, 2, 3]);
    const { cluster, shown } = world;
    const [one, two] = [cluster.get(1), cluster.get(2)];
    if (fault === 'frozen') one.node.frozen = true;
    else if (fault === 'cut') cluster.network.cut(1, 2);
    else if (fault === 'cut one way') cluster.network.cutOneWay(1, 2);
    else cluster.network.cutOneWay(2, 1);
    await cluster.time.advance(beforeMs);
    await cluster.awaited(shown.change(two, 'orders', 1));
    if (fault === 'frozen') one.node.thaw();
    expect((await asked(world, 1, 'orders')).shown).toBe(1);
  }
});

test('who asks while the table does not answer is refused, and answered later', async () => {
  const world = await opened([1, 2]);
  const { cluster, shown } = world;
  cluster.network.cut(1, 2);
  await cluster.time.advance(2_000);
  const changed = cluster.awaited(shown.change(cluster.get(2), 'orders', 1));
  await changed;
  cluster.get(1).table.refusal = new StorageThrottledError('slow down');
  await expect(asked(world, 1, 'orders')).rejects.toThrow('slow down');
  cluster.get(1).table.refusal = null;
  expect(await asked(world, 1, 'orders')).toEqual({ asked: true, shown: 1 });
});

test('questions at the same time share one request, and are answered in order', async () => {
  const { cluster } = await opened([1, 2]);
  cluster.network.cut(1, 2);
  await cluster.time.advance(2_000);
  const { images } = cluster.get(1).membership;
  const before = requests(cluster);
  const answered: number[] = [];
  const all = Array.from({ length: 20 }, (_, index) => images.current('topics')!.then(() => answered.push(index)));
  await cluster.awaited(Promise.all(all), 1);
  expect(answered).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect(requests(cluster) - before).toBe(2);
});

const requests = ({ meter }: Cluster): number => meter.totals().metadataRequests;

test('versions that could not be written are written together, with one attempt at a time', async () => {
  const { cluster, shown } = await opened([1, 2]);
  const { table, logged } = cluster.get(1);
  table.refusal = new StorageThrottledError('slow down');
  for (let name = 0; name < 10; name++) await cluster.awaited(shown.change(cluster.get(1), `topic ${name}`, 1), 1);
  logged.length = 0;
  await cluster.time.advance(5_500);
  expect(logged.filter((line) => line.includes('could not be written'))).toHaveLength(1);
  table.refusal = null;
  await cluster.time.advance(6_000);
  for (let name = 0; name < 10; name++) expect(shown.of(cluster.get(2), `topic ${name}`)).toBe(1);
});

test('a change does not wait for a broker that left', async () => {
  const { cluster, shown } = await opened([1, 2, 3]);
  await cluster.leave(3);
  await cluster.time.advance(2_000);
  const began = cluster.time.clock.monotonic();
  await cluster.awaited(shown.change(cluster.get(1), 'orders', 1), 1);
  expect(cluster.time.clock.monotonic() - began).toBeLessThan(100);
});
