/**
 * AddPartitionsToTxn (24), v0-5: partitions join a transaction before their first batch (KIP-98).
 *
 * All or none: where one partition does not exist it is UNKNOWN_TOPIC_OR_PARTITION and the others are
 * OPERATION_NOT_ATTEMPTED. A fenced producer is PRODUCER_FENCED, INVALID_PRODUCER_EPOCH before v2. Since v4 a request names
 * several transactions, and may ask only whether partitions belong to one: those that do not are TRANSACTION_ABORTABLE,
 * INVALID_TXN_STATE in v4.
 *
 * Unlike Kafka: v4 and v5, which its brokers send to each other, are open to everyone, since nothing authenticates clients.
 */

import { type Place, partitionsOf } from '../../coordinator/transaction/participants.ts';
import { type ErrorName, type KafkaError, toKafkaError } from '../../errors.ts';
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../protocol/messages/add-partitions-to-txn.ts';
import type { Call, Handler } from '../handler.ts';
import { findPartition } from '../partitions.ts';
import { asToldBefore } from '../transaction-errors.ts';

const FENCED_SINCE = 2;
const MANY_SINCE = 4;
const ABORTABLE_SINCE = 5;

type Topics = AddPartitionsToTxnRequest['topics'];
type TopicResults = NonNullable<AddPartitionsToTxnResponse['topics']>;
type Asked = Omit<AddPartitionsToTxnRequest['transactions'][number], 'verifyOnly'>;

export const addPartitionsToTxn: Handler<'AddPartitionsToTxn'> = {
  async handle(request, call) {
    if (call.apiVersion < MANY_SINCE) return { topics: await added(request, call) };
    const transactions = await Promise.all(
      request.transactions.map(async (asked) => ({
        transactionalId: asked.transactionalId,
        topics: await (asked.verifyOnly ? verified : added)(asked, call).catch((cause) => refused(asked, call, cause)),
      })),
    );
    return { errorCode: 0, transactions };
  },
  refuse({ topics }, error, call) {
    if (call.apiVersion < MANY_SINCE) return { topics: resultsOf(topics, () => codeOf(call, error)) };
    return { errorCode: call.code(error.error), transactions: [] };
  },
};

async function added({ transactionalId, producerId, producerEpoch, topics }: Asked, call: Call): Promise<TopicResults> {
  const { places, unknown } = find(topics, call);
  if (unknown.size > 0) {
    const code = (isUnknown: boolean) =>
      call.code(isUnknown ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'OPERATION_NOT_ATTEMPTED');
    return resultsOf(topics, (name, index) => code(unknown.has(keyOf(name, index))));
  }
  const producer = { producerId, producerEpoch };
  const { transactions } = call.broker.coordinators;
  await transactions.addPartitions(transactionalId, producer, partitionsOf(places.values()));
  return resultsOf(topics, () => 0);
}

async function verified(
  { transactionalId, producerId, producerEpoch, topics }: Asked,
  call: Call,
): Promise<TopicResults> {
  const { places } = find(topics, call);
  const verify = await call.broker.coordinators.transactions.verify(transactionalId, { producerId, producerEpoch });
  return resultsOf(topics, (name, index) => {
    const place = places.get(keyOf(name, index));
    const error = place ? verify(place.topicId, place.partition) : 'UNKNOWN_TOPIC_OR_PARTITION';
    if (error === null) return 0;
    const isOld = error === 'TRANSACTION_ABORTABLE' && call.apiVersion < ABORTABLE_SINCE;
    return call.code(isOld ? 'INVALID_TXN_STATE' : error);
  });
}

function refused({ topics }: Asked, call: Call, cause: unknown): TopicResults {
  const error = toKafkaError(cause);
  if (error === null) throw cause;
  return resultsOf(topics, () => codeOf(call, error));
}

/** Partitions that exist, and the keys of those that do not. */
function find(topics: Topics, { broker }: Call) {
  const places = new Map<string, Place>();
  const unknown = new Set<string>();
  for (const { name, partitions } of topics) {
    const topic = broker.topics.byName(name);
    for (const index of partitions) {
      const found = topic && findPartition(topic, index);
      if (found && 'topicId' in found) places.set(keyOf(name, index), found);
      else unknown.add(keyOf(name, index));
    }
  }
  return { places, unknown };
}

const keyOf = (name: string, index: number): string => `${name}:${index}`;

const codeOf = (call: Call, { error }: KafkaError): number =>
  call.code(asToldBefore(FENCED_SINCE, call.apiVersion, error satisfies ErrorName));

const resultsOf = (topics: Topics, code: (name: string, index: number) => number): TopicResults =>
  topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((index) => ({ index, errorCode: code(name, index) })),
  }));
