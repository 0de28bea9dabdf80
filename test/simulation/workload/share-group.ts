/**
 * The members of a share group, as share consumers of KIP-932 are: heartbeats tell them their partitions, a session fetches
 * records from these, and each record is accepted, released, rejected, or forgotten until its lock ends. What a session
 * held goes to others when it ends.
 */

import type { Coordinators } from '../../../src/coordinator/coordinators.ts';
import { ACKNOWLEDGE_TYPES } from '../../../src/coordinator/share/share-partition-state.ts';
import type { AcknowledgedPlace, ShareFetchRequest, SharesFetched } from '../../../src/coordinator/share/shares.ts';
import { Client, coordinatorOf, type Target } from '../connection.ts';
import { nameOf, type PartitionName, type ShareAcknowledgement, type ShareRange } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { Crew, type CrewMember, type Mishap, type Standing, type Unfinished } from './crew.ts';

const REQUEST_MS_MAX = 10_000;
const FETCH_EVERY_MS = 150;
const DRAIN_EVERY_MS = 20;
const DRAIN_RECORDS = 500;
/** Records that consumers stumble over: they are let go, thrown away, or take the consumer down. */
const RELEASE_CHANCE = 0.15;
const REJECT_CHANCE = 0.05;
const FORGET_CHANCE = 0.1;
/** A request ends its session, and opens the next. */
const CLOSE_CHANCE = 0.03;
/** Members that fetch from a broker of their choice. */
const ANYWHERE_CHANCE = 0.3;
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const TYPE_MAX = ACKNOWLEDGE_TYPES.reject;
const GIVEN_KEPT = 10;
const FORGOTTEN: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH', 'GROUP_ID_NOT_FOUND']);

const NOTHING_SAID: Said = { acknowledgements: [], places: [] };

type Kind = ShareAcknowledgement['kind'];

export async function shareGroup(world: World, name: string, random: SeededRandom, size: number): Promise<void> {
  const crew = new Crew(world, name, random.fork('crew'), (groupId) => unfinished(world, groupId));
  const given: Given[] = [];
  const members = Array.from(
    { length: size },
    (_, index) => new ShareMember(world, crew, random.fork(`member ${index}`), given),
  );
  await crew.run(members);
}

/** Records that still wait for somebody. */
function unfinished({ topics, ledger, shareDeliveries }: World, groupId: string): Unfinished {
  let count = 0;
  let what = '';
  for (const { topicId, partitions } of topics.all()) {
    for (let partition = 0; partition < partitions; partition++) {
      const place = nameOf({ topicId, partition });
      for (const batch of ledger.partition({ topicId, partition })?.batches ?? []) {
        if ('committed' in batch) continue; // A marker: nobody is given it.
        const { logStartOffset } = ledger.partition(batch)!;
        for (let offset = batch.baseOffset; offset < batch.baseOffset + batch.count; offset++) {
          const waits = offset >= logStartOffset && !shareDeliveries.isDone(groupId, place, offset);
          if (!waits) continue;
          if (count === 0) what = `record ${offset} of ${place} waits`;
          count++;
        }
      }
    }
  }
  return { count, what };
}

/** One connection to one process, and the session on it. */
interface Session {
  readonly process: string;
  readonly connection: AbortController;
  readonly enter: (callback: () => void) => void;
  epoch: number;
  places: string;
}

/** Acknowledgements of one request. */
interface Said {
  readonly acknowledgements: readonly ShareAcknowledgement[];
  readonly places: readonly AcknowledgedPlace[];
}

interface Fetched {
  readonly answer: SharesFetched;
  readonly session: Session;
  readonly said: Said;
  readonly askedAt: number;
  readonly coordinator: string;
}

interface Pending extends ShareRange {
  readonly name: PartitionName;
  readonly kind: Kind;
}

interface Given extends Pending {
  readonly memberId: string;
}

class ShareMember implements CrewMember {
  readonly #world: World;
  readonly #crew: Crew;
  readonly #random: SeededRandom;
  readonly #client: Client;
  readonly #fetching: Client;
  /** Mostly the coordinator itself, where more can be seen; any broker does. */
  readonly #fetchesAt: { readonly to?: Target };
  #memberId: string;
  #epoch = 0;
  #topicsTold = '';
  #assigned: readonly PartitionName[] = [];
  #session: Session | null = null;
  /** To be said with the next request. */
  #pending: Pending[] = [];
  /** Some of what members of the group were given of late. */
  readonly #given: Given[];
  #haunts = false;
  #stalledUntil = 0;
  #over = false;

