/** What the members of a group do with the partitions they have: read each from where the group is, and commit. */
import type { FoundOffset, OffsetOutcomes } from '../../../src/coordinator/group/offsets/offsets.ts';
import { KafkaError } from '../../../src/errors.ts';
import { Client, coordinatorOf } from '../connection.ts';
import { nameOf, type PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { fetch, listOffset } from './reading.ts';

/** As whom a member commits, or somebody who says to be it. */
export interface CommitsAs {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Or epoch. */
  readonly generation: number;
}

export interface Position extends PartitionName {
  readonly offset: number;
}

interface Held extends PartitionName {
  /** Null before it is known where to begin. */
  offset: number | null;
  committed: number;
}

const LIMITS = { minBytes: 1, maxBytes: 50_000, maxWaitMs: 200 };
const PARTITION_BYTES_MAX = 20_000;
/** As long as a commit whose answer was lost may still arrive. */
const LOST_MS = 120_000;

export class GroupReader {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #client: Client;
  readonly #groupId: string;
  readonly #held = new Map<string, Held>();
  #lostUntil = 0;
  #committing: Promise<void> = Promise.resolve();

  constructor(world: World, groupId: string, random: SeededRandom) {
    this.#world = world;
    this.#groupId = groupId;
    this.#random = random;
    this.#client = new Client(world, random.fork('client'));
  }

  /** Those that it had go on where they are. */
  assign(partitions: readonly PartitionName[]): void {
    const names = new Set(partitions.map(nameOf));
    for (const key of this.#held.keys()) if (!names.has(key)) this.#held.delete(key);
    for (const { topicId, partition } of partitions) {
      const key = nameOf({ topicId, partition });
      if (!this.#held.has(key)) this.#held.set(key, { topicId, partition, offset: null, committed: -1 });
    }
  }

  drop(): void {
    this.#held.clear();
  }

  get positions(): Position[] {
    return [...this.#held.values()].flatMap(({ topicId, partition, offset }) =>
      offset === null ? [] : [{ topicId, partition, offset }],
    );
  }

  /** One turn: finds where to begin, reads on. `as` is null for members that do not say who they are. */
  async poll(as: CommitsAs | null): Promise<void> {
    const fresh = [...this.#held.values()].filter(({ offset }) => offset === null);
    if (fresh.length > 0) await this.#begin(fresh, as);
    const wanted = [...this.#held.values()].filter((held): held is Held & { offset: number } => held.offset !== null);
    if (wanted.length === 0) return;
    const partitions = wanted.map(({ topicId, partition, offset }) => ({
      topicId,
      partition,
      fetchOffset: offset,
      maxBytes: PARTITION_BYTES_MAX,
    }));
    const answers = await fetch(this.#world, this.#client, this.#random, partitions, LIMITS);
    for (const [index, { error, records }] of (answers ?? []).entries()) {
      const held = wanted[index]!;
      const last = records.at(-1);
      if (last) held.offset = last.offset + 1;
      if (error === 'OFFSET_OUT_OF_RANGE') await this.#beginAtEarliest(held);
    }
  }

  /** Commits what was read since the last time, one commit after the other. */
  commit(as: CommitsAs): Promise<void> {
    this.#committing = this.#committing.then(() => this.#commit(as));
    return this.#committing;
  }

  async #commit(as: CommitsAs): Promise<void> {
    const read = [...this.#held.values()].filter(({ offset, committed }) => offset !== null && offset > committed);
    const positions = read.map(({ topicId, partition, offset }) => ({ topicId, partition, offset: offset! }));
    const outcomes = await commitAs(this.#world, this.#client, this.#groupId, as, positions, this.#isLossy);
    if (outcomes === null) this.#lostUntil = this.#world.time.monotonic() + LOST_MS;
    for (const [index, refusal] of (outcomes ?? []).entries()) {
      if (refusal === null) read[index]!.committed = positions[index]!.offset;
    }
  }

  get #isLossy(): boolean {
    return this.#world.time.monotonic() < this.#lostUntil;
  }

  async #begin(fresh: readonly Held[], as: CommitsAs | null): Promise<void> {
    const { committedOffsets, history } = this.#world;
    const groupId = this.#groupId;
    let process = '';
    let before: readonly number[] = [];
    const places = fresh.map(({ topicId, partition }) => ({ topicId, partition }));
    const reply = await this.#client.call<readonly FoundOffset[]>({
      to: coordinatorOf(groupId),
      what: `fetch of the offsets of ${groupId}`,
      at: (core, processName) => {
        process = processName;
        before = places.map((place) => committedOffsets.changes(groupId, place));
        const member = as === null ? { memberId: null, memberEpoch: -1 } : epochOf(as);
        return core.coordinators.offsets.fetch({ groupId, ...member, places });
      },
      onAnswer: (found) => {
        for (const [index, { committed }] of found.entries()) {
          const offset = committed?.offset ?? -1;
          const told = { process, groupId, offset, changesBefore: before[index]!, together: false };
          history.add({ type: 'offsetFetched', ...places[index]!, ...told });
        }
      },
    });
    if (reply.type !== 'answered') return;
    for (const [index, { committed }] of reply.value.entries()) {
      const held = fresh[index]!;
      if (committed === null) await this.#beginAtEarliest(held);
      else {
        held.offset = committed.offset;
        held.committed = committed.offset;
      }
    }
  }

  async #beginAtEarliest(held: Held): Promise<void> {
    const { topicId, partition } = held;
    const reply = await listOffset(this.#world, this.#client, { topicId, partition }, { type: 'earliest' });
    if (reply.type === 'answered') held.offset = Math.max(reply.value.offset, held.offset ?? 0);
  }
}

const epochOf = ({ memberId, generation }: CommitsAs) => ({ memberId, memberEpoch: generation });

/** Members of the consumer protocol commit with version 9. */
const API_VERSION = 9;

/** Per position why it was refused; null when nobody knows what became of all of them. */
export async function commitAs(
  world: World,
  client: Client,
  groupId: string,
  { memberId, instanceId, generation }: CommitsAs,
  positions: readonly Position[],
  together: boolean,
): Promise<OffsetOutcomes | null> {
  if (positions.length === 0) return [];
  const { committedOffsets, history } = world;
  const commitId = `c${world.nextId()}`;
  let process = '';
  let before: readonly number[] = [];
  const reply = await client.call<OffsetOutcomes>({
    to: coordinatorOf(groupId),
    what: `commit ${commitId} of ${memberId} at ${generation} for ${groupId}`,
    at: (core, processName) => {
      process = processName;
      before = positions.map((place) => committedOffsets.changes(groupId, place));
      history.add({ type: 'commitSent', process, groupId, memberId, instanceId, generation, commitId });
      const member = { memberId, groupInstanceId: instanceId, generationIdOrMemberEpoch: generation };
      const committer = { ...member, transactional: false, apiVersion: API_VERSION };
      const commits = positions.map((position) => ({ ...position, leaderEpoch: -1, metadata: commitId }));
      return core.coordinators.offsets.commit({ groupId, client: 'sim' }, committer, commits);
    },
    onAnswer: (outcomes) => {
      for (const [index, refusal] of outcomes.entries()) {
        if (refusal !== null) continue;
        const told = { process, groupId, changesBefore: before[index]!, together };
        history.add({ type: 'offsetCommitted', ...positions[index]!, ...told });
      }
    },
  });
  if (reply.type === 'lost') return null;
  return reply.type === 'answered' ? reply.value : positions.map(() => UNKNOWN);
}

const UNKNOWN = new KafkaError('COORDINATOR_NOT_AVAILABLE', 'refused as a whole');
