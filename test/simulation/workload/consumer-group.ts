/**
 * The members of a consumer group, as consumers of KIP-848 are: one request, the heartbeat, says what a member wants and has,
 * and is answered with what it is to have. A member gives up first, and says so, then gets more. Some are static.
 */
import type { HeartbeatReply } from '../../../src/coordinator/group/consumer/consumer-groups.ts';
import type { HeartbeatRequest } from '../../../src/coordinator/group/consumer/heartbeat-request.ts';
import type { ErrorName } from '../../../src/errors.ts';
import { Client, coordinatorOf } from '../connection.ts';
import { nameOf, type PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { Crew, type CrewMember, type Mishap, type Standing } from './crew.ts';
import { type CommitsAs, commitAs, GroupReader } from './group-reading.ts';

const STATIC_CHANCE = 0.3;
const REGEX_CHANCE = 0.2;
const REBALANCE_MS = [1_000, 4_000] as const;
const REQUEST_MS_MAX = 8_000;
const READ_EVERY_MS = 250;
const COMMIT_CHANCE = 0.5;
/** Members that take their time to give partitions up. */
const SLOW_CHANCE = 0.3;
const LEAVES = -1;
const LEAVES_FOR_NOW = -2;
const API_VERSION = 1;

export async function consumerGroup(world: World, name: string, random: SeededRandom, size: number): Promise<void> {
  const crew = new Crew(world, name, random.fork('crew'));
  const rebalanceMs = random.pick(REBALANCE_MS);
  const members = Array.from({ length: size }, (_, index) => {
    const own = random.fork(`member ${index}`);
    const instanceId = own.chance(STATIC_CHANCE) ? `${name}-static-${index}` : null;
    return new ConsumerMember(world, crew, own, {
      rebalanceMs,
      instanceId,
      assignor: own.pick([null, 'uniform', 'range']),
      regex: own.chance(REGEX_CHANCE) ? 'topic-.*' : null,
    });
  });
  await crew.run(members);
}

interface Settings {
  readonly rebalanceMs: number;
  readonly instanceId: string | null;
  readonly assignor: string | null;
  readonly regex: string | null;
}

class ConsumerMember implements CrewMember {
  readonly #world: World;
  readonly #crew: Crew;
  readonly #random: SeededRandom;
  readonly #settings: Settings;
  readonly #client: Client;
  readonly #reader: GroupReader;
  #memberId: string;
  #epoch = 0;
  /** By name. */
  #held = new Map<string, PartitionName>();
  /** What it is to hold; null before it was told. */
  #target: readonly PartitionName[] | null = null;
  /** Before then it does not look at its target: it is busy. */
  #busyUntil = 0;
  #stalledUntil = 0;
  /** The next heartbeat has to say everything: the last one may not have arrived. */
  #saysAll = true;
  /** What the coordinator was told last. */
  #told = { owned: '', topics: '' };
  #over = false;

  constructor(world: World, crew: Crew, random: SeededRandom, settings: Settings) {
    this.#world = world;
    this.#crew = crew;
    this.#random = random;
    this.#settings = settings;
    this.#client = new Client(world, random.fork('client'));
    this.#reader = new GroupReader(world, crew.groupId, random.fork('reader'));
    this.#memberId = this.#newId();
  }

  get standing(): Standing | null {
    if (this.#epoch <= 0 || this.#target !== null || this.#told.topics !== this.#topics().join()) return null;
    return { generation: this.#epoch, partitions: [...this.#held.keys()] };
  }

  async run(): Promise<void> {
    const reading = this.#read();
    while (!this.#crew.over) {
      await this.#beat();
      await this.#reconcile();
      const mishap = this.#crew.mishap();
      if (mishap !== null) await this.#suffer(mishap);
      await this.#world.time.sleep(this.#random.between(30, this.#epoch <= 0 ? 200 : 600));
      await this.#stall();
    }
    await this.#leave(LEAVES);
    this.#over = true;
    await reading;
  }

  async #read(): Promise<void> {
    while (!this.#over) {
      await this.#world.time.sleep(this.#random.exponential(READ_EVERY_MS));
      await this.#stall();
      const as = this.#as();
      if (as !== null) await this.#reader.poll(this.#random.chance(0.5) ? as : null);
      const after = this.#as();
      if (after !== null && this.#random.chance(COMMIT_CHANCE)) await this.#reader.commit(after);
    }
  }

  #as(): CommitsAs | null {
    if (this.#epoch <= 0) return null;
    return { memberId: this.#memberId, instanceId: this.#settings.instanceId, generation: this.#epoch };
  }

  async #beat(): Promise<void> {
    const request = this.#request();
    const { groupId, memberId } = request;
    const { instanceId } = this.#settings;
    const { consumerEpochs, history } = this.#world;
    const owned = [...this.#held.keys()].sort().join();
    const topics = this.#topics().join();
    let process = '';
    let changesBefore = 0;
    const reply = await this.#client.call<HeartbeatReply>({
      to: coordinatorOf(groupId),
      what: `heartbeat of ${memberId} at ${request.memberEpoch} for ${groupId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: (core, name) => {
        process = name;
        changesBefore = consumerEpochs.changes(groupId, memberId);
        return core.coordinators.consumerGroups.heartbeat(request, API_VERSION);
      },
      onAnswer: ({ memberEpoch: epoch, assignment }) => {
        const assigned = assignment && partitionsOf(assignment).map(nameOf);
        const seen = { process, groupId, memberId, instanceId };
        history.add({ type: 'memberTold', ...seen, epoch, assigned, changesBefore });
      },
    });
    this.#crew.checkExistence(reply, process);
    if (reply.type === 'answered') {
      this.#saysAll = false;
      this.#told = { owned, topics };
      this.#epoch = reply.value.memberEpoch;
      if (reply.value.assignment !== null) this.#aim(partitionsOf(reply.value.assignment));
      return;
    }
    this.#saysAll = true;
    if (reply.type === 'failed') this.#refused(reply.error.error);
  }

  #request(): HeartbeatRequest {
    const { rebalanceMs, instanceId, assignor, regex } = this.#settings;
    const joins = this.#epoch === 0;
    const all = joins || this.#saysAll;
    const owned = [...this.#held.keys()].sort().join();
    const topics = this.#topics();
    return {
      groupId: this.#crew.groupId,
      memberId: this.#memberId,
      memberEpoch: this.#epoch,
      instanceId,
      rackId: null,
      rebalanceTimeoutMs: all ? rebalanceMs : null,
      subscribedTopicNames: regex === null && (all || topics.join() !== this.#told.topics) ? topics : null,
      subscribedTopicRegex: all ? regex : null,
      serverAssignor: all ? assignor : null,
      topicPartitions: all || owned !== this.#told.owned ? ownedOf(this.#held.values()) : null,
      clientId: 'sim',
      clientHost: '/127.0.0.1',
    };
  }

  #refused(error: ErrorName): void {
    switch (error) {
      case 'FENCED_MEMBER_EPOCH':
      case 'UNKNOWN_MEMBER_ID':
      case 'GROUP_ID_NOT_FOUND':
        this.#forgetItself();
        return;
      case 'FENCED_INSTANCE_ID':
        this.#forgetItself();
        this.#memberId = this.#newId();
        return;
      case 'COORDINATOR_NOT_AVAILABLE':
        this.#client.reconnect();
        return;
      default:
    }
  }

  #aim(target: readonly PartitionName[]): void {
    this.#target = target;
    const gives = this.#held.size > 0 && !target.some((name) => this.#held.has(nameOf(name)));
    if (!this.#world.draining && gives && this.#random.chance(SLOW_CHANCE)) {
      this.#busyUntil = this.#world.time.monotonic() + this.#settings.rebalanceMs * this.#random.between(0.2, 1.5);
    }
  }

  /** Commits and gives up what it is not to have any more; takes what it got. */
  async #reconcile(): Promise<void> {
    const target = this.#target;
    if (target === null || this.#world.time.monotonic() < this.#busyUntil) return;
    const names = new Set(target.map(nameOf));
    const as = this.#as();
    if ([...this.#held.keys()].some((name) => !names.has(name)) && as !== null && this.#random.chance(0.8)) {
      await this.#reader.commit(as);
    }
    this.#target = null;
    this.#hold(target);
  }

  #hold(partitions: readonly PartitionName[]): void {
    this.#held = new Map(partitions.map((name) => [nameOf(name), name]));
    this.#reader.assign(partitions);
    const holds = { groupId: this.#crew.groupId, memberId: this.#memberId, partitions: [...this.#held.keys()] };
    this.#world.history.add({ type: 'memberHolds', ...holds });
  }

  #forgetItself(): void {
    const as = this.#as();
    if (as !== null) this.#crew.remember({ ...as, positions: this.#reader.positions });
    this.#beginAnew();
  }

  #beginAnew(): void {
    this.#epoch = 0;
    this.#target = null;
    this.#saysAll = true;
    this.#hold([]);
  }

  async #suffer(mishap: Mishap): Promise<void> {
    const { time } = this.#world;
    switch (mishap) {
      case 'crash':
        this.#forgetItself();
        this.#memberId = this.#newId();
        await time.sleep(this.#random.between(0, 5_000));
        return;
      case 'leave':
        await this.#leave(this.#settings.instanceId !== null && this.#random.chance(0.6) ? LEAVES_FOR_NOW : LEAVES);
        await time.sleep(this.#random.between(0, 1_000));
        return;
      case 'stall':
        this.#stalledUntil = time.monotonic() + this.#random.between(300, 6_000);
        return;
      case 'rejoin':
        // Under its id, perhaps at the epoch that it had.
        this.#beginAnew();
        return;
      case 'ghost': {
        const former = this.#crew.pickFormer(this.#as(), this.#reader.positions);
        if (former === null) return;
        await commitAs(this.#world, this.#client, this.#crew.groupId, former, former.positions, true);
        return;
      }
      case 'intruder': {
        const nobody = { memberId: '', instanceId: null, generation: -1 };
        const positions = this.#reader.positions.map((position) => ({ ...position, offset: 0 }));
        await commitAs(this.#world, this.#client, this.#crew.groupId, nobody, positions, false);
      }
    }
  }

  async #leave(memberEpoch: number): Promise<void> {
    const joined = this.#epoch > 0;
    const request = { ...this.#request(), memberEpoch, topicPartitions: null };
    const { groupId, memberId } = request;
    const { instanceId } = this.#settings;
    this.#forgetItself();
    this.#memberId = this.#newId();
    if (!joined) return;
    let process = '';
    await this.#client.call({
      to: coordinatorOf(groupId),
      what: `leave of ${memberId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: (core, name) => {
        process = name;
        return core.coordinators.consumerGroups.heartbeat(request, API_VERSION);
      },
      onAnswer: () => {
        if (memberEpoch === LEAVES) {
          this.#world.history.add({ type: 'memberLeft', process, groupId, memberId, instanceId });
        }
      },
    });
  }

  #topics(): string[] {
    return this.#world.topics
      .all()
      .map(({ name }) => name)
      .sort();
  }

  #newId(): string {
    return `m${this.#world.nextId()}`;
  }

  async #stall(): Promise<void> {
    const restMs = this.#stalledUntil - this.#world.time.monotonic();
    if (restMs > 0) await this.#world.time.sleep(restMs);
  }
}

const partitionsOf = (assignment: ReadonlyMap<string, readonly number[]>): PartitionName[] =>
  [...assignment].flatMap(([topicId, partitions]) => partitions.map((partition) => ({ topicId, partition })));

function ownedOf(held: Iterable<PartitionName>): { topicId: string; partitions: number[] }[] {
  const byTopic = new Map<string, number[]>();
  for (const { topicId, partition } of held) {
    const partitions = byTopic.get(topicId) ?? [];
    byTopic.set(topicId, partitions);
    partitions.push(partition);
  }
  return [...byTopic].map(([topicId, partitions]) => ({ topicId, partitions }));
}
