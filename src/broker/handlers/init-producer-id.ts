/**
 * InitProducerId (22), v0-5.
 *
 * Idempotent producers get a new id with epoch 0, also when they bring an old one to have its epoch raised (v3), as in
 * Kafka: a new id is always safe, the sequence numbers start again with it.
 *
 * Unlike Kafka: transactions are not served. A transactional id is refused with UNSUPPORTED_VERSION, which producers report
 * at once; an error that may be retried would keep them waiting.
 */
import { KafkaError } from '../../errors.ts';
import type { Handler } from '../handler.ts';

export const initProducerId: Handler<'InitProducerId'> = {
  async handle({ transactionalId, producerId, producerEpoch }, call) {
    if (transactionalId === '') throw new KafkaError('INVALID_REQUEST', 'a transactional id may not be empty');
    if (transactionalId !== null) throw new KafkaError('UNSUPPORTED_VERSION', 'transactions are not served');
    if ((producerId === -1) !== (producerEpoch === -1)) {
      throw new KafkaError('INVALID_REQUEST', 'a producer id and its epoch go together');
    }
    return { errorCode: 0, producerId: await call.broker.log.allocateProducerId(), producerEpoch: 0 };
  },
  refuse: (_request, error, call) => ({ errorCode: call.code(error.error), producerId: -1, producerEpoch: -1 }),
};