  constructor(world: World, crew: Crew, random: SeededRandom, given: Given[]) {
    this.#world = world;
    this.#crew = crew;
    this.#random = random;
    this.#given = given;
    this.#client = new Client(world, random.fork('client'));
    this.#fetching = new Client(world, random.fork('fetching'));
    this.#fetchesAt = random.chance(ANYWHERE_CHANCE) ? {} : { to: coordinatorOf(crew.groupId) };
    this.#memberId = this.#newId();
  }

  /** Partitions are shared: nobody has one for itself. */
  get standing(): Standing | null {
    if (this.#epoch <= 0 || this.#topicsTold !== this.#topics().join()) return null;
    return { generation: this.#epoch, partitions: this.#assigned.map(nameOf) };
  }

  async run(): Promise<void> {
    const reading = this.#read();
    while (!this.#crew.over) {
      await this.#beat();
      const mishap = this.#crew.mishap();
      if (mishap !== null) await this.#suffer(mishap);
      await this.#world.time.sleep(this.#random.between(50, this.#epoch <= 0 ? 200 : 600));
      await this.#stall();
    }
    this.#over = true;
    await reading;
    await this.#leave();
  }

  async #read(): Promise<void> {
    while (!this.#over) {
      await this.#world.time.sleep(this.#random.exponential(this.#world.draining ? DRAIN_EVERY_MS : FETCH_EVERY_MS));
      await this.#stall();
      if (this.#epoch > 0 && this.#assigned.length > 0) await this.#fetch();
      if (this.#haunts) await this.#haunt();
    }
  }

  async #beat(): Promise<void> {
    const topics = this.#topics();
    const told = topics.join();
    const memberId = this.#memberId;
    const joins = this.#epoch === 0;
    let process = '';
    // Who joins must say what it subscribes to.
    if (joins && topics.length === 0) return;
    const reply = await this.#client.call({
      to: coordinatorOf(this.#crew.groupId),
      what: `heartbeat of ${memberId} at ${this.#epoch} for ${this.#crew.groupId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: ({ coordinators }, name) => {
        process = name;
        return coordinators.shareGroups.heartbeat({
          groupId: this.#crew.groupId,
          memberId,
          memberEpoch: this.#epoch,
          rackId: null,
          subscribedTopicNames: joins || told !== this.#topicsTold ? topics : null,
          clientId: 'sim',
          clientHost: '/127.0.0.1',
        });
      },
    });
    this.#crew.checkExistence(reply, process);
    if (reply.type === 'answered') {
      this.#epoch = reply.value.memberEpoch;
      this.#topicsTold = told;
      const { assignment } = reply.value;
      if (assignment !== null) this.#assigned = partitionsOf(assignment);
    } else if (reply.type === 'failed' && FORGOTTEN.has(reply.error.error)) this.#epoch = 0;
    else this.#topicsTold = '';
  }

  async #fetch(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    const memberId = this.#memberId;
    const { draining } = this.#world;
    const closes = !draining && this.#random.chance(CLOSE_CHANCE);
    const reply = await this.#fetching.call<Fetched | null>({
      ...this.#fetchesAt,
      what: `share fetch of ${memberId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: async ({ coordinators }, process, enter) => {
        if (this.#memberId !== memberId) return null; // It crashed while it looked for the coordinator.
        const askedAt = this.#world.time.monotonic();
        const { groupId } = this.#crew;
        const session = this.#sessionAt(process, enter);
        const before = coordinatorAt(coordinators, process, groupId);
        const told = session.epoch === INITIAL_EPOCH ? [] : pending;
        const said = this.#say(process, memberId, before, told);
        const request = this.#request(session, closes, said.places);
        this.#world.history.add({ type: 'shareFetchAsked', ...this.#seen(process, memberId, before) });
        if (request.epoch === FINAL_EPOCH) this.#drop(session);
        const answer = await this.#unlessGone(coordinators.shares.fetch(request, session.connection.signal), session);
        const coordinator = coordinatorAt(coordinators, process, groupId) === before ? before : '';
        if (answer !== null) return { answer, session, said, askedAt, coordinator };
        const seen = this.#seen(process, memberId, coordinator);
        this.#world.history.add({ type: 'shareFetched', ...seen, askedAt, acquired: [] });
        return null;
      },
      onAnswer: (fetched) => fetched && this.#look(fetched, memberId),
    });
    if (reply.type !== 'answered' || reply.value === null) {
      this.#endSession();
      return;
    }
    const { session, answer } = reply.value;
    if (this.#session !== session) return;
    for (const { topicId, partition, ranges } of answer.partitions) {
      for (const { first, last } of ranges) this.#handle({ topicId, partition }, first, last);
    }
  }

  /** Null when the connection has ended: what was acquired for it has been released. */
  async #unlessGone(fetching: Promise<SharesFetched>, { connection }: Session): Promise<SharesFetched | null> {
    try {
      const answer = await fetching;
      if (!connection.signal.aborted) return answer;
      answer.release();
      return null;
    } catch (cause) {
      if (connection.signal.aborted) return null;
      throw cause;
    }
  }

  #look({ answer, session, said, askedAt, coordinator }: Fetched, memberId: string): void {
    const acquired = answer.partitions.flatMap(({ topicId, partition, ranges }) =>
      ranges.map((range) => ({ ...range, place: nameOf({ topicId, partition }) })),
    );
    const seen = this.#seen(session.process, memberId, coordinator);
    this.#world.history.add({ type: 'shareFetched', ...seen, askedAt, acquired });
    const refused = answer.partitions.filter(({ acknowledged }) => acknowledged.error !== 'NONE').map(nameOf);
    this.#told(said, refused);
    answer.release();
  }

  /** The connection is there, or made; on another process nothing of before counts. */
  #sessionAt(process: string, enter: Session['enter']): Session {
    if (this.#session?.process !== process) {
      this.#endSession();
      const connection = new AbortController();
      this.#session = { process, connection, enter, epoch: INITIAL_EPOCH, places: '' };
    }
    return this.#session!;
  }

  #request(session: Session, closes: boolean, acknowledgements: readonly AcknowledgedPlace[]): ShareFetchRequest {
    const { epoch } = session;
    const isFinal = closes && epoch !== INITIAL_EPOCH;
    const places = this.#assigned;
    const known = new Set(session.places.split(' '));
    const names = places.map(nameOf);
    const forgotten = [...known].filter((name) => name !== '' && !names.includes(name)).map(placeOf);
    session.places = names.join(' ');
    session.epoch = epoch + 1;
    return {
      groupId: this.#crew.groupId,
      memberId: this.#memberId,
      epoch: isFinal ? FINAL_EPOCH : epoch,
      acknowledgements,
      typeMax: TYPE_MAX,
      renews: false,
      places: isFinal ? [] : places,
      forgotten: isFinal || epoch === INITIAL_EPOCH ? [] : forgotten,
      maxWaitMs: 300,
      minBytes: 1,
      maxBytes: 100_000,
      maxRecords: this.#world.draining ? DRAIN_RECORDS : this.#random.pick([1, 10, 200]),
      batchSize: this.#random.pick([1, 5, 100]),
      mode: this.#random.pick(['batch_optimized', 'record_limit'] as const),
    };
  }

