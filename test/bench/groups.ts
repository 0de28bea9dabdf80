/** What groups and committed offsets cost a broker on the embedded stores. */
import type { KafkaClient } from '../integration/kafka-client.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { beat, connectAll, formGroups, type Joined, Member } from './member.ts';
import { percentile } from './percentile.ts';
import { fixed, type Line, print } from './report.ts';

const CONNECTIONS = 64;
const GROUPS = 1_000;
const MEMBERS_EACH = 3;
const HEARTBEAT_MS = 3_000;
const HEARTBEATS_FOR_MS = 15_000;
const REBALANCED_MEMBERS = 100;
const COMMITS = 50_000;
const IDLE_GROUPS = 4_000;

export async function measureGroups(share: number, profile?: string): Promise<void> {
  const broker = await startBrokerProcess(profile ? { profile } : {});
  try {
    const clients = await connectAll(broker.kafka, CONNECTIONS);
    await createTopic(broker, 'bench');
    const scaled = (count: number) => Math.ceil(count * share);
    const lines = [
      await heartbeats(broker, clients, scaled),
      await rebalance(broker),
      await commits(broker, clients, scaled(COMMITS)),
      await idleMemory(broker, clients, scaled(IDLE_GROUPS)),
    ];
    print('Groups: embedded stores, one broker', lines, share);
    await Promise.all(clients.map((client) => client.close()));
  } finally {
    await broker.stop();
  }
}

async function createTopic(broker: BrokerProcess, name: string): Promise<void> {
  const response = await fetch(`http://${broker.http}/v1/topics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, partitions: 12 }),
  });
  if (response.status !== 201) throw new Error(`creating ${name}: ${response.status} ${await response.text()}`);
}

async function heartbeats(
  broker: BrokerProcess,
  clients: readonly KafkaClient[],
  scaled: (count: number) => number,
): Promise<Line> {
  const groups = scaled(GROUPS);
  const members = await formGroups(clients, 'beating', groups, MEMBERS_EACH);
  const before = broker.cpuSeconds();
  const startedAt = performance.now();
  const count = await beat(members, HEARTBEAT_MS, HEARTBEATS_FOR_MS);
  const seconds = (performance.now() - startedAt) / 1_000;
  const percent = ((broker.cpuSeconds() - before) / seconds) * 100;
  return {
    what: `${fixed(groups)} groups of ${MEMBERS_EACH}, heartbeats every ${HEARTBEAT_MS / 1_000} s`,
    measured: `${fixed(percent, 1)}% of a core, ${fixed(count / seconds)} heartbeats/s`,
    budget: '< 10% of a core',
    aim: '4%',
    met: percent < 10,
  };
}

/** From the last join of a second generation to the last assignment. */
async function rebalance(broker: BrokerProcess): Promise<Line> {
  const clients = await connectAll(broker.kafka, REBALANCED_MEMBERS);
  const members = clients.map((client) => new Member(client, 'large'));
  const everyone = async (): Promise<number> => {
    const joins: Promise<Joined>[] = members.map((member) => member.join());
    const lastJoinAt = performance.now();
    await Promise.all(joins.map((join, at) => join.then((joined) => members[at]!.sync(joined))));
    return performance.now() - lastJoinAt;
  };
  await Promise.all(members.map((member) => member.register()));
  await everyone();
  for (const member of members) member.topic = 'another';
  const took = await everyone();
  await Promise.all(clients.map((client) => client.close()));
  return {
    what: `a rebalance of ${REBALANCED_MEMBERS} members, from the last join to the last assignment`,
    measured: `${fixed(took)} ms`,
    budget: '< 1,000 ms',
    aim: '',
    met: took < 1_000,
  };
}

/** Each connection commits for a group of its own, one partition at a time, as fast as it is answered. */
async function commits(broker: BrokerProcess, clients: readonly KafkaClient[], count: number): Promise<Line> {
  const latencies: number[] = [];
  let left = count;
  const commitAll = async (client: KafkaClient, groupId: string): Promise<void> => {
    for (let offset = 0; left > 0; offset++) {
      left--;
      const sentAt = performance.now();
      await commit(client, groupId, offset % 12, offset);
      latencies.push(performance.now() - sentAt);
    }
  };
  const before = broker.cpuSeconds();
  const startedAt = performance.now();
  await Promise.all(clients.map((client, at) => commitAll(client, `committing-${at}`)));
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpu = broker.cpuSeconds() - before;
  const rate = count / seconds;
  return {
    what: `durable offset commits, ${clients.length} groups`,
    measured: `${fixed(rate)}/s, p50 ${fixed(percentile(latencies, 50), 2)} ms, p99 ${fixed(percentile(latencies, 99), 2)} ms, ${fixed(count / cpu)} per cpu-s`,
    budget: '5,000/s',
    aim: '',
    met: rate >= 5_000,
  };
}

async function commit(client: KafkaClient, groupId: string, index: number, committedOffset: number): Promise<void> {
  const partitions = [{ index, committedOffset, committedLeaderEpoch: -1, committedMetadata: '' }];
  const body = { groupId, generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null };
  const { topics } = await client.call('OffsetCommit', 8, { ...body, topics: [{ name: 'bench', partitions }] });
  const code = topics[0]!.partitions[0]!.errorCode;
  if (code !== 0) throw new Error(`OffsetCommit of ${groupId}: error ${code}`);
}

/** What the resident set grows by, for groups that have a member and committed offsets. */
async function idleMemory(broker: BrokerProcess, clients: readonly KafkaClient[], groups: number): Promise<Line> {
  const before = broker.memory().now;
  await formGroups(clients, 'idle', groups, 1);
  const grown = Math.max(0, broker.memory().now - before);
  const kilobytes = (grown * 1_000) / groups;
  return {
    what: 'memory per idle group',
    measured: `${fixed(kilobytes, 1)} KB (${fixed(groups)} groups: ${fixed(grown)} MB of resident set)`,
    budget: '< 10 KB',
    aim: '',
    met: kilobytes < 10,
  };
}
