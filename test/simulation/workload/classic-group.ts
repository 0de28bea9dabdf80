/**
 * The members of a classic group, as consumers are: they join, the leader assigns by range, all ask for their part, read
 * and commit it and send heartbeats; and join again when they are told to, or forget who they were. Some are static.
 */
import type { JoinAnswer, SyncAnswer } from '../../../src/coordinator/group/classic/group-state.ts';
import type { ErrorName } from '../../../src/errors.ts';
import { Client, coordinatorOf, type Reply } from '../connection.ts';
import { nameOf, type PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { KnownTopic } from '../topic-directory.ts';
import type { World } from '../world.ts';
import { assignByRange, decodeAssignment, decodeSubscription, encodeSubscription } from './classic-protocol.ts';
import { Crew, type CrewMember, type Mishap, type Standing } from './crew.ts';
import { type CommitsAs, commitAs, GroupReader } from './group-reading.ts';

const STATIC_CHANCE = 0.3;
const SESSION_MS = [600, 1_500, 4_000] as const;
const REBALANCE_MS = [800, 3_000] as const;
/** A request is given up, and asked again on another connection. */
const REQUEST_MS_MAX = 15_000;
const READ_EVERY_MS = 250;
const COMMIT_CHANCE = 0.5;
const SOME_TOPICS_CHANCE = 0.2;

export async function classicGroup(world: World, name: string, random: SeededRandom, size: number): Promise<void> {
  const crew = new Crew(world, name, random.fork('crew'));
  const settings = { sessionMs: random.pick(SESSION_MS), rebalanceMs: random.pick(REBALANCE_MS) };
  const members = Array.from({ length: size }, (_, index) => {
    const own = random.fork(`member ${index}`);
    const instanceId = own.chance(STATIC_CHANCE) ? `${name}-static-${index}` : null;
    return new ClassicMember(world, crew, own, { ...settings, instanceId, asksForId: own.chance(0.7) });
  });
  await crew.run(members);
}

interface Settings {
  readonly sessionMs: number;
  readonly rebalanceMs: number;
  readonly instanceId: string | null;
  /** Since v4 a new member gets its id first. */
  readonly asksForId: boolean;
}

/** In a generation, with its assignment. */
interface Work {
  readonly generation: number;
  readonly partitions: readonly PartitionName[];
  readonly leads: boolean;
  /** What it saw of topics when it joined. */
  readonly topicsSeen: string;
}

class ClassicMember implements CrewMember {
  readonly #world: World;
  readonly #crew: Crew;
  readonly #random: SeededRandom;
  readonly #settings: Settings;
  readonly #client: Client;
  readonly #reader: GroupReader;
  #memberId = '';
  #work: Work | null = null;
  #stalledUntil = 0;
  #over = false;

  constructor(world: World, crew: Crew, random: SeededRandom, settings: Settings) {
    this.#world = world;
    this.#crew = crew;
    this.#random = random;
    this.#settings = settings;
    this.#client = new Client(world, random.fork('client'));
    this.#reader = new GroupReader(world, crew.groupId, random.fork('reader'));
  }

  get standing(): Standing | null {
    if (this.#work === null || this.#work.topicsSeen !== this.#topics()) return null;
    return { generation: this.#work.generation, partitions: this.#work.partitions.map(nameOf) };
  }

  async run(): Promise<void> {
    const reading = this.#read();
    while (!this.#crew.over) {
      if (this.#work === null) await this.#join();
      else await this.#beat();
      const mishap = this.#crew.mishap();
      if (mishap !== null) await this.#suffer(mishap);
    }
    await this.#leave();
    this.#over = true;
    await reading;
  }

  async #read(): Promise<void> {
    while (!this.#over) {
      await this.#world.time.sleep(this.#random.exponential(READ_EVERY_MS));
      await this.#stall();
      if (this.#work === null) continue;
      await this.#reader.poll(null);
      const as = this.#as();
      if (as !== null && this.#random.chance(COMMIT_CHANCE)) await this.#reader.commit(as);
    }
  }

  #as(): CommitsAs | null {
    if (this.#work === null) return null;
    return { memberId: this.#memberId, instanceId: this.#settings.instanceId, generation: this.#work.generation };
  }

  /** Once around: join, and what follows from the answer. */
  async #join(): Promise<void> {
    const topics = this.#pickTopics();
    const topicsSeen = this.#topics();
    const reply = await this.#askToJoin(topics.map(({ name }) => name));
    if (reply.type !== 'answered') {
      await this.#pause();
      return;
    }
    const answer = reply.value;
    if (answer.type === 'refused') {
      await this.#refused(answer.error, answer.memberId);
      return;
    }
    this.#memberId = answer.memberId;
    await this.#stall();
    await this.#sync(answer, topicsSeen);
  }

  #askToJoin(topics: readonly string[]): Promise<Reply<JoinAnswer>> {
    const { history } = this.#world;
    const { sessionMs, rebalanceMs, instanceId, asksForId } = this.#settings;
    const { groupId } = this.#crew;
    let process = '';
    return this.#client.call<JoinAnswer>({
      to: coordinatorOf(groupId),
      what: `join of ${groupId} by ${this.#memberId || 'a new member'}`,
      timeoutMs: REQUEST_MS_MAX,
      at: async ({ coordinators }, name) => {
        process = name;
        return coordinators.classicGroups.join(groupId, {
          memberId: this.#memberId,
          groupInstanceId: instanceId,
          clientId: 'sim',
          clientHost: '/127.0.0.1',
          sessionTimeoutMs: sessionMs,
          rebalanceTimeoutMs: rebalanceMs,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: encodeSubscription(topics) }],
          asksForId,
          skipsAssignment: asksForId,
        });
      },
      onAnswer: (answer) => {
        if (answer.type === 'refused') return;
        const { memberId, generationId: generation } = answer;
        history.add({ type: 'memberJoined', process, groupId, memberId, instanceId, generation });
      },
    });
  }

  async #sync(joined: Extract<JoinAnswer, { type: 'joined' }>, topicsSeen: string): Promise<void> {
    const leads = joined.leaderId === joined.memberId;
    const assignments = leads && !joined.skipAssignment ? this.#assign(joined) : new Map<string, string>();
    const generation = joined.generationId;
    const reply = await this.#askToSync(this.#memberId, generation, assignments);
    if (reply.type !== 'answered') {
      await this.#pause();
      return; // Joins again: the generation stands if it still can.
    }
    const answer = reply.value;
    if (answer.type === 'refused') {
      await this.#refused(answer.error, this.#memberId);
      return;
    }
    const partitions = this.#resolve(answer.assignment);
    this.#reader.assign(partitions);
    // A static leader that starts again with other topics gets its old assignment, and as in Kafka nobody assigns anew before somebody
    // joins: it does so itself once the group is to come to rest.
    const isOld = joined.skipAssignment && this.#world.draining;
    this.#work = { generation, partitions, leads, topicsSeen: isOld ? '' : topicsSeen };
  }

  #askToSync(
    memberId: string,
    generation: number,
    assignments: ReadonlyMap<string, string>,
    instanceId = this.#settings.instanceId,
  ): Promise<Reply<SyncAnswer>> {
    const { history } = this.#world;
    const { groupId } = this.#crew;
    let process = '';
    return this.#client.call<SyncAnswer>({
      to: coordinatorOf(groupId),
      what: `sync of ${groupId} by ${memberId} at ${generation}`,
      timeoutMs: REQUEST_MS_MAX,
      at: async ({ coordinators }, name) => {
        process = name;
        const member = { process, groupId, memberId, instanceId };
        if (assignments.size > 0) history.add({ type: 'assignmentsSent', ...member, generation, assignments });
        const names = { memberId, groupInstanceId: instanceId, protocolType: 'consumer', protocolName: 'range' };
        return coordinators.classicGroups.sync(groupId, { ...names, generationId: generation, assignments });
      },
      onAnswer: (answer) => {
        if (answer.type === 'refused') return;
        const { assignment } = answer;
        history.add({ type: 'memberAssigned', process, groupId, memberId, instanceId, generation, assignment });
      },
    });
  }

  async #beat(): Promise<void> {
    await this.#world.time.sleep(this.#settings.sessionMs * this.#random.between(0.1, 0.3));
    await this.#stall();
    const work = this.#work;
    if (work === null) return;
    if (work.topicsSeen !== this.#topics()) {
      await this.#giveUp();
      return;
    }
    const { instanceId: groupInstanceId, sessionMs } = this.#settings;
    const memberId = this.#memberId;
    const reply = await this.#client.call<ErrorName>({
      to: coordinatorOf(this.#crew.groupId),
      what: `heartbeat of ${memberId} at ${work.generation}`,
      timeoutMs: sessionMs,
      at: async ({ coordinators }) =>
        coordinators.classicGroups.heartbeat(
          this.#crew.groupId,
          { memberId, groupInstanceId: groupInstanceId },
          work.generation,
        ),
    });
    if (reply.type !== 'answered' || reply.value === 'NONE') return;
    if (reply.value === 'REBALANCE_IN_PROGRESS') await this.#giveUp();
    else await this.#refused(reply.value, memberId);
  }

  /** As eager consumers do: commits, gives up all partitions, and joins again. */
  async #giveUp(): Promise<void> {
    const as = this.#as();
    if (as !== null && this.#random.chance(0.8)) await this.#reader.commit(as);
    this.#work = null;
    this.#reader.drop();
  }

  async #refused(error: ErrorName, memberId: string): Promise<void> {
    switch (error) {
      case 'MEMBER_ID_REQUIRED':
        this.#memberId = memberId;
        return;
      case 'UNKNOWN_MEMBER_ID':
      case 'FENCED_INSTANCE_ID':
        this.#forgetItself();
        break;
      case 'NOT_COORDINATOR':
      case 'COORDINATOR_NOT_AVAILABLE':
        this.#client.reconnect();
        break;
      default:
        // Joins again under its id.
        this.#work = null;
        this.#reader.drop();
    }
    await this.#pause();
  }

  #forgetItself(): void {
    const as = this.#as();
    if (as !== null) this.#crew.remember({ ...as, positions: this.#reader.positions });
    this.#memberId = '';
    this.#work = null;
    this.#reader.drop();
  }

  async #suffer(mishap: Mishap): Promise<void> {
    const { sessionMs } = this.#settings;
    switch (mishap) {
      case 'crash':
        this.#forgetItself();
        await this.#world.time.sleep(this.#random.between(0, sessionMs * 2));
        return;
      case 'leave':
        await this.#leave();
        await this.#world.time.sleep(this.#random.between(0, sessionMs));
        return;
      case 'stall':
        this.#stalledUntil = this.#world.time.monotonic() + sessionMs * this.#random.between(0.5, 3);
        return;
      case 'rejoin':
        await this.#giveUp();
        return;
      case 'ghost':
        await this.#haunt();
        return;
      case 'intruder': {
        const nobody = { memberId: '', instanceId: null, generation: -1 };
        const positions = this.#reader.positions.map((position) => ({ ...position, offset: 0 }));
        await commitAs(this.#world, this.#client, this.#crew.groupId, nobody, positions, false);
      }
    }
  }

  /** Somebody who was a member wakes up, and goes on as if it still were one. */
  async #haunt(): Promise<void> {
    const former = this.#crew.pickFormer(this.#as(), this.#reader.positions);
    if (former === null) return;
    const { memberId, instanceId, generation, positions } = former;
    if (this.#random.chance(0.3)) await this.#askToSync(memberId, generation, new Map(), instanceId);
    await commitAs(this.#world, this.#client, this.#crew.groupId, former, positions, true);
  }

  async #leave(): Promise<void> {
    const memberId = this.#memberId;
    const { instanceId } = this.#settings;
    this.#forgetItself();
    if (memberId === '') return;
    const { groupId } = this.#crew;
    let process = '';
    await this.#client.call<readonly ErrorName[]>({
      to: coordinatorOf(groupId),
      what: `leave of ${memberId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: async ({ coordinators }, name) => {
        process = name;
        return coordinators.classicGroups.leave(groupId, [{ memberId, groupInstanceId: instanceId }]);
      },
      onAnswer: ([error]) => {
        if (error === 'NONE') this.#world.history.add({ type: 'memberLeft', process, groupId, memberId, instanceId });
      },
    });
  }

  #assign({ members }: Extract<JoinAnswer, { type: 'joined' }>): Map<string, string> {
    const subscribers = members.map(({ memberId, metadata }) => ({ memberId, topics: decodeSubscription(metadata) }));
    return assignByRange(subscribers, this.#world.topics.all());
  }

  /** Topics that are not known (any more) have no partitions. */
  #resolve(assignment: string): PartitionName[] {
    return decodeAssignment(assignment).flatMap(({ topic, partitions }) => {
      const known = this.#world.topics.all().find(({ name }) => name === topic);
      return known ? partitions.map((partition) => ({ topicId: known.topicId, partition })) : [];
    });
  }

  /** All of them once the group is to come to rest. */
  #pickTopics(): readonly KnownTopic[] {
    const topics = this.#world.topics.all();
    if (this.#world.draining || !this.#random.chance(SOME_TOPICS_CHANCE)) return topics;
    return topics.filter(() => this.#random.chance(0.5));
  }

  /** A member that wants some topics only looks again when the workload ends. */
  #topics(): string {
    const topics = this.#world.topics.all().map(({ topicId, partitions }) => `${topicId} ${partitions}`);
    return `${topics.join(', ')} ${this.#world.draining}`;
  }

  async #stall(): Promise<void> {
    const restMs = this.#stalledUntil - this.#world.time.monotonic();
    if (restMs > 0) await this.#world.time.sleep(restMs);
  }

  #pause(): Promise<void> {
    return this.#world.time.sleep(this.#random.between(5, 200));
  }
}