  /** What becomes of records that it was given, in runs. */
  #handle(name: PartitionName, first: number, last: number): void {
    for (let from = first; from <= last; ) {
      const to = Math.min(last, from + this.#random.integer(0, 20));
      const kind = this.#fate();
      const range = { name, place: nameOf(name), first: from, last: to };
      if (kind !== null) this.#pending.push({ ...range, kind });
      this.#given.push({ ...range, kind: 'accept', memberId: this.#memberId });
      if (this.#given.length > GIVEN_KEPT) this.#given.shift();
      from = to + 1;
    }
  }

  /** Null: it is forgotten. */
  #fate(): Kind | null {
    if (this.#world.draining) return 'accept';
    const chance = this.#random.float();
    if (chance < RELEASE_CHANCE) return 'release';
    if (chance < RELEASE_CHANCE + REJECT_CHANCE) return 'reject';
    return chance < RELEASE_CHANCE + REJECT_CHANCE + FORGET_CHANCE ? null : 'accept';
  }

  #say(process: string, memberId: string, coordinator: string, pending: readonly Pending[]): Said {
    const sorted = [...pending].sort((a, b) => a.first - b.first);
    const acknowledgements = sorted.map(({ place, first, last, kind }) => {
      const seen = this.#seen(process, memberId, coordinator);
      const acknowledgement = { ...seen, place, first, last, kind, id: this.#world.nextId() };
      this.#world.history.add({ type: 'shareAcknowledgeAsked', ...acknowledgement });
      return acknowledgement;
    });
    const byPlace = new Map<string, AcknowledgedPlace & { batches: AcknowledgedPlace['batches'][number][] }>();
    for (const { name, place, first, last, kind } of sorted) {
      const acknowledged = byPlace.get(place) ?? { ...name, batches: [] };
      byPlace.set(place, acknowledged);
      acknowledged.batches.push({ firstOffset: first, lastOffset: last, acknowledgeTypes: [ACKNOWLEDGE_TYPES[kind]] });
    }
    return { acknowledgements, places: [...byPlace.values()] };
  }

  #told({ acknowledgements }: Said, refused: readonly string[]): void {
    for (const acknowledgement of acknowledgements) {
      if (refused.includes(acknowledgement.place)) continue;
      this.#world.history.add({ type: 'shareAcknowledged', ...acknowledgement });
    }
  }

