/** Answers what other brokers ask for transactions. Nothing is asked on: the caller looks again. */
import { KafkaError } from '../../errors.ts';
import type { Journals } from '../../journal/journals.ts';
import type { RpcRegistry } from '../../rpc/method.ts';
import { forceMarker } from './forced-marker.ts';
import type { ParticipantJournals } from './participant-journals.ts';
import {
  TRANSACTIONS_ADD_GROUP,
  TRANSACTIONS_ADD_PARTITIONS,
  TRANSACTIONS_FORCE_MARKER,
  TRANSACTIONS_GUARD,
  TRANSACTIONS_MARK,
  TRANSACTIONS_PLACE_GROUP,
} from './transaction-methods.ts';
import type { Transactions } from './transactions.ts';

export interface TransactionCalls {
  readonly journals: Journals;
  readonly transactions: Transactions;
  readonly participants: ParticipantJournals;
}

export function answerTransactionCalls(registry: RpcRegistry, calls: TransactionCalls): void {
  const { journals, transactions, participants } = calls;
  registry.handle(TRANSACTIONS_GUARD, (wish) => participants.guardHere(wish).then(nothing));
  registry.handle(TRANSACTIONS_MARK, (wish) => participants.markHere(wish).then(nothing));
  registry.handle(TRANSACTIONS_PLACE_GROUP, (wish) => participants.placeGroupHere(wish).then(nothing));
  registry.handle(TRANSACTIONS_ADD_PARTITIONS, ({ transactionalId, producer, partitions }) =>
    transactions.addPartitions(transactionalId, producer, partitions),
  );
  registry.handle(TRANSACTIONS_ADD_GROUP, ({ transactionalId, producer, groupId, client }) =>
    transactions.addGroup(transactionalId, producer, groupId, client).then(nothing),
  );
  registry.handle(TRANSACTIONS_FORCE_MARKER, async ({ journal: id, place, marker }) => {
    const journal = journals.get(id);
    if (journal?.role !== 'leading') {
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `this broker does not lead journal ${id}`);
    }
    await forceMarker(journal, place, marker);
    return null;
  });
}

const nothing = () => null;
