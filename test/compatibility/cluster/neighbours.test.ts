/** Two clusters under different names in one bucket and one table: neither sees, keeps or removes anything of the other. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../../stand-ins/dynoxide.ts';
import { HttpClient } from '../http-client.ts';
import { mustHaveEverything } from '../run.ts';
import { settled } from './administration.ts';
import { Cluster, type Stores, startStores } from './cluster.ts';

/** Everything that looks for work or garbage does so all the time. */
const EAGER = {
  MILLRACE_JOURNALS: '2',
  MILLRACE_MERGE_INTERVAL_MS: '200',
  MILLRACE_MERGE_INLINE_AGE_MS: '1000',
  MILLRACE_RETENTION_INTERVAL_MS: '500',
  MILLRACE_RECLAIM_INTERVAL_MS: '500',
  MILLRACE_RECLAIM_DELAY_MS: '1000',
  MILLRACE_RECLAIM_ORPHAN_AGE_MS: '2000',
};
const NAMES = ['east', 'west'] as const;
const TOPIC = 'orders';
const ROUNDS = 30;

describe('two clusters in one bucket and one table', () => {
  if (dynoxideBinary() === null) {
    test('never touch', (context) => {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    });
    return;
  }
  let stores: Stores;
  const clusters = new Map<string, Cluster>();
  const sent = new Map<string, string[]>(NAMES.map((name) => [name, []]));

  beforeAll(async () => {
    stores = await startStores();
    for (const name of NAMES) {
      clusters.set(name, await Cluster.start({ brokers: 2, name, stores, network: 'loopback', environment: EAGER }));
    }
  });
  afterAll(async () => {
    for (const cluster of clusters.values()) await cluster.close();
    await stores?.close();
  });

  const client = (name: string) => new HttpClient(clusters.get(name)!.running[0]!.broker.url);
  const produce = async (name: string, round: number) => {
    const value = `${name} ${round} `.padEnd(round % 3 === 0 ? 150_000 : 50, 'x');
    sent.get(name)!.push(value.slice(0, 20));
    await client(name).produce(TOPIC, `${JSON.stringify({ value, partition: 0 })}\n`, `${name}-${round}`);
  };
  const expectOwn = async (name: string) => {
    const found: string[] = [];
    for await (const { value } of client(name).readPartition(TOPIC, 0)) found.push(value.toString('utf8', 0, 20));
    expect(found).toEqual(sent.get(name));
  };

  test('each has its own brokers, topics and records, while both merge and reclaim', async () => {
    for (const name of NAMES) {
      await settled(clusters.get(name)!);
      await client(name).createTopic(TOPIC, 1);
    }
    for (let round = 0; round < ROUNDS; round++) await Promise.all(NAMES.map((name) => produce(name, round)));
    for (const name of NAMES) await expectOwn(name);
  });

  test('one whose brokers die is restored to what it was, and the other does not notice', async () => {
    const [east, west] = NAMES.map((name) => clusters.get(name)!);
    const epochs = async () =>
      (await (await fetch(`${west!.running[0]!.broker.url}/v1/cluster/journals`)).json()) as unknown;
    await settled(west!);
    const before = await epochs();
    for (const member of [...east!.running]) await east!.kill(member);
    for (let round = ROUNDS; round < 2 * ROUNDS; round++) await produce('west', round);
    for (const member of east!.members) await east!.up(member);
    await settled(east!);
    await produce('east', ROUNDS);
    for (const name of NAMES) await expectOwn(name);
    expect(await epochs()).toEqual(before);
  });
});
