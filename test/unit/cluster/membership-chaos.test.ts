/**
 * Whatever happens to brokers, networks and the table: once it has passed, the brokers that are left agree, and every journal
 * is led by one of them. A seed decides everything and is in the name of the test.
 */
import { expect, test } from 'vitest';
import { StorageUnavailableError } from '../../../src/errors.ts';
import { seededRandom } from '../storage/virtual-runtime.ts';
import { Cluster, rightsLost } from './world/cluster.ts';

const IDS = [1, 2, 3, 4, 5];
/** `FIRST_SEED=1000 SEEDS=500` runs others. */
const FIRST = Number(process.env['FIRST_SEED'] ?? 1);
const COUNT = Number(process.env['SEEDS'] ?? 12);
const STRIKES = 40;
/** Longer than any patience: a cut that was proven often makes brokers wait for a minute. */
const CALM_MS = 180_000;

async function torment(seed: number): Promise<Cluster> {
  const cluster = new Cluster(seed);
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random.float() * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  await cluster.start(1, { journals: 7 });
  for (const id of IDS.slice(1, 2 + below(4))) await cluster.start(id);
  const up = () => [...cluster.brokers.keys()].filter((id) => !cluster.get(id).node.frozen);
  const strikes: Record<string, () => unknown> = {
    kill: () => {
      if (up().length > 1) cluster.kill(pick(up()));
    },
    start: async () => {
      const id = IDS.find((candidate) => !cluster.brokers.has(candidate));
      if (id !== undefined) await cluster.begin(id);
    },
    freeze: () => {
      cluster.get(pick([...cluster.brokers.keys()])).node.frozen = true;
    },
    thaw: () => {
      for (const { node } of cluster.brokers.values()) if (random.float() < 0.5) node.thaw();
    },
    cut: () => cluster.network.cut(pick(IDS), pick(IDS)),
    'cut one way': () => cluster.network.cutOneWay(pick(IDS), pick(IDS)),
    heal: () => cluster.network.heal(),
    'lose rights': () => {
      cluster.get(pick([...cluster.brokers.keys()])).table.refusal =
        random.float() < 0.5 ? rightsLost() : new StorageUnavailableError('away');
    },
    'get rights': () => {
      for (const { table } of cluster.brokers.values()) table.refusal = null;
    },
    'cannot take over': () => {
      const id = pick(IDS);
      const journal = below(14);
      const refusal = new Error('damaged here');
      cluster.fences.refuses = (broker, asked) =>
        broker === id && (asked === journal || journal > 6) ? refusal : null;
    },
    'reads slowly': () => {
      cluster.get(pick([...cluster.brokers.keys()])).seats.readMs = below(10_000);
    },
    leave: async () => {
      const id = pick(up());
      if (up().length > 1) await cluster.leave(id);
    },
    move: async () => {
      const { operations } = cluster.get(pick(up()));
      void operations.move(below(7), pick(IDS)).catch(() => {});
    },
  };
  for (let strike = 0; strike < STRIKES; strike++) {
    if (up().length === 0) cluster.get(pick([...cluster.brokers.keys()])).node.thaw();
    await strikes[pick(Object.keys(strikes))]!();
    await cluster.time.advance(below(4) === 0 ? below(20_000) : below(1_500));
  }
  cluster.network.heal();
  cluster.fences.refuses = () => null;
  for (const { node, table, seats } of cluster.brokers.values()) {
    table.refusal = null;
    seats.readMs = 20;
    node.thaw();
  }
  await cluster.time.advance(CALM_MS);
  return cluster;
}

test.each(
  Array.from({ length: COUNT }, (_, index) => FIRST + index),
)('seed %i: brokers agree when it is over', async (seed) => {
  const cluster = await torment(seed);
  const brokers = [...cluster.brokers.values()].filter(({ failure }) => failure === null);
  const ids = brokers.map(({ id }) => id).sort();
  expect(ids.length).toBeGreaterThan(0);
  const leaders = cluster.leaders();
  for (const leader of leaders) expect(ids).toContain(leader);
  const held = ids.map((id) => leaders.filter((leader) => leader === id).length);
  const { controllerEpoch } = brokers[0]!.membership.controller.item!;
  for (const { id, membership, seats } of brokers) {
    expect(membership.live().map(({ brokerId }) => brokerId)).toEqual(ids);
    expect(membership.controller.item!.controllerEpoch).toBe(controllerEpoch);
    expect(ids).toContain(membership.controllerId);
    expect(leaders.map((_, journal) => membership.leaders.of(journal)?.brokerId)).toEqual(leaders);
    expect(seats.led).toEqual(leaders.flatMap((leader, journal) => (leader === id ? [journal] : [])));
  }
  const pinned = Object.keys(brokers[0]!.membership.controller.item!.pinned).length;
  expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1 + pinned);
});
