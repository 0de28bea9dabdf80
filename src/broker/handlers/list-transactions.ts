/**
 * ListTransactions (66), v0-2: transactional ids of this broker, filtered by state, producer id, the time that they have been
 * running (v1) and a regular expression for the id (v2), which has to match all of it.
 *
 * As in Kafka: a state that does not exist is named in the answer and matches nothing.
 *
 * Unlike Kafka: by the time they have been running, ids that never had a transaction are not found.
 */
import { compileTopicPattern } from '../../coordinator/group/consumer/topic-pattern.ts';
import type { LiveTransaction } from '../../coordinator/transaction/transaction-index.ts';
import type { ListTransactionsRequest } from '../../protocol/messages/list-transactions.ts';
import type { Handler } from '../handler.ts';

/** Kafka's names; the last two are never seen. */
const STATES: readonly string[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'PrepareEpochFence',
  'Dead',
];

export const listTransactions: Handler<'ListTransactions'> = {
  handle(request, { broker }) {
    const matches = filterOf(request, broker.runtime.clock.now());
    const found = [...broker.coordinators.transactions.list()].filter(matches);
    return {
      errorCode: 0,
      unknownStateFilters: request.stateFilters.filter((state) => !STATES.includes(state)),
      transactionStates: found.map(({ transactionalId, transaction: { producerId, state } }) => ({
        transactionalId,
        producerId,
        transactionState: state,
      })),
    };
  },
  refuse: (_request, error, call) => ({
    errorCode: call.code(error.error),
    unknownStateFilters: [],
    transactionStates: [],
  }),
};

/** Throws INVALID_REGULAR_EXPRESSION. */
function filterOf(request: ListTransactionsRequest, now: number): (live: LiveTransaction) => boolean {
  const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern } = request;
  const states = new Set(stateFilters);
  const producerIds = new Set(producerIdFilters);
  const pattern = transactionalIdPattern ? compileTopicPattern(transactionalIdPattern) : null;
  return ({ transactionalId, transaction: { state, producerId, startedAt } }) =>
    (states.size === 0 || states.has(state)) &&
    (producerIds.size === 0 || producerIds.has(producerId)) &&
    (durationFilter < 0 || (startedAt >= 0 && now - startedAt > durationFilter)) &&
    (pattern === null || pattern.matches(transactionalId));
}
