/**
 * The coordinator's part of ShareFetch and ShareAcknowledge: sessions, acknowledgements and records of share groups.
 *
 * Members are not looked up: as in Kafka, whoever names a share group and has a session may fetch and acknowledge, and the
 * lock on each record says who may acknowledge it.
 */
import type { Topics } from '../../cluster/topics.ts';
import { type ErrorName, KafkaError, toKafkaError } from '../../errors.ts';
import type { Journal } from '../../journal/journal.ts';
import { sleep } from '../../runtime/clock.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type AcknowledgementBatch, readAcknowledgements } from './acknowledgements.ts';
import type { AcquiredRange, AcquireMode } from './acquire.ts';
import { ShareFetcher, type ShareFetcherOptions } from './share-fetcher.ts';
import type { SharePartitions, SharePartitionsOptions } from './share-partitions.ts';
import {
  FINAL_EPOCH,
  INITIAL_EPOCH,
  placeKey,
  type SessionOwner,
  type SharePlace,
  type ShareSession,
  ShareSessions,
} from './share-sessions.ts';

export interface SharesOptions extends Pick<SharePartitionsOptions, 'groupConfigs' | 'journals' | 'log'> {
  readonly topics: Topics;
  readonly runtime: Runtime;
  readonly sessionsMax: number;
  readonly partitions: (isWanted: (groupId: string) => boolean) => SharePartitions;
}

export interface AcknowledgedPlace extends SharePlace {
  readonly batches: readonly AcknowledgementBatch[];
}

export interface ShareAcknowledgeWish {
  readonly groupId: string;
  readonly memberId: string;
  readonly epoch: number;
  readonly acknowledgements: readonly AcknowledgedPlace[];
  /** The largest acknowledge type of the request's version. */
  readonly typeMax: number;
  readonly renews: boolean;
}

export interface ShareFetchRequest extends ShareAcknowledgeWish {
  /** Those to fetch from with this session from now on, in the order of the request. */
  readonly places: readonly SharePlace[];
  readonly forgotten: readonly SharePlace[];
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxRecords: number;
  readonly batchSize: number;
  readonly mode: AcquireMode;
}

/** Who asks, and for how long. */
export interface ShareClient {
  /** The broker that it talks to. */
  readonly front: number;
  /** Of the group; null where this broker is alone. */
  readonly journal: Journal | null;
  /** Ends the session when it is aborted. */
  readonly connection: AbortSignal;
  /** Nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface ShareOutcome {
  readonly error: ErrorName;
  readonly message: string | null;
}

export interface AcknowledgeOutcome extends SharePlace, ShareOutcome {}

export interface FetchOutcome extends AcknowledgeOutcome {
  readonly acknowledged: ShareOutcome;
  readonly leaderEpoch: number;
  readonly records: readonly Buffer[];
  readonly ranges: readonly AcquiredRange[];
}

export interface SharesFetched {
  readonly partitions: readonly FetchOutcome[];
  release(): void;
}

const FINE: ShareOutcome = { error: 'NONE', message: null };

export class Shares {
  readonly #options: SharesOptions;
  readonly #sessions: ShareSessions;
  readonly #fetcher: ShareFetcher;
  readonly #stop: () => void;
  readonly partitions: SharePartitions;

  constructor(options: SharesOptions) {
    this.#options = options;
    this.#sessions = new ShareSessions(options.sessionsMax, (session) => void this.#release(session));
    this.partitions = options.partitions((groupId) => this.#sessions.hasAny(groupId));
    const fetcher: ShareFetcherOptions = { ...options, partitions: this.partitions };
    this.#fetcher = new ShareFetcher(fetcher);
    this.#stop = options.journals.whileLeading((journal) => () => this.#sessions.closeAll(journal));
  }

  get sessionCount(): number {
    return this.#sessions.count;
  }

  lockDurationMs(groupId: string): number {
    return this.#options.groupConfigs.of(groupId).shareRecordLockDurationMs;
  }

  close(): void {
    this.#stop();
    this.partitions.close();
  }

  /**
   * Acknowledges, then waits for records unless the session ends or locks are renewed. Throws SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED,
   * INVALID_REQUEST; what concerns one partition is in its outcome.
   */
  async fetch(request: ShareFetchRequest, client: ShareClient): Promise<SharesFetched> {
    const session = await this.#session(request, client);
    const acknowledging = this.#acknowledgeAll(request);
    const isOver = request.epoch === FINAL_EPOCH;
    const fetching = isOver || request.renews ? null : this.#fetch(request, session, client.signal);
    // Both are under way: neither may be left alone with an error.
    const [acknowledged, fetched] = await Promise.allSettled([acknowledging, fetching]);
    if (isOver) this.#end(session);
    if (acknowledged.status === 'rejected') {
      if (fetched.status === 'fulfilled') fetched.value?.release();
      throw acknowledged.reason;
    }
    if (fetched.status === 'rejected') throw fetched.reason;
    const partitions = combine(fetched.value?.partitions ?? [], acknowledged.value);
    return { partitions, release: () => fetched.value?.release() };
  }

