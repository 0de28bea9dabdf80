/**
 * InitProducerId (22), v0-5.
 *
 * Idempotent producers get a new id with epoch 0, also when they bring an old one to have its epoch raised (v3), as in
 * Kafka: a new id is always safe, the sequence numbers start again with it.
 *
 * With a transactional id the epoch is raised, which fences whoever had it, and a transaction that was left open is aborted.
 * One that brings its id and epoch (v3, KIP-360) goes on with the next one, and gets the same answer again when it asks
 * again; a zombie is PRODUCER_FENCED, INVALID_PRODUCER_EPOCH before v4.
 *
 * Unlike Kafka: whoever meets an open transaction is answered once it is aborted, not told CONCURRENT_TRANSACTIONS first,
 * unless that takes more than 3 s. A producer that brings the current epoch in the middle of its transaction goes on.
 * Beyond 100,000 transactional ids a new one is POLICY_VIOLATION.
 */
import { KafkaError } from '../../errors.ts';
import type { InitProducerIdRequest } from '../../protocol/messages/init-producer-id.ts';
import type { Call, Handler } from '../handler.ts';
import { asToldBefore } from '../transaction-errors.ts';

export const initProducerId: Handler<'InitProducerId'> = {
  async handle(request, call) {
    const { transactionalId } = request;
    if (transactionalId === '') throw new KafkaError('INVALID_REQUEST', 'a transactional id may not be empty');
    if ((request.producerId === -1) !== (request.producerEpoch === -1)) {
      throw new KafkaError('INVALID_REQUEST', 'a producer id and its epoch go together');
    }
    if (transactionalId !== null) return { errorCode: 0, ...(await initialize(transactionalId, request, call)) };
    return { errorCode: 0, producerId: await call.broker.log.allocateProducerId(), producerEpoch: 0 };
  },
  refuse: (_request, { error }, call) => ({
    errorCode: call.code(asToldBefore(FENCED_SINCE, call.apiVersion, error)),
    producerId: -1,
    producerEpoch: -1,
  }),
};

const FENCED_SINCE = 4;

function initialize(transactionalId: string, request: InitProducerIdRequest, call: Call) {
  const { transactionTimeoutMs: timeoutMs, producerId, producerEpoch } = request;
  const expected = producerId === -1 ? null : { producerId, producerEpoch };
  return call.broker.coordinators.transactions.initProducerId(transactionalId, { timeoutMs, expected });
}
