/**
 * AddOffsetsToTxn (25), v0-4: a group's offsets join the transaction, so that TxnOffsetCommit may follow (KIP-98). The group
 * need not exist. A fenced producer is PRODUCER_FENCED, INVALID_PRODUCER_EPOCH before v2.
 */
import { KafkaError } from '../../errors.ts';
import type { Handler } from '../handler.ts';
import { clientOf } from '../offset-topics.ts';
import { asToldBefore } from '../transaction-errors.ts';

const FENCED_SINCE = 2;

export const addOffsetsToTxn: Handler<'AddOffsetsToTxn'> = {
  async handle({ transactionalId, producerId, producerEpoch, groupId }, call) {
    if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'a group needs an id');
    const { transactions } = call.broker.coordinators;
    await transactions.addGroup(transactionalId, { producerId, producerEpoch }, groupId, clientOf(call));
    return { errorCode: 0 };
  },
  refuse: (_request, { error }, call) => ({
    errorCode: call.code(asToldBefore(FENCED_SINCE, call.apiVersion, error)),
  }),
};