  /** Throws SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH; what concerns one partition is in its outcome. */
  async acknowledge(request: ShareAcknowledgeWish, front: number): Promise<readonly AcknowledgeOutcome[]> {
    const { groupId, memberId, epoch } = request;
    const owner = { groupId, memberId, front };
    if (epoch === INITIAL_EPOCH) {
      throw new KafkaError('INVALID_SHARE_SESSION_EPOCH', 'a share session is opened by fetching');
    }
    const isOver = epoch === FINAL_EPOCH;
    const session = isOver ? this.#sessions.require(owner) : this.#sessions.advance(owner, epoch);
    const outcomes = await this.#acknowledgeAll(request);
    if (isOver) this.#end(session);
    return outcomes;
  }

  async #session(request: ShareFetchRequest, client: ShareClient): Promise<ShareSession> {
    const { groupId, memberId, epoch, places, forgotten } = request;
    const owner = { groupId, memberId, front: client.front };
    if (epoch === FINAL_EPOCH) return this.#sessions.require(owner);
    if (epoch !== INITIAL_EPOCH) return this.#sessions.advance(owner, epoch, { add: places, remove: forgotten });
    if (request.acknowledgements.length > 0) {
      throw new KafkaError('INVALID_REQUEST', 'the request that opens a share session cannot acknowledge anything');
    }
    try {
      return this.#sessions.open({ ...owner, ...client, places });
    } catch (cause) {
      // Clients ask again at once: they are kept for as long as they would wait for records.
      await sleep(this.#options.runtime.timers, request.maxWaitMs, client.signal).catch(() => undefined);
      throw cause;
    }
  }

  async #fetch(request: ShareFetchRequest, session: ShareSession, signal: AbortSignal) {
    const known: SharePlace[] = [];
    const unknown: FetchOutcome[] = [];
    for (const place of rotated([...session.places.values()], request.epoch)) {
      const error = this.#errorOf(place);
      if (error === null) known.push(place);
      else unknown.push({ ...outcomeOf(place, error), acknowledged: FINE, leaderEpoch: -1, records: [], ranges: [] });
    }
    const { shareIsolationLevel: isolation } = this.#options.groupConfigs.of(request.groupId);
    const answerNow = unknown.length > 0;
    const answer = await this.#fetcher.fetch({ ...request, places: known, isolation, answerNow }, signal);
    const found = answer.partitions.map((partition) => ({ ...partition, acknowledged: FINE }));
    return { partitions: [...unknown, ...found], release: () => answer.release() };
  }

  #acknowledgeAll(request: ShareAcknowledgeWish): Promise<AcknowledgeOutcome[]> {
    return Promise.all(
      request.acknowledgements.map(async (acknowledged) => {
        const { topicId, partition } = acknowledged;
        try {
          await this.#acknowledge(request, acknowledged);
          return { topicId, partition, ...FINE };
        } catch (cause) {
          const error = toKafkaError(cause);
          if (error === null) throw cause;
          return outcomeOf(acknowledged, error);
        }
      }),
    );
  }

  async #acknowledge(request: ShareAcknowledgeWish, place: AcknowledgedPlace): Promise<void> {
    const acknowledgements = readAcknowledgements(place.batches, request);
    const error = this.#errorOf(place);
    if (error !== null) throw error;
    if (acknowledgements.length === 0) return;
    const partition = this.partitions.find(request.groupId, place);
    if (partition === undefined) {
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', 'nobody of the share group has records of this partition');
    }
    await partition.acknowledge(request.memberId, acknowledgements);
  }

  #errorOf({ topicId, partition }: SharePlace): KafkaError | null {
    const topic = this.#options.topics.byId(topicId);
    if (topic === undefined) return new KafkaError('UNKNOWN_TOPIC_ID', `there is no topic with id ${topicId}`);
    if (topic.partitions[partition] !== undefined) return null;
    return new KafkaError(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `topic ${JSON.stringify(topic.name)} has no partition ${partition}`,
    );
  }

  #end(owner: SessionOwner): void {
    const session = this.#sessions.close(owner);
    if (session) void this.#release(session);
  }

  /** What the member still holds is for others. Failures are for the ends of locks. */
  async #release(session: ShareSession): Promise<void> {
    const { groupId, memberId, places } = session;
    const left = [...places.values()].filter((place) => !this.#sessions.hasElsewhere(session, place));
    const held = left.flatMap((place) => this.partitions.find(groupId, place) ?? []);
    await Promise.allSettled(held.map((partition) => partition.release(memberId)));
    this.partitions.dropIdle(groupId);
  }
}

const outcomeOf = ({ topicId, partition }: SharePlace, { error, message }: KafkaError): AcknowledgeOutcome => ({
  topicId,
  partition,
  error,
  message,
});

/** So that each partition of a session comes first in its turn. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const from = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

function combine(fetched: readonly FetchOutcome[], acknowledged: readonly AcknowledgeOutcome[]): FetchOutcome[] {
  const outcomes = new Map(fetched.map((outcome) => [placeKey(outcome), outcome]));
  for (const { topicId, partition, error, message } of acknowledged) {
    const place = { topicId, partition };
    const found = outcomes.get(placeKey(place)) ?? { ...place, ...FINE, leaderEpoch: -1, records: [], ranges: [] };
    outcomes.set(placeKey(place), { ...found, acknowledged: { error, message } });
  }
  return [...outcomes.values()];
}
