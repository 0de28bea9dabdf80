/** Brokers that lose their rights, their table, their bucket or the time of day: told clearly, survived, nothing acknowledged lost. */
import { existsSync, globSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, describe, expect, test } from 'vitest';
import { systemTimers } from '../../../src/runtime/clock.ts';
import { createDynamoDbClient } from '../../../src/storage/dynamodb/client.ts';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../../stand-ins/dynoxide.ts';
import { mustHaveEverything } from '../run.ts';
import { Account } from './account.ts';
import { brokersOf, clusterOf, settled, until } from './administration.ts';
import { Cluster, type Member } from './cluster.ts';

const WRITES = new Set(['PutItem', 'DeleteItem', 'UpdateItem', 'TransactWriteItems', 'PUT', 'DELETE', 'POST']);
const FAKE_TIME = [
  ...globSync('/usr/lib/*/faketime/libfaketimeMT.so.1'),
  '/usr/local/lib/faketime/libfaketimeMT.so.1',
].find((file) => existsSync(file));
const FAKE_TIME_MISSING = 'libfaketime is not installed, so no broker can be given a clock that is a year off';

describe('three brokers', () => {
  if (dynoxideBinary() === null) {
    test('survive', (context) => {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    });
    return;
  }
  let cluster: Cluster | null = null;
  afterEach(async () => {
    await cluster?.close();
    cluster = null;
  });

  async function open(options: { readonly network?: 'loopback' | 'proxies'; readonly brokers?: number } = {}) {
    const environment = { MILLRACE_JOURNALS: '6' };
    cluster = await Cluster.start({ brokers: 3, network: 'loopback', environment, ...options });
    await settled(cluster);
    return cluster;
  }

  const leadsNothing = (member: Member, id: number) =>
    until(
      () => brokersOf(member),
      (brokers) => brokers.filter((each) => each.broker_id === id).every(({ journals }) => journals.length === 0),
      60_000,
    );

  test('one that lost its rights to the table says so, others take its journals, and it works again with them', async () => {
    const { members } = await open();
    const [first, second] = members;
    const account = await Account.open(cluster!, 'without-rights');
    const stop = account.sendOn();
    await pause(1_000);
    second!.dynamodb.weather = { faults: { denied: 1 } };
    await leadsNothing(first!, 2);
    const before = account.acknowledged;
    for (let count = 0; count < 10; count++) await account.send(first!);
    expect(account.acknowledged).toBeGreaterThan(before);
    expect(second!.broker.log).toMatch(/AccessDenied/);
    cluster!.heal();
    if (!second!.broker.isAlive) await cluster!.up(second!);
    await settled(cluster!);
    for (const member of cluster!.running) await account.send(member);
    await stop();
    await account.expectAll();
  });

  test('a bucket that turns read-only: what goes by it is refused as retriable, small records are taken', async () => {
    const { members } = await open();
    const account = await Account.open(cluster!, 'read-only');
    for (const member of members) await account.send(member, 200_000);
    for (const { s3 } of members) s3.weather = { faults: { denied: 1 }, matches: (operation) => WRITES.has(operation) };
    const refused = await account.attempt(members[0]!, 200_000);
    expect(refused?.status ?? 503).toBeGreaterThanOrEqual(500);
    for (const member of members) await account.send(member);
    await account.expectAll();
    expect(members.map(({ broker }) => broker.log).join()).toMatch(/AccessDenied/);
    expect(members.every(({ broker }) => broker.isAlive)).toBe(true);
    cluster!.heal();
    for (const member of members) await account.send(member, 200_000);
    await account.expectAll();
  });

  test('a table that is deleted under them: nothing is acknowledged any more, and they say why', async () => {
    const { members } = await open();
    const account = await Account.open(cluster!, 'deleted');
    for (const member of members) await account.send(member);
    const client = createDynamoDbClient(systemTimers, { endpoint: cluster!.stores.dynamodb.endpoint });
    await client.send(new DeleteTableCommand({ TableName: 'millrace' }));
    client.destroy();
    await until(
      async () => members.map(({ broker }) => broker.log).join(),
      (log) => /ResourceNotFound/.test(log),
      30_000,
    );
    for (const member of members) {
      if (!member.broker.isAlive) continue;
      const answer = await account.attempt(member);
      expect(answer?.status ?? 503).toBeGreaterThanOrEqual(500);
    }
    for (const { broker } of members) {
      if (!broker.isAlive) expect(broker.log).toMatch(/table/);
    }
  });

  test('a controller that slept, and woke when there was another, disturbs nothing', async () => {
    const { members } = await open();
    const account = await Account.open(cluster!, 'two-controllers');
    const controllerId = (await clusterOf(members[0]!)).controller_id;
    const sleeper = members[controllerId! - 1]!;
    const others = members.filter((member) => member !== sleeper);
    process.kill(sleeper.broker.pid, 'SIGSTOP');
    sleeper.running = false;
    const stop = account.sendOn();
    try {
      for (const member of others) {
        await until(
          () => clusterOf(member),
          ({ controller_id: id, journals }) => id !== controllerId && id !== null && journals.led === journals.count,
          60_000,
        );
      }
    } finally {
      process.kill(sleeper.broker.pid, 'SIGCONT');
    }
    sleeper.running = true;
    await settled(cluster!);
    const controllers = await Promise.all(members.map(async (member) => (await clusterOf(member)).controller_id));
    expect(new Set(controllers).size, `controllers ${controllers}`).toBe(1);
    // One that is on its way from one broker to another is led by nobody for a moment.
    const led = async () => (await brokersOf(members[0]!)).flatMap(({ journals }) => journals).sort();
    await until(led, (journals) => journals.join() === '0,1,2,3,4,5', 10_000);
    await stop();
    for (const member of members) await account.send(member);
    await account.expectAll();
    expect(members.every(({ broker }) => broker.isAlive)).toBe(true);
  });

  test.for([
    ['ahead', '+365d'],
    ['behind', '-365d'],
  ] as const)('one whose clock is a year %s takes part, and removes nothing', async ([_, offset], context) => {
    if (FAKE_TIME === undefined) {
      if (mustHaveEverything) throw new Error(FAKE_TIME_MISSING);
      context.skip(FAKE_TIME_MISSING);
      return;
    }
    await open({ brokers: 2 });
    const account = await Account.open(cluster!, 'of-all-times');
    for (const member of cluster!.running) await account.send(member, 200_000);
    const odd = await cluster!.add({
      LD_PRELOAD: FAKE_TIME,
      FAKETIME: offset,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      MILLRACE_RETENTION_INTERVAL_MS: '200',
      MILLRACE_RECLAIM_INTERVAL_MS: '200',
      MILLRACE_RECLAIM_DELAY_MS: '500',
    });
    await cluster!.up(odd);
    await settled(cluster!);
    for (const member of cluster!.running) await account.send(member, 200_000);
    // It alone has everything to do.
    for (const member of cluster!.members.slice(0, 2)) await cluster!.stop(member);
    await until(
      () => clusterOf(odd),
      ({ journals }) => journals.led === journals.count,
      30_000,
    );
    await account.send(odd, 200_000);
    await pause(3_000);
    await account.expectAll(odd);
    expect(odd.broker.log).toMatch(/clock of this broker is wrong/);
  });
});
