/**
 * FindCoordinator (10), v0-6; many keys since v4, share partitions (`group:topicId:partition`) since v6.
 *
 * A single broker coordinates everything, so the answer is always this one, under the address that Metadata tells. Keys
 * that cannot be are refused one by one: an empty group id INVALID_GROUP_ID, a malformed share key INVALID_REQUEST. An
 * empty transactional id is not refused here, but by InitProducerId, as in Kafka.
 */
import { type ErrorName, KafkaError } from '../../errors.ts';
import type { Call, Handler } from '../handler.ts';
import { thisNode } from '../partitions.ts';

const KEY_TYPE = { group: 0, transaction: 1, share: 2 } as const;
const MANY_SINCE = 4;
const SHARE_SINCE = 6;
const SHARE_KEY = /^.+:[A-Za-z0-9_-]{22}:\d{1,10}$/;

export const findCoordinator: Handler<'FindCoordinator'> = {
  handle({ key, keyType, coordinatorKeys }, call) {
    const isShare = keyType === KEY_TYPE.share && call.apiVersion >= SHARE_SINCE;
    if (keyType !== KEY_TYPE.group && keyType !== KEY_TYPE.transaction && !isShare) {
      throw new KafkaError('INVALID_REQUEST', `${keyType} is no type of coordinator`);
    }
    const { rack: _, ...node } = thisNode(call);
    const find = (each: string) => {
      const wrong = problemOf(each, keyType);
      return wrong === null ? { errorCode: 0, errorMessage: null, ...node } : nowhere(call, ...wrong);
    };
    if (call.apiVersion < MANY_SINCE) return { ...find(key), coordinators: [] };
    return { ...NOWHERE, errorCode: 0, coordinators: coordinatorKeys.map((each) => ({ key: each, ...find(each) })) };
  },
  refuse: ({ coordinatorKeys }, { error, message }, call) => ({
    ...nowhere(call, error, message),
    coordinators: coordinatorKeys.map((key) => ({ key, ...nowhere(call, error, message) })),
  }),
};

function problemOf(key: string, keyType: number): readonly [ErrorName, string] | null {
  if (keyType === KEY_TYPE.group && key === '') return ['INVALID_GROUP_ID', 'a group needs an id'];
  if (keyType === KEY_TYPE.share && !SHARE_KEY.test(key)) {
    return ['INVALID_REQUEST', `${JSON.stringify(key)} is no share partition: expected group:topicId:partition`];
  }
  return null;
}

const NOWHERE = { nodeId: -1, host: '', port: -1 } as const;

const nowhere = (call: Call, error: ErrorName, errorMessage: string) => ({
  errorCode: call.code(error),
  errorMessage,
  ...NOWHERE,
});
