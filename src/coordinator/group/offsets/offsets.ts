/**
 * Offsets that groups commit (OffsetCommit, OffsetFetch, OffsetDelete, TxnOffsetCommit, HTTP). Names of topics are resolved
 * by the doors: here is only what the group's journal holds, by topic id.
 *
 * What is answered is durable, and was read while this broker led: a deposed coordinator would send consumers back.
 */
import type { Placements } from '../../../cluster/placements.ts';
import type { Topics } from '../../../cluster/topics.ts';
import { KafkaError } from '../../../errors.ts';
import type { DecisionView, Journal, Records } from '../../../journal/journal.ts';
import type { Journals } from '../../../journal/journals.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { refuse, requireLeading, toCoordinatorError } from '../../coordinator-error.ts';
import { groupOwner } from '../../owner.ts';
import type { Committer, GroupDirectory } from '../live-group.ts';
import {
  decideDeletion,
  decideWrites,
  type NamedPlace,
  type OffsetMismatch,
  type OffsetWrite,
  requireNoMembers,
} from './change-offsets.ts';
import { refusalOf, requireCreator } from './commit-offsets.ts';
import { BATCH_BYTES_MAX, CommitQueue } from './commit-queue.ts';
import {
  type CommittedOffset,
  committedPlaces,
  decodeOffset,
  type OffsetPlace,
  offsetKey,
  pendingOffsets,
} from './offset-records.ts';
import {
  addPendingOffsets,
  noTransaction,
  type OffsetToCommit,
  type TransactionalProducer,
} from './transactional-offsets.ts';

/** Offsets that one decision deletes: it has to fit an entry. */
const DELETED_COUNT_MAX = 1_000;
/** Where entries cost money: at most 20 a second for the commits of a journal. */
const PRICED_INTERVAL_MS = 50;
/** An unchanged offset is written again after this share of the retention. */
const FRESH_SHARE = 0.01;

export interface OffsetsOptions {
  readonly journals: Journals;
  readonly groups: GroupDirectory & { place(groupId: string, client: string): Promise<Journal> };
  readonly placements: Placements;
  readonly topics: Pick<Topics, 'byId' | 'lookUp'>;
  /** Null when `topics` shows every change that was answered; else resolves when it does. */
  readonly topicsCurrent: () => Promise<void> | null;
  readonly runtime: Runtime;
  readonly entriesCostMoney: boolean;
  readonly metadataBytesMax: number;
  readonly retentionMs: number;
}

/** Who asks, of which group. */
export interface OffsetsClient {
  readonly groupId: string;
  /** Whose share of all groups a new one is. */
  readonly client: string;
}

export interface OffsetsQuery {
  readonly groupId: string;
  /** Null and -1: not a member, or one that does not say so. */
  readonly memberId: string | null;
  readonly memberEpoch: number;
  /** Null: all that are committed. */
  readonly places: readonly OffsetPlace[] | null;
}

export interface FoundOffset extends OffsetPlace {
  readonly committed: CommittedOffset | null;
  /** A transaction that has not ended holds another one. */
  readonly unstable: boolean;
}

/** Per offset why it was refused; null for those that are durable. */
export type OffsetOutcomes = readonly (KafkaError | null)[];

export class Offsets {
  readonly #options: OffsetsOptions;
  readonly #queues = new Map<Journal, CommitQueue>();
  readonly #stop: () => void;
  #closed = false;

