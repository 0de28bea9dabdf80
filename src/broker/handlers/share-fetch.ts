/**
 * ShareFetch (78), v1-2: records of a share group, and acknowledgements of earlier ones (KIP-932).
 *
 * - A session remembers the partitions: epoch 0 opens it, -1 ends it with a last acknowledgement and without records. What
 *   the member still holds then, or when its connection ends, is there for others.
 * - Whole batches; `acquiredRecords` tells which of their records this member has, until the lock ends.
 * - Long poll: until `minBytes` are there, `maxWaitMs` is over, or a partition has an error. Partitions without records,
 *   errors and acknowledgements are left out of the answer. An acknowledgement is answered when it is durable.
 * - v2 knows the acquire mode record_limit (KIP-1206) and locks that are renewed (KIP-1222); then nothing is fetched.
 *
 * Unlike Kafka, records of aborted transactions and markers are never acquired, so that clients need not report gaps there.
 */
import type { FetchOutcome } from '../../coordinator/share/shares.ts';
import { KafkaError } from '../../errors.ts';
import type { ShareFetchRequest, ShareFetchResponse } from '../../protocol/messages/share-fetch.ts';
import type { Call, Handler } from '../handler.ts';
import { thisNode } from '../partitions.ts';
import { acknowledgeWishOf, byTopic, leaderOf } from '../share-requests.ts';

const WAIT_MS_MAX = 300_000;
const RECORD_LIMIT = 1;

type PartitionResponse = ShareFetchResponse['topics'][number]['partitions'][number];

export const shareFetch: Handler<'ShareFetch'> = {
  turn: 'fetch',
  async handle(request, call) {
    const { shares } = call.broker.coordinators;
    const wish = acknowledgeWishOf(request, call);
    if (wish.renews) checkRenewal(request);
    const maxBytes = Math.min(request.maxBytes, call.broker.config['fetch.max.bytes'], call.answerBytesMax);
    const fetched = await shares.fetch(
      {
        ...wish,
        acknowledgements: wish.acknowledgements.filter(({ batches }) => batches.length > 0),
        places: wish.acknowledgements.map(({ topicId, partition }) => ({ topicId, partition })),
        forgotten: request.forgottenTopics.flatMap(({ topicId, partitions }) =>
          partitions.map((partition) => ({ topicId, partition })),
        ),
        maxWaitMs: Math.min(Math.max(request.maxWaitMs, 0), WAIT_MS_MAX),
        minBytes: Math.min(Math.max(request.minBytes, 0), maxBytes),
        maxBytes,
        maxRecords: request.maxRecords,
        batchSize: Math.max(request.batchSize, 1),
        mode: request.shareAcquireMode === RECORD_LIMIT ? 'record_limit' : 'batch_optimized',
      },
      call.signal,
    );
    call.onSent(() => fetched.release());
    const topics = byTopic(fetched.partitions, (outcome) => shown(call, outcome));
    const namesLeader = topics.some(({ partitions }) =>
      partitions.some(({ currentLeader }) => currentLeader.leaderId !== -1),
    );
    return {
      errorCode: 0,
      acquisitionLockTimeoutMs: shares.lockDurationMs(wish.groupId),
      topics,
      nodeEndpoints: namesLeader ? [thisNode(call)] : [],
    };
  },
  refuse: (_request, { error, message }, call) => ({
    errorCode: call.code(error),
    errorMessage: message,
    topics: [],
    nodeEndpoints: [],
  }),
};

/** A fetch would take longer than the lock that was renewed. Throws INVALID_REQUEST. */
function checkRenewal({ maxBytes, minBytes, maxRecords, maxWaitMs }: ShareFetchRequest): void {
  if (maxBytes === 0 && minBytes === 0 && maxRecords === 0 && maxWaitMs === 0) return;
  throw new KafkaError(
    'INVALID_REQUEST',
    'a request that renews locks fetches nothing: maxBytes, minBytes, maxRecords and maxWaitMs must be 0',
  );
}

const shown = (call: Call, outcome: FetchOutcome): PartitionResponse => ({
  index: outcome.partition,
  errorCode: call.code(outcome.error),
  errorMessage: outcome.message === '' ? null : outcome.message,
  acknowledgeErrorCode: call.code(outcome.acknowledged.error),
  acknowledgeErrorMessage: outcome.acknowledged.message,
  currentLeader: leaderOf(call, outcome),
  records: outcome.records,
  acquiredRecords: outcome.ranges.map(({ first, last, deliveryCount }) => ({
    firstOffset: first,
    lastOffset: last,
    deliveryCount,
  })),
});
