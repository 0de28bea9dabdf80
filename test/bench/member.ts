/** Members of classic groups, many on few connections: answers come in the order of the requests. */
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaClient } from '../integration/kafka-client.ts';

export interface Joined {
  readonly memberId: string;
  readonly generationId: number;
  readonly leader: string;
  readonly members: readonly { readonly memberId: string }[];
}

/** ConsumerProtocolSubscription v0: one topic, no user data. */
export function subscription(topic: string): Buffer {
  const name = Buffer.from(topic);
  const bytes = Buffer.alloc(2 + 4 + 2 + name.length + 4);
  bytes.writeInt32BE(1, 2);
  bytes.writeInt16BE(name.length, 6);
  name.copy(bytes, 8);
  bytes.writeInt32BE(-1, 8 + name.length);
  return bytes;
}

const ASSIGNMENT = Buffer.alloc(32);
const SESSION_TIMEOUT_MS = 45_000;
const REBALANCE_TIMEOUT_MS = 60_000;

export async function connectAll(address: string, count: number): Promise<KafkaClient[]> {
  const [host, port] = address.split(':');
  return Promise.all(Array.from({ length: count }, () => KafkaClient.connect({ host: host!, port: Number(port) })));
}

export class Member {
  readonly client: KafkaClient;
  readonly groupId: string;
  /** Members that come back with another subscription ask for a new assignment. */
  topic = 'bench';
  memberId = '';
  generationId = -1;

  constructor(client: KafkaClient, groupId: string) {
    this.client = client;
    this.groupId = groupId;
  }

  /** Asks for a member id first, as clients do since KIP-394. */
  async register(): Promise<void> {
    const answer = await this.client.call('JoinGroup', 5, this.#join());
    this.memberId = answer.memberId;
  }

  async join(): Promise<Joined> {
    const answer = await this.client.call('JoinGroup', 5, this.#join());
    if (answer.errorCode !== 0) throw new Error(`JoinGroup of ${this.groupId}: error ${answer.errorCode}`);
    this.generationId = answer.generationId;
    return answer;
  }

  async sync({ leader, members }: Joined): Promise<void> {
    const assignments =
      leader === this.memberId ? members.map(({ memberId }) => ({ memberId, assignment: ASSIGNMENT })) : [];
    const { groupId, generationId, memberId } = this;
    const body = { groupId, generationId, memberId, groupInstanceId: null, assignments };
    const { errorCode } = await this.client.call('SyncGroup', 3, body);
    if (errorCode !== 0) throw new Error(`SyncGroup of ${groupId}: error ${errorCode}`);
  }

  async heartbeat(): Promise<number> {
    const { groupId, generationId, memberId } = this;
    const answer = await this.client.call('Heartbeat', 3, { groupId, generationId, memberId, groupInstanceId: null });
    return answer.errorCode;
  }

  #join() {
    return {
      groupId: this.groupId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription(this.topic) }],
    };
  }
}

/** Whole groups, stable when this resolves. */
export async function formGroups(
  clients: readonly KafkaClient[],
  prefix: string,
  groupCount: number,
  membersEach: number,
): Promise<Member[]> {
  const members = Array.from({ length: groupCount * membersEach }, (_, at) => {
    return new Member(clients[at % clients.length]!, `${prefix}-${Math.floor(at / membersEach)}`);
  });
  await Promise.all(members.map((member) => member.register()));
  const joined = await Promise.all(members.map((member) => member.join()));
  await Promise.all(members.map((member, at) => member.sync(joined[at]!)));
  return members;
}

/** Each member's heartbeat every `everyMs`, spread evenly over time, for `forMs`. */
export async function beat(members: readonly Member[], everyMs: number, forMs: number): Promise<number> {
  const startedAt = performance.now();
  const gap = everyMs / members.length;
  const answers: Promise<number>[] = [];
  for (let sent = 0; performance.now() - startedAt < forMs; ) {
    const due = Math.floor((performance.now() - startedAt) / gap);
    for (; sent < due; sent++) answers.push(members[sent % members.length]!.heartbeat());
    await sleep(5);
  }
  const codes = await Promise.all(answers);
  const failed = codes.filter((code) => code !== 0).length;
  if (failed > 0) throw new Error(`${failed} of ${codes.length} heartbeats failed: nothing here is a result`);
  return codes.length;
}
