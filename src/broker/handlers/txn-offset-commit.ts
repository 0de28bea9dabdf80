/**
 * TxnOffsetCommit (28), v0-5: offsets that count when the producer's transaction commits (KIP-98).
 *
 * The group must be part of the transaction: AddOffsetsToTxn puts it there; v5 does so by itself (KIP-890). Otherwise
 * INVALID_TXN_STATE, or TRANSACTION_ABORTABLE since v4. A producer of an older epoch is INVALID_PRODUCER_EPOCH. Since v3 the
 * member is checked as OffsetCommit does (KIP-447). One transaction may hold some 700 partitions of a group, beyond which it is
 * INVALID_COMMIT_OFFSET_SIZE: they become visible with one journal entry.
 */
import { KafkaError, toKafkaError } from '../../errors.ts';
import type { TxnOffsetCommitRequest } from '../../protocol/messages/txn-offset-commit.ts';
import type { Call, Handler } from '../handler.ts';
import { clientOf, codesOf, eachOf, learnNames, offsetOf, withCodes } from '../offset-topics.ts';

export const txnOffsetCommit: Handler<'TxnOffsetCommit'> = {
  async handle(request, call) {
    const { groupId, topics } = request;
    const { apiVersion, broker } = call;
    const { producerId, producerEpoch, memberId, groupInstanceId, generationId } = request;
    const learning = learnNames(call);
    if (learning !== null) await learning;
    const offsets = topics.flatMap((topic) =>
      topic.partitions.map((partition) => offsetOf(call, { name: topic.name, topicId: '' }, partition)),
    );
    const committer = {
      memberId,
      groupInstanceId,
      generationIdOrMemberEpoch: generationId,
      transactional: true,
      apiVersion,
    };
    const producer = { producerId, producerEpoch, knowsAbortable: apiVersion >= 4 };
    const codes = await codesOf(call, offsets, async (accepted) => {
      if (apiVersion >= 5) await addGroup(request, call);
      const client = { groupId, client: clientOf(call) };
      return broker.coordinators.offsets.commitTransactional(client, committer, producer, accepted);
    });
    return { topics: withCodes(topics, eachOf(codes)) };
  },
  refuse: ({ topics }, error, call) => ({ topics: withCodes(topics, () => call.code(error.error)) }),
};

/** Kafka tells a fenced producer here what its log tells it. */
async function addGroup(request: TxnOffsetCommitRequest, call: Call): Promise<void> {
  const { transactionalId, producerId, producerEpoch, groupId } = request;
  try {
    const producer = { producerId, producerEpoch };
    const client = clientOf(call);
    await call.broker.coordinators.transactions.enlistGroup({ transactionalId, producer, groupId, client });
  } catch (cause) {
    const error = toKafkaError(cause);
    if (error?.error === 'PRODUCER_FENCED') throw new KafkaError('INVALID_PRODUCER_EPOCH', error.message, { cause });
    throw cause;
  }
}
