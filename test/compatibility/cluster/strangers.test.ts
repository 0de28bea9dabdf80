/**
 * Who may not join, and who may not speak: brokers with a wrong secret, a taken id or another format, calls that are forged,
 * replayed or sent to the wrong door. The cluster goes on, and says what is wrong.
 */
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { KafkaClient } from '../../integration/kafka-client.ts';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../../stand-ins/dynoxide.ts';
import type { ProxyLinks } from '../../stand-ins/link-proxy.ts';
import { Broker, ROOT } from '../broker.ts';
import { mustHaveEverything } from '../run.ts';
import { Account } from './account.ts';
import { brokersOf, clusterOf, settled, until } from './administration.ts';
import { Cluster, type Member, SECRET } from './cluster.ts';

/** The checkout once more, with some of its text replaced. */
function copyOfSources(
  changes: readonly { readonly file: string; readonly from: RegExp; readonly to: string }[],
): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-version-'));
  cpSync(join(ROOT, 'src'), join(directory, 'src'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  for (const { file, from, to } of changes) {
    const before = readFileSync(join(directory, file), 'utf8');
    const after = before.replace(from, to);
    if (after === before) throw new Error(`${file} has nothing like ${from}`);
    writeFileSync(join(directory, file), after);
  }
  return directory;
}

describe('a cluster of two', () => {
  if (dynoxideBinary() === null) {
    test('refuses strangers', (context) => {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    });
    return;
  }
  let cluster: Cluster;
  let account: Account;
  const extra: Broker[] = [];
  const directories: string[] = [];

  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 2, network: 'proxies', environment: { MILLRACE_JOURNALS: '4' } });
    await settled(cluster);
    account = await Account.open(cluster, 'undisturbed');
  });
  afterEach(async () => {
    for (const broker of extra.splice(0)) await broker.kill();
    await settled(cluster);
    for (const member of cluster.running) await account.send(member);
    await account.expectAll();
  });
  afterAll(async () => {
    await cluster?.close();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  /** One that is not of the cluster's own making. */
  function stranger(environment: Readonly<Record<string, string>>, sources?: string): Broker {
    const flags = [...cluster.stores.flags, '--cluster', cluster.name, '--internal', '127.0.0.1:0'];
    const stores = {
      AWS_ENDPOINT_URL_S3: cluster.stores.s3.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: cluster.stores.dynamodb.endpoint,
    };
    const more = { MILLRACE_BROKER_ID: '9', MILLRACE_CLUSTER_SECRET: SECRET, ...environment };
    const broker = new Broker({ flags, environment: stores }, { environment: more, ...(sources && { sources }) });
    extra.push(broker);
    return broker;
  }

  test('a broker with a wrong secret is told so and leads nothing', async () => {
    const broker = stranger({ MILLRACE_CLUSTER_SECRET: 'not what the brokers of this cluster know' });
    await expect(broker.start()).rejects.toThrow(/secret/);
    const brokers = await brokersOf(cluster.running[0]!);
    expect(brokers.filter(({ journals }) => journals.length > 0).map((each) => each.broker_id)).toEqual([1, 2]);
  });

  test('a broker without a secret is told so', async () => {
    await expect(stranger({ MILLRACE_CLUSTER_SECRET: '' }).start()).rejects.toThrow(/secret/);
  });

  test('a second broker of a taken id is refused, and the first goes on', async () => {
    const broker = stranger({ MILLRACE_BROKER_ID: '2' });
    await expect(broker.start()).rejects.toThrow(/broker id 2 is in use by .* give this broker another --broker-id/);
    expect(cluster.members[1]!.broker.isAlive).toBe(true);
  });

  test('a broker of another format is refused with a clear sentence', async () => {
    const changed = { file: 'src/cluster/cluster-items.ts', from: /CLUSTER_FORMAT = \d+/, to: 'CLUSTER_FORMAT = 99' };
    const sources = copyOfSources([changed]);
    directories.push(sources);
    await expect(stranger({}, sources).start()).rejects.toThrow(/has format \d+, and Millrace .* knows format 99/);
  });

  test('so is one of another format of the internal protocol, which takes nothing from the others', async () => {
    const leaders = async () => {
      const { journals } = (await (await fetch(`${cluster.members[0]!.broker.url}/v1/cluster/journals`)).json()) as {
        readonly journals: readonly { readonly epoch: number }[];
      };
      return journals;
    };
    const before = await leaders();
    const sources = copyOfSources([{ file: 'src/rpc/wire.ts', from: /RPC_FORMAT = \d+/, to: 'RPC_FORMAT = 99' }]);
    directories.push(sources);
    await expect(stranger({}, sources).start()).rejects.toThrow(/does not take this one: .* share a format/);
    expect(await leaders()).toEqual(before);
  });

  test('a broker of the next minor version runs beside the others', async () => {
    const sources = copyOfSources([{ file: 'package.json', from: /"version": "[^"]+"/, to: '"version": "0.99.0"' }]);
    directories.push(sources);
    const broker = stranger({}, sources);
    await broker.start();
    const view = (await (await fetch(`${broker.url}/v1/cluster`)).json()) as { readonly versions: readonly string[] };
    expect(view.versions).toContain('0.99.0');
    expect(view.versions).toHaveLength(2);
    const member = { broker, name: 'the newer one' } as Member;
    await account.send(member);
    await account.expectAll(member);
    expect(await broker.stop()).toBe(0);
  });

  const internalOf = async (member: Member): Promise<{ host: string; port: number }> => {
    const response = await fetch(`${member.broker.url}/v1/cluster/brokers`);
    const { brokers } = (await response.json()) as { brokers: readonly { broker_id: number; internal: string }[] };
    const { internal } = brokers.find(({ broker_id: id }) => `b${id}` === member.name)!;
    const [host, port] = internal.split(':');
    return { host: host!, port: Number(port) };
  };
  /** Connections that did not prove the secret. Nothing that came over them was heard: who is heard has proved it. */
  const refused = async (member: Member): Promise<number> => {
    const text = await (await fetch(`${member.broker.url}/metrics`)).text();
    return Number(/^millrace_rpc_handshakes_total\{outcome="refused"\} (\d+)/m.exec(text)?.[1] ?? 0);
  };
  /** `connections` connections come and must all be refused. Brokers of the cluster may come and go meanwhile. */
  async function expectRefused(member: Member, connections: number, come: () => Promise<void>): Promise<void> {
    const before = await refused(member);
    await come();
    await until(
      () => refused(member),
      (now) => now >= before + connections,
      5_000,
    );
  }
  /** Everything that comes back until the other side closes, or nothing comes any more. */
  async function answerTo(address: { host: string; port: number }, bytes: Uint8Array): Promise<Buffer> {
    const socket = connect(address);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
    socket.write(bytes);
    await Promise.race([once(socket, 'close'), pause(5_000)]);
    socket.destroy();
    return Buffer.concat(chunks);
  }

  test('forged calls to the internal listener are closed unheard', async () => {
    const [first] = cluster.running;
    const address = await internalOf(first!);
    const rubbish = Buffer.alloc(4_096, 0x17);
    const frame = Buffer.from('\0\0\0\x20{"format":1,"clusterId":"millrace"}');
    for (const bytes of [rubbish, frame, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]) {
      await expectRefused(first!, 1, async () => {
        expect((await answerTo(address, bytes)).length).toBeLessThan(64); // An alert of TLS at most.
      });
    }
    // TLS of somebody without the secret.
    await expectRefused(first!, 1, async () => {
      const socket = connectTls({ ...address, rejectUnauthorized: false });
      const trusted = once(socket, 'secureConnect').then(() => 'trusted');
      const answer = await trusted.catch((cause: Error) => cause.message);
      socket.destroy();
      expect(answer).toMatch(/handshake|alert|disconnected|reset/i);
    });
  });

  test('a call that was recorded on the wire and is sent again does nothing', async () => {
    const [first, second] = cluster.running;
    const recorded = new Map<number, Buffer[]>();
    const links = cluster.links as ProxyLinks;
    await cluster.kill(second!);
    links.observe = (from, to, chunk, connection) => {
      if (from !== second!.name || to !== first!.name) return;
      recorded.set(connection, [...(recorded.get(connection) ?? []), chunk]);
    };
    await cluster.up(second!); // So that each connection is recorded from its beginning.
    await settled(cluster);
    for (let count = 0; count < 20; count++) await account.send(second!);
    links.observe = () => {};
    const connections = [...recorded.values()].map((chunks) => Buffer.concat(chunks));
    expect(Math.max(...connections.map(({ length }) => length))).toBeGreaterThan(2_000);
    const address = await internalOf(first!);
    await expectRefused(first!, connections.length, async () => {
      for (const bytes of connections) expect((await answerTo(address, bytes)).length).toBeLessThan(4_096);
    });
  });

  test('internal calls that are sent to the doors of clients are refused there', async () => {
    const [first] = cluster.running;
    for (const door of [first!.broker.kafka, first!.broker.http]) {
      const [host, port] = door.split(':');
      const socket = connectTls({ host: host!, port: Number(port), rejectUnauthorized: false });
      await once(socket, 'error'); // Neither speaks TLS here.
      socket.destroy();
    }
    const [host, port] = first!.broker.kafka.split(':');
    const client = await KafkaClient.connect({ host: host!, port: Number(port) });
    await client.call('ApiVersions', 0, {});
    client.socket.destroy();
    expect((await clusterOf(first!)).brokers.live).toBe(2);
  });
});
