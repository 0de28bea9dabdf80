/**
 * EndTxn (26), v0-5: commits or aborts (KIP-98). Answered when the end is durable and cannot be taken back; partitions and
 * groups are told of it then.
 *
 * Since v5 every end takes an epoch, and the answer is what to go on with (KIP-890); a repeat is answered as the first time.
 * Before, a repeat is told by the state: a transaction that was committed can be committed again, but not aborted. A fenced
 * producer is PRODUCER_FENCED, INVALID_PRODUCER_EPOCH before v2.
 *
 * Unlike Kafka: a repeat that comes while partitions are still being told waits for that, up to 3 s, before it is
 * CONCURRENT_TRANSACTIONS.
 */
import type { Handler } from '../handler.ts';
import { asToldBefore } from '../transaction-errors.ts';

const FENCED_SINCE = 2;
const BUMPS_SINCE = 5;

export const endTxn: Handler<'EndTxn'> = {
  async handle({ transactionalId, producerId, producerEpoch, committed }, call) {
    const bumpsEpoch = call.apiVersion >= BUMPS_SINCE;
    const producer = { producerId, producerEpoch };
    const after = await call.broker.coordinators.transactions.end(transactionalId, { producer, committed, bumpsEpoch });
    return { errorCode: 0, ...after };
  },
  refuse: (_request, { error }, call) => ({
    errorCode: call.code(asToldBefore(FENCED_SINCE, call.apiVersion, error)),
  }),
};
