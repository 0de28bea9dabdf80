/**
 * DescribeTransactions (65), v0: state, producer, timeout, start and partitions of transactional ids (KIP-664).
 *
 * As in Kafka: partitions are there while the transaction is open or being ended; an unknown id is
 * TRANSACTIONAL_ID_NOT_FOUND, an empty one INVALID_REQUEST.
 *
 * Unlike Kafka: partitions stay until all of them know the end. Groups have no partitions of their own and are not shown.
 */
import type { Transaction } from '../../coordinator/transaction/transaction-state.ts';
import type { DescribeTransactionsResponse } from '../../protocol/messages/describe-transactions.ts';
import type { Broker, Call, Handler } from '../handler.ts';
import { changeEach, itemError } from '../item-errors.ts';

type Described = DescribeTransactionsResponse['transactionStates'][number];

export const describeTransactions: Handler<'DescribeTransactions'> = {
  async handle({ transactionalIds }, call) {
    return { transactionStates: await changeEach(transactionalIds, (id) => describe(id, call)) };
  },
  refuse: ({ transactionalIds }, error, call) => ({
    transactionStates: transactionalIds.map((id) => failure(id, call.code(error.error))),
  }),
};

async function describe(transactionalId: string, call: Call): Promise<Described> {
  const { broker } = call;
  let transaction: Transaction;
  try {
    transaction = await broker.coordinators.transactions.describe(transactionalId);
  } catch (cause) {
    return failure(transactionalId, itemError(call, cause).errorCode);
  }
  const { state, timeoutMs, startedAt, producerId, producerEpoch } = transaction;
  return {
    errorCode: 0,
    transactionalId,
    transactionState: state,
    transactionTimeoutMs: timeoutMs,
    transactionStartTimeMs: startedAt,
    producerId,
    producerEpoch,
    topics: topicsOf(transaction, broker),
  };
}

/** Those of topics that were deleted are left out. */
const topicsOf = ({ partitions }: Transaction, { topics }: Broker) =>
  Object.entries(partitions).flatMap(([topicId, numbers]) => {
    const topic = topics.byId(topicId);
    return topic ? [{ name: topic.name, partitions: numbers }] : [];
  });

const failure = (transactionalId: string, errorCode: number): Described => ({ errorCode, transactionalId, topics: [] });
