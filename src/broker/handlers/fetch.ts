/**
 * Fetch (1), v4-18.
 *
 * Long poll until `minBytes` are there or `maxWaitMs` is over; an error in any partition answers at once. Whole batches
 * only: the first may begin before the offset asked for, and is given even when it is larger than the limits. Topics by
 * id since v13. `maxBytes` is bounded by `fetch.max.bytes`, and by what other clients have not read yet.
 *
 * With read_committed the answer ends at the last stable offset and lists the aborted transactions that reach into it.
 *
 * Sessions (KIP-227): the answer is always session 0, so every fetch is a full one; forgotten topics say nothing then.
 * Leader epochs (KIP-320) are compared by the log. No data is ever truncated, so no epoch ever diverges.
 *
 * A consumer in another zone than this broker (`rackId`, v11) is told the broker of its zone to read from (KIP-392), and
 * given no records; in its own zone every broker reads for it. Errors that tell a client to look for the leader carry the
 * one that it shall use (KIP-951).
 *
 * Unlike Kafka: followers are not served, a replica id is not looked at.
 */
import type { TopicPartition } from '../../cluster/topics.ts';
import { type ErrorName, KafkaError } from '../../errors.ts';
import type { FetchAnswer, FetchedPartition, FetchPartition } from '../../log/log.ts';
import type { FetchRequest, FetchResponse } from '../../protocol/messages/fetch.ts';
import type { Call, Handler } from '../handler.ts';
import { LeaderHints } from '../leader-hints.ts';
import { findPartition, findTopic } from '../partitions.ts';

const RACK_SINCE = 11;
const LEADER_SINCE = 12;
const BY_ID_SINCE = 13;
/** Nobody waits longer than this for one answer; the client asks again. */
const WAIT_MS_MAX = 300_000;
const NO_RECORDS: readonly Buffer[] = [];

type RequestedPartition = FetchRequest['topics'][number]['partitions'][number];
type PartitionResponse = FetchResponse['topics'][number]['partitions'][number];

export const fetch: Handler<'Fetch'> = {
  turn: 'fetch',
  async handle(request, call) {
    if (!isFull(request)) {
      throw new KafkaError('FETCH_SESSION_ID_NOT_FOUND', `there is no fetch session ${request.sessionId}`);
    }
    const { partitions, places } = sort(request, call);
    const answer = partitions.length === 0 ? null : await read(request, call, partitions, places.some(isSettled));
    if (answer !== null) call.onSent(() => answer.release());
    return respond(request, call, places, answer?.partitions ?? []);
  },
  refuse(request, error, call) {
    if (call.apiVersion >= 7 && error.error === 'FETCH_SESSION_ID_NOT_FOUND') {
      return { errorCode: call.code(error.error), sessionId: 0, topics: [] };
    }
    const { broker, apiVersion } = call;
    const places = request.topics.flatMap((reference) => {
      const topic = findTopic(broker, reference, apiVersion >= BY_ID_SINCE);
      return reference.partitions.map(({ index }): Place => {
        const partition = topic instanceof KafkaError ? topic : findPartition(topic, index);
        return partition instanceof KafkaError ? { refusal: error } : { refusal: error, partition };
      });
    });
    return respond(request, call, places, []);
  },
};

/** KIP-227: epoch 0 asks for a new session, -1 for none or to end one; with any other, a session must be there. */
const isFull = ({ sessionEpoch }: FetchRequest) => sessionEpoch === 0 || sessionEpoch === -1;

/** Of a partition of the request: which it is, and why the log is not asked for it. */
interface Place {
  readonly partition?: TopicPartition;
  readonly refusal?: KafkaError;
  /** The broker that the consumer shall read it from. */
  readonly readFrom?: number;
}

const isSettled = ({ refusal, readFrom }: Place) => refusal !== undefined || readFrom !== undefined;

/** Partitions for the log, and where each partition of the request is, in order. */
function sort(request: FetchRequest, call: Call) {
  const { broker, apiVersion } = call;
  const elsewhere = readersOf(request.rackId, call);
  const partitions: FetchPartition[] = [];
  const places: Place[] = [];
  for (const reference of request.topics) {
    const topic = findTopic(broker, reference, apiVersion >= BY_ID_SINCE);
    for (const requested of reference.partitions) {
      const partition = topic instanceof KafkaError ? topic : findPartition(topic, requested.index);
      if (partition instanceof KafkaError) {
        places.push({ refusal: partition });
        continue;
      }
      const readFrom = elsewhere?.(partition);
      places.push(readFrom === undefined ? { partition } : { partition, readFrom });
      if (readFrom !== undefined) continue;
      partitions.push({
        topicId: partition.topicId,
        partition: requested.index,
        fetchOffset: requested.fetchOffset,
        maxBytes: Math.max(requested.partitionMaxBytes, 0),
        currentLeaderEpoch: requested.currentLeaderEpoch,
      });
    }
  }
  return { partitions, places };
}

/**
 * Which broker of its zone a consumer reads a partition from, when it is in another one than this broker; null when it
 * reads from here. Who is told a broker of its own zone is never sent on by that.
 */
function readersOf(rackId: string, call: Call) {
  if (call.apiVersion < RACK_SINCE || rackId === '' || rackId === call.broker.members.self.zone) return null;
  const { view } = call;
  return (partition: TopicPartition) => view.inZone(rackId, partition);
}

async function read(
  request: FetchRequest,
  { broker, signal, answerBytesMax }: Call,
  partitions: readonly FetchPartition[],
  answerNow: boolean,
): Promise<FetchAnswer> {
  const maxBytes = Math.min(Math.max(request.maxBytes, 0), broker.config['fetch.max.bytes'], answerBytesMax);
  const question = {
    partitions,
    maxBytes,
    minBytes: Math.min(Math.max(request.minBytes, 0), maxBytes),
    maxWaitMs: answerNow ? 0 : Math.min(Math.max(request.maxWaitMs, 0), WAIT_MS_MAX),
    isolation: request.isolationLevel === 1 ? 'read_committed' : 'read_uncommitted',
  } as const;
  try {
    return await broker.log.fetch(question, signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', 'the broker stops, or the client has ended the connection', {
      cause,
    });
  }
}

function respond(
  request: FetchRequest,
  call: Call,
  places: readonly Place[],
  fetched: readonly FetchedPartition[],
): FetchResponse {
  const hints = new LeaderHints(call, LEADER_SINCE);
  let nextPlace = 0;
  let nextFetched = 0;
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map((requested): PartitionResponse => {
      const { partition, refusal, readFrom } = places[nextPlace++]!;
      if (refusal !== undefined) {
        return { ...nothing(call, requested, refusal.error), currentLeader: hints.after(refusal.error, partition) };
      }
      if (readFrom !== undefined) return { ...nothing(call, requested, 'NONE'), preferredReadReplica: readFrom };
      const read = fetched[nextFetched++]!;
      return { ...success(call, requested, read), currentLeader: hints.after(read.error, partition, read.leaderEpoch) };
    }),
  }));
  return { errorCode: 0, sessionId: 0, topics, nodeEndpoints: hints.nodes };
}

function success(call: Call, { index }: RequestedPartition, partition: FetchedPartition): PartitionResponse {
  const { error, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, records } = partition;
  return {
    index,
    errorCode: call.code(error),
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions,
    records,
  };
}

const nothing = (call: Call, { index }: RequestedPartition, error: ErrorName): PartitionResponse => ({
  index,
  errorCode: call.code(error),
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  abortedTransactions: null,
  records: NO_RECORDS,
});