  constructor(options: OffsetsOptions) {
    this.#options = options;
    this.#stop = options.journals.whileLeading((journal) => () => {
      this.#queues.get(journal)?.close();
      this.#queues.delete(journal);
    });
  }

  /** Throws NOT_COORDINATOR and the like for the request as a whole. */
  async commit(
    { groupId, client }: OffsetsClient,
    committer: Committer,
    offsets: readonly OffsetToCommit[],
  ): Promise<OffsetOutcomes> {
    const tooLarge = offsets.map((offset) => this.#metadataTooLarge(offset));
    const pieces = piecesOf(offsets.filter((_, index) => tooLarge[index] === null));
    if (pieces.length === 0) return tooLarge;
    // Without a wait where the group is known: commits of a connection keep their order.
    const group = this.#options.groups.find(groupId);
    const queue = group ? this.#queue(group.journal) : await this.#newGroupQueue(groupId, client, committer);
    const outcomes = await Promise.all(
      pieces.map(async ({ offsets, bytes }) => {
        const outcome = await queue.add(groupId, { committer, offsets, bytes, client });
        return offsets.map(() => outcome);
      }),
    );
    return merged(tooLarge, outcomes.flat());
  }

  /** Adds to a producer's transaction, which has to be guarded in this group. One refusal is all's. */
  async commitTransactional(
    { groupId, client }: OffsetsClient,
    committer: Committer,
    producer: TransactionalProducer,
    offsets: readonly OffsetToCommit[],
  ): Promise<OffsetOutcomes> {
    const tooLarge = offsets.map((offset) => this.#metadataTooLarge(offset));
    const accepted = offsets.filter((_, index) => tooLarge[index] === null);
    if (accepted.length === 0) return tooLarge;
    const { groups } = this.#options;
    // The guard comes first, and makes the group: what has none is not placed anywhere.
    const journal = groups.find(groupId)?.journal ?? (await this.#journalOf(groupId));
    if (journal === undefined) {
      requireCreator(committer);
      throw noTransaction(groupId, producer);
    }
    const adding = this.#queue(journal).coordinate({
      groupId,
      client,
      bytes: accepted.reduce((sum, offset) => sum + bytesOf(offset), 0),
      check: () => {
        const group = groups.find(groupId);
        if (group) group.checkCommit(committer, group.journal.state);
        else requireCreator(committer);
      },
      decide: (view) => {
        const group = groups.find(groupId);
        if (group && group.type !== 'classic') group.checkCommit(committer, view);
        return { commands: addPendingOffsets(view, groupId, producer, accepted), answer: null };
      },
    });
    await adding.catch((cause) => refuse(journal, cause));
    return tooLarge;
  }

  /**
   * To be called before names of topics are looked up to commit offsets, or to delete them: what another broker made anew under a name
   * has another id, and a commit under the old one would be answered and never found. Null: they are as they should be. Commits
   * that wait go on in the order in which they came. Rejects with COORDINATOR_NOT_AVAILABLE when the store does not answer.
   */
  learnNames(): Promise<void> | null {
    const learning = this.#options.topicsCurrent();
    if (learning === null) return null;
    return learning.catch((cause) => {
      throw toCoordinatorError(cause);
    });
  }

  /**
   * To be called before names of topics are looked up to fetch offsets: another broker may have created a topic, or made it
   * anew, and this one not have heard of it. Nothing would be found under what the name means here, and consumers would be sent
   * back. Throws COORDINATOR_NOT_AVAILABLE when the store does not answer.
   */
  async learnTopics(groupId: string): Promise<void> {
    await this.learnNames();
    const { groups, topics } = this.#options;
    const records = groups.find(groupId)?.journal.state.records(groupOwner(groupId));
    const unknown = new Set<string>();
    for (const { topicId } of records ? committedPlaces(records) : []) {
      if (topics.byId(topicId) === undefined) unknown.add(topicId);
    }
    try {
      await Promise.all(Array.from(unknown, (topicId) => topics.lookUp(topicId)));
    } catch (cause) {
      throw toCoordinatorError(cause);
    }
  }

  /** Of a group that does not exist nothing is committed. Throws NOT_COORDINATOR, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH. */
  async fetch({ groupId, memberId, memberEpoch, places }: OffsetsQuery): Promise<readonly FoundOffset[]> {
    const journal = await this.#journalOf(groupId);
    if (journal === undefined) {
      return (places ?? []).map((place) => ({ ...place, committed: null, unstable: false }));
    }
    await this.#queue(journal).confirm();
    requireLeading(journal); // A journal that is not led here has no records.
    if (memberId !== null || memberEpoch >= 0) {
      this.#options.groups.find(groupId)?.checkFetch(memberId ?? '', memberEpoch);
    }
    return found(journal.state.records(groupOwner(groupId)), places);
  }

  /**
   * Writes for somebody who is no member: whole or not at all. The group is made when there is none. Throws NON_EMPTY_GROUP
   * while it has members.
   */
  async write({ groupId, client }: OffsetsClient, writes: readonly OffsetWrite[]): Promise<readonly OffsetMismatch[]> {
    for (const write of writes) {
      const refusal = this.#metadataTooLarge(write);
      if (refusal !== null) throw refusal;
    }
    const bytes = writes.reduce((sum, offset) => sum + bytesOf(offset), 0);
    if (bytes > BATCH_BYTES_MAX) {
      throw new KafkaError(
        'INVALID_COMMIT_OFFSET_SIZE',
        `offsets of ${bytes} bytes at once: at most ${BATCH_BYTES_MAX}`,
      );
    }
    const { groups } = this.#options;
    const standing = await this.#journalOf(groupId);
    const missing = standing === undefined ? mismatchesOfNothing(writes) : [];
    if (missing.length > 0) return missing;
    const journal = groups.find(groupId)?.journal ?? (await groups.place(groupId, client));
    const queue = this.#queue(journal);
    const writing = queue.coordinate({
      groupId,
      client,
      bytes,
      check: () => requireNoMembers(groups.find(groupId)),
      decide: (view) => decideWrites(view, groupId, groups.find(groupId), writes),
    });
    const { mismatches, written } = await writing.catch((cause) => refuse(journal, cause));
    if (!written) await queue.confirm();
    return mismatches;
  }

  /** Throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, NOT_COORDINATOR for the request as a whole. */
  async delete(groupId: string, places: readonly NamedPlace[]): Promise<OffsetOutcomes> {
    const journal = await this.#journalOf(groupId);
    if (journal === undefined) {
      throw new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(groupId)}`);
    }
    const queue = this.#queue(journal);
    const outcomes: (KafkaError | null)[] = [];
    for (let next = 0; next === 0 || next < places.length; next += DELETED_COUNT_MAX) {
      const some = places.slice(next, next + DELETED_COUNT_MAX);
      const decide = (view: DecisionView) => decideDeletion(view, groupId, this.#options.groups.find(groupId), some);
      const { refusals, written } = await journal.coordinate(decide).catch((cause) => refuse(journal, cause));
      if (!written) await queue.confirm();
      outcomes.push(...refusals);
    }
    return outcomes;
  }

  /** Answers those who wait; nothing more is accepted. */
  close(): void {
    this.#closed = true;
    this.#stop();
    for (const queue of this.#queues.values()) queue.close();
  }

  /** The queue into the journal of a group that this commit creates, when it may. */
  async #newGroupQueue(groupId: string, client: string, committer: Committer): Promise<CommitQueue> {
    if (committer.generationIdOrMemberEpoch >= 0) {
      const journal = await this.#journalOf(groupId); // Another broker may coordinate it.
      if (journal === undefined) requireCreator(committer);
      else if (this.#options.groups.find(groupId) === undefined) {
        const refusal = refusalOf(() => requireCreator(committer));
        if (refusal !== null) await refuse(journal, refusal);
      }
    }
    return this.#queue(await this.#options.groups.place(groupId, client));
  }

  /** Undefined when nobody created the group. Throws NOT_COORDINATOR when another broker coordinates it, or would. */
  async #journalOf(groupId: string): Promise<Journal | undefined> {
    const { groups, placements } = this.#options;
    const group = groups.find(groupId);
    if (group) return group.journal;
    const owner = groupOwner(groupId);
    try {
      const { journal, exists } = await placements.locate(owner);
      requireLeading(journal);
      return exists ? journal : undefined;
    } catch (cause) {
      throw toCoordinatorError(cause);
    }
  }

  #queue(journal: Journal): CommitQueue {
    const standing = this.#queues.get(journal);
    if (standing) return standing;
    if (this.#closed) throw new KafkaError('NOT_COORDINATOR', 'the broker stops');
    const { groups, runtime, entriesCostMoney, retentionMs } = this.#options;
    const queue = new CommitQueue({
      journal,
      groups,
      runtime,
      intervalMs: entriesCostMoney ? PRICED_INTERVAL_MS : 0,
      freshMs: retentionMs * FRESH_SHARE,
      place: (groupId, client) => groups.place(groupId, client),
    });
    this.#queues.set(journal, queue);
    return queue;
  }

  #metadataTooLarge({ metadata }: OffsetToCommit): KafkaError | null {
    const { metadataBytesMax } = this.#options;
    if (metadata.length <= metadataBytesMax) return null; // Kafka counts UTF-16 units as well.
    const message = `metadata of ${metadata.length} characters: at most ${metadataBytesMax}`;
    return new KafkaError('OFFSET_METADATA_TOO_LARGE', message);
  }
}

/** A group that does not exist committed nothing, and is not made to say so. */
const mismatchesOfNothing = (writes: readonly OffsetWrite[]): OffsetMismatch[] =>
  writes.flatMap(({ topicId, partition, expected }) =>
    expected === undefined || expected === null ? [] : [{ topicId, partition, expected, actual: null }],
  );

function found(records: Records, places: readonly OffsetPlace[] | null): FoundOffset[] {
  const unstable = new Set<string>();
  for (const { topicId, partition } of pendingOffsets(records)) unstable.add(offsetKey(topicId, partition));
  return [...(places ?? committedPlaces(records))].map(({ topicId, partition }) => {
    const key = offsetKey(topicId, partition);
    const value = records.get(key);
    return {
      topicId,
      partition,
      committed: value === undefined ? null : decodeOffset(value),
      unstable: unstable.has(key),
    };
  });
}

interface Piece {
  readonly offsets: OffsetToCommit[];
  bytes: number;
}

/** A commit of thousands of partitions does not fit one entry. */
function piecesOf(offsets: readonly OffsetToCommit[]): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const offset of offsets) {
    const bytes = bytesOf(offset);
    const last = pieces.at(-1);
    if (last !== undefined && last.bytes + bytes <= BATCH_BYTES_MAX) {
      last.offsets.push(offset);
      last.bytes += bytes;
    } else {
      pieces.push({ offsets: [offset], bytes });
    }
  }
  return pieces;
}

/** In an entry, a little more than exactly. */
const OFFSET_BYTES = 160;
const bytesOf = ({ metadata }: OffsetToCommit): number =>
  OFFSET_BYTES + (metadata === '' ? 0 : Buffer.byteLength(JSON.stringify(metadata)));

/** Fills the places of those that were tried. */
function merged(refused: OffsetOutcomes, tried: OffsetOutcomes): OffsetOutcomes {
  let next = 0;
  return refused.map((refusal) => refusal ?? tried[next++]!);
}
