import { expect, test } from 'vitest';
import { decodeController } from '../../../src/cluster/cluster-items.ts';
import { Controller, type Surroundings } from '../../../src/cluster/controller.ts';
import type { ControllerStanding } from '../../../src/cluster/decide-controller.ts';
import { StorageCorruptError } from '../../../src/errors.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { controllerKey } from '../../../src/storage/keys.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import { steppedRuntime } from '../coordinator/stepped-runtime.ts';

const OPTIONS = { cause: 'tool' } as const;

/** A controller on a table whose answers can be held back, for which the other broker has gone. */
function controllerOf(brokerId: number, table: MemoryMetadataStore, given: Runtime) {
  const world = {
    standing: { type: 'vacant' } as ControllerStanding,
    held: Promise.resolve(),
    failure: null as Error | null,
    logged: [] as string[],
    /** What the table tells when it is read; false when it does not. */
    read: (): unknown => true,
  };
  const metadata: MetadataStore = {
    pricing: table.pricing,
    get: (...asked) => table.get(...asked),
    query: (...asked) => table.query(...asked),
    async put(...asked) {
      const outcome = await table.put(...asked);
      await world.held;
      if (world.failure) throw world.failure;
      return outcome;
    },
    delete: (...asked) => table.delete(...asked),
    transact: (...asked) => table.transact(...asked),
    close: () => table.close(),
  };
  const log = (_: unknown, message: string) => void world.logged.push(message);
  const runtime = { ...given, logger: { ...given.logger, warn: log, error: log, child: () => given.logger } };
  const surroundings = (): Surroundings => ({
    standing: controller.leads ? { type: 'self' } : world.standing,
    rank: 0,
    settled: true,
    seen: 1,
    expected: 1,
    vouched: false,
    since: 0,
    journals: 2,
    brokers: [{ brokerId, eligible: true }],
    leaderOf: () => brokerId,
    epochOf: () => 1,
    stableSince: 0,
    longGone: null,
  });
  const options = { clusterId: 'c', brokerId, brokerEpoch: 1, metadata, runtime, surroundings };
  const controller: Controller = new Controller({ ...options, onItem: () => {}, refresh: async () => world.read() });
  return { controller, world };
}

test('a controller that was succeeded before its write was answered goes on with what its successor decided', async () => {
  const time = steppedRuntime();
  const table = new MemoryMetadataStore();
  const one = controllerOf(1, table, time);
  const two = controllerOf(2, table, time);
  const { promise, resolve } = Promise.withResolvers<void>();
  one.world.held = promise;
  one.controller.look();
  await time.settle();
  const written = decodeController((await table.get(controllerKey('c'), OPTIONS))!);
  expect(written.brokerId).toBe(1);

  two.controller.adopt(written);
  two.controller.look();
  await time.settle();
  expect(two.controller.leads).toBe(true);
  one.world.standing = { type: 'live' };
  one.controller.adopt(two.controller.item!);
  resolve();
  await time.settle();
  expect(one.controller.leads).toBe(false);
  expect(one.controller.item).toEqual(two.controller.item);
});

test('a broker that hears of the controller before the table refuses its own claim complains of nothing', async () => {
  const time = steppedRuntime();
  const table = new MemoryMetadataStore();
  const before = controllerOf(1, table, time);
  before.controller.look();
  await time.settle();

  const started = controllerOf(2, table, time);
  const { promise, resolve } = Promise.withResolvers<void>();
  started.world.held = promise;
  started.controller.look();
  await time.settle();
  started.controller.adopt(before.controller.item!);
  resolve();
  await time.settle();
  expect(started.world.logged).toEqual([]);
  expect(started.controller.leads).toBe(true);
});

test('who takes the controller for gone, and learns from the table that it is not, leaves it in peace', async () => {
  const time = steppedRuntime();
  const table = new MemoryMetadataStore();
  const one = controllerOf(1, table, time);
  one.controller.look();
  await time.settle();
  const two = controllerOf(2, table, time);
  two.controller.adopt(one.controller.item!);
  two.world.standing = { type: 'gone', reason: 'silent', since: -20_000, proofs: 0, provenAt: 0 };
  two.world.read = () => {
    two.world.standing = { type: 'unknown' };
    return true;
  };
  two.controller.look();
  await time.settle();
  expect(two.controller.leads).toBe(false);
  expect(decodeController((await table.get(controllerKey('c'), OPTIONS))!).brokerId).toBe(1);
});

test('who cannot read the table becomes the controller when it can', async () => {
  const time = steppedRuntime();
  const { controller, world } = controllerOf(1, new MemoryMetadataStore(), time);
  world.read = () => false;
  controller.look();
  await time.settle();
  expect(controller.leads).toBe(false);
  world.read = () => true;
  await time.advance(1_000);
  expect(controller.leads).toBe(true);
});

test('a controller that cannot read what stands in the table says so, and looks again', async () => {
  const time = steppedRuntime();
  const { controller, world } = controllerOf(1, new MemoryMetadataStore(), time);
  world.failure = new StorageCorruptError('the item is not JSON');
  controller.look();
  await time.settle();
  expect(world.logged).toEqual(['a bug: the controller could not decide; it tries again']);
  world.failure = null;
  await time.advance(5_000);
  expect(controller.item).not.toBeNull();
});
