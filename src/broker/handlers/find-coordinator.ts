/**
 * FindCoordinator (10), v0-6; many keys since v4.
 *
 * Groups and share groups are not served yet: UNSUPPORTED_VERSION with a message, which clients show their users.
 * Kafka's COORDINATOR_NOT_AVAILABLE would be tried again for ever without a word. Producers without a transactional id
 * and consumers without a group never ask.
 *
 * Transactional ids are sent here, where InitProducerId refuses them: librdkafka tries both again until its time is over,
 * whatever the error, but tells its user only about the second.
 */
import { KafkaError } from '../../errors.ts';
import type { Call, Handler } from '../handler.ts';
import { thisNode } from '../partitions.ts';

const KEY_TYPE = { group: 0, transaction: 1, share: 2 } as const;

export const findCoordinator: Handler<'FindCoordinator'> = {
  handle({ keyType, coordinatorKeys }, call) {
    switch (keyType) {
      case KEY_TYPE.transaction: {
        const { rack: _, ...node } = thisNode(call);
        return {
          errorCode: 0,
          errorMessage: null,
          ...node,
          coordinators: coordinatorKeys.map((key) => ({ key, errorCode: 0, ...node })),
        };
      }
      case KEY_TYPE.group:
        throw new KafkaError('UNSUPPORTED_VERSION', 'consumer groups are not served');
      case KEY_TYPE.share:
        throw new KafkaError('UNSUPPORTED_VERSION', 'share groups are not served');
      default:
        throw new KafkaError('INVALID_REQUEST', `${keyType} is no type of coordinator`);
    }
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
