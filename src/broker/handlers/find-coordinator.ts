/**
 * FindCoordinator (10), v0-6; many keys since v4.
 *
 * There are no groups, transactions and share groups yet, so there is no coordinator. Kafka's COORDINATOR_NOT_AVAILABLE
 * would be tried again for ever; UNSUPPORTED_VERSION with a message is what clients show their users. Producers without a
 * transactional id and consumers without a group never ask.
 */
import { KafkaError } from '../../errors.ts';
import type { Call, Handler } from '../handler.ts';

/** By key type. */
const NOT_SERVED = ['consumer groups are not served', 'transactions are not served', 'share groups are not served'];

export const findCoordinator: Handler<'FindCoordinator'> = {
  handle({ keyType }) {
    const message = NOT_SERVED[keyType];
    if (message === undefined) throw new KafkaError('INVALID_REQUEST', `${keyType} is no type of coordinator`);
    throw new KafkaError('UNSUPPORTED_VERSION', message);
  },
  refuse: ({ coordinatorKeys }, error, call) => ({
    ...nowhere(call, error),
    coordinators: coordinatorKeys.map((key) => ({ key, ...nowhere(call, error) })),
  }),
};

const nowhere = (call: Call, error: KafkaError) => ({
  errorCode: call.code(error.error),
  errorMessage: error.message,
  nodeId: -1,
  host: '',
  port: -1,
});
