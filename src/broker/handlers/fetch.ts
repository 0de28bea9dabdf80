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
 * Unlike Kafka: followers are not served, a replica id is not looked at; there is no preferred read replica.
 */
import { type ErrorName, KafkaError } from '../../errors.ts';
import type { FetchAnswer, FetchedPartition, FetchPartition } from '../../log/log.ts';
import type { FetchRequest, FetchResponse } from '../../protocol/messages/fetch.ts';
import type { Call, Handler } from '../handler.ts';
import { findPartition, findTopic, thisNode } from '../partitions.ts';

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
    const { partitions, refusals } = sort(request, call);
    const answer = partitions.length === 0 ? null : await read(request, call, partitions, refusals.some(isError));
    if (answer !== null) call.onSent(() => answer.release());
    return respond(request, call, refusals, answer?.partitions ?? []);
  },
  refuse(request, error, call) {
    if (call.apiVersion >= 7 && error.error === 'FETCH_SESSION_ID_NOT_FOUND') {
      return { errorCode: call.code(error.error), sessionId: 0, topics: [] };
    }
    const refusals = request.topics.flatMap(({ partitions }) => partitions.map(() => error));
    return respond(request, call, refusals, []);
  },
};

/** KIP-227: epoch 0 asks for a new session, -1 for none or to end one; with any other, a session must be there. */
const isFull = ({ sessionEpoch }: FetchRequest) => sessionEpoch === 0 || sessionEpoch === -1;

const isError = (refusal: KafkaError | null) => refusal !== null;

/** Partitions for the log, and per partition of the request in order why it is not among them, or null. */
function sort(request: FetchRequest, { broker, apiVersion }: Call) {
  const partitions: FetchPartition[] = [];
  const refusals: (KafkaError | null)[] = [];
  for (const reference of request.topics) {
    const topic = findTopic(broker, reference, apiVersion >= BY_ID_SINCE);
    for (const requested of reference.partitions) {
      const place = topic instanceof KafkaError ? topic : findPartition(topic, requested.index);
      if (place instanceof KafkaError) {
        refusals.push(place);
        continue;
      }
      refusals.push(null);
      partitions.push({
        topicId: place.topicId,
        partition: requested.index,
        fetchOffset: requested.fetchOffset,
        maxBytes: Math.max(requested.partitionMaxBytes, 0),
        currentLeaderEpoch: requested.currentLeaderEpoch,
      });
    }
  }
  return { partitions, refusals };
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
  refusals: readonly (KafkaError | null)[],
  fetched: readonly FetchedPartition[],
): FetchResponse {
  let nextRefusal = 0;
  let nextFetched = 0;
  let namesLeader = false;
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map((requested): PartitionResponse => {
      const refusal = refusals[nextRefusal++]!;
      if (refusal !== null) return failure(call, requested, refusal.error);
      const partition = fetched[nextFetched++]!;
      namesLeader ||= partition.error === 'FENCED_LEADER_EPOCH';
      return success(call, requested, partition);
    }),
  }));
  return { errorCode: 0, sessionId: 0, topics, nodeEndpoints: namesLeader ? [thisNode(call)] : undefined };
}

function success(call: Call, { index }: RequestedPartition, partition: FetchedPartition): PartitionResponse {
  const { error, highWatermark, lastStableOffset, logStartOffset, leaderEpoch, abortedTransactions, records } =
    partition;
  return {
    index,
    errorCode: call.code(error),
    highWatermark,
    lastStableOffset,
    logStartOffset,
    // An epoch that is over: who leads now, so that the client need not ask (KIP-951).
    currentLeader: error === 'FENCED_LEADER_EPOCH' ? { leaderId: call.broker.brokerId, leaderEpoch } : undefined,
    abortedTransactions,
    records,
  };
}

const failure = (call: Call, { index }: RequestedPartition, error: ErrorName): PartitionResponse => ({
  index,
  errorCode: call.code(error),
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  abortedTransactions: null,
  records: NO_RECORDS,
});