  /** Says something of records that it said something of before, or that are with another member. */
  async #haunt(): Promise<void> {
    this.#haunts = false;
    const session = this.#session;
    const memberId = this.#memberId;
    if (session === null || session.epoch === INITIAL_EPOCH || this.#given.length === 0) return;
    const anothers = this.#given.findLast((given) => given.memberId !== memberId);
    const old = anothers && this.#random.chance(0.6) ? anothers : this.#random.pick(this.#given);
    const reply = await this.#fetching.call({
      ...this.#fetchesAt,
      what: `share acknowledgement of ${memberId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: async ({ coordinators }, process) => {
        if (process !== session.process) return { said: NOTHING_SAID, outcomes: [] };
        const coordinator = coordinatorAt(coordinators, process, this.#crew.groupId);
        const said = this.#say(process, memberId, coordinator, [old]);
        const request = { groupId: this.#crew.groupId, memberId, epoch: session.epoch++, typeMax: TYPE_MAX };
        const wish = { ...request, renews: false, acknowledgements: said.places };
        return { said, outcomes: await coordinators.shares.acknowledge(wish) };
      },
      onAnswer: ({ said, outcomes }) => this.#told(said, outcomes.filter(({ error }) => error !== 'NONE').map(nameOf)),
    });
    if (reply.type !== 'answered') this.#endSession();
  }

  async #suffer(mishap: Mishap): Promise<void> {
    const { time } = this.#world;
    switch (mishap) {
      case 'crash':
        this.#endSession();
        this.#memberId = this.#newId();
        this.#epoch = 0;
        await time.sleep(this.#random.between(0, 3_000));
        return;
      case 'leave':
        await this.#leave();
        await time.sleep(this.#random.between(0, 1_000));
        return;
      case 'stall':
        this.#stalledUntil = time.monotonic() + this.#random.between(300, 6_000);
        return;
      case 'rejoin':
        this.#epoch = 0;
        return;
      case 'ghost':
      case 'intruder':
        this.#haunts = true;
    }
  }

  async #leave(): Promise<void> {
    const { groupId } = this.#crew;
    const memberId = this.#memberId;
    const joined = this.#epoch > 0;
    this.#endSession();
    this.#epoch = 0;
    this.#memberId = this.#newId();
    if (!joined) return;
    await this.#client.call({
      to: coordinatorOf(groupId),
      what: `leave of ${memberId}`,
      timeoutMs: REQUEST_MS_MAX,
      at: ({ coordinators }) => coordinators.shareGroups.leave(groupId, memberId),
    });
  }

  /** The connection is gone. */
  #endSession(): void {
    const session = this.#session;
    if (session === null) return;
    this.#drop(session);
    session.enter(() => session.connection.abort(new Error('went away')));
  }

  /** What it held goes to others, now or when the process hears of it. */
  #drop(session: Session): void {
    if (this.#session === session) this.#session = null;
    this.#pending = [];
    this.#world.history.add({ type: 'shareSessionEnded', ...this.#seen(session.process, this.#memberId, '') });
  }

  #seen(process: string, memberId: string, coordinator: string) {
    return { process, coordinator, groupId: this.#crew.groupId, memberId };
  }

  #topics(): string[] {
    return this.#world.topics
      .all()
      .map(({ name }) => name)
      .sort();
  }

  #newId(): string {
    return `s${this.#world.nextId()}`;
  }

  async #stall(): Promise<void> {
    const restMs = this.#stalledUntil - this.#world.time.monotonic();
    if (restMs > 0) await this.#world.time.sleep(restMs);
  }
}

const partitionsOf = (assignment: ReadonlyMap<string, readonly number[]>): PartitionName[] =>
  [...assignment].flatMap(([topicId, partitions]) => partitions.map((partition) => ({ topicId, partition })));

function placeOf(name: string): PartitionName {
  const dash = name.lastIndexOf('-');
  return { topicId: name.slice(0, dash), partition: Number(name.slice(dash + 1)) };
}

/** Names the process, and its term as the leader of the group's journal; empty when it does not lead that. */
function coordinatorAt({ groups }: Coordinators, process: string, groupId: string): string {
  const journal = groups.find(groupId)?.journal;
  return journal?.role === 'leading' ? `${process} ${journal.id} ${journal.epoch}` : '';
}
