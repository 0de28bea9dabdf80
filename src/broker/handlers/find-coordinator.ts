/**
 * FindCoordinator (10), v0-6; many keys since v4, share partitions (`group:topicId:partition`) since v6.
 *
 * The coordinator is the broker that leads the journal of the group or id, or the journal that would keep it if it were
 * created now; COORDINATOR_NOT_AVAILABLE while nobody is known to lead it. Any broker answers, under the address that
 * Metadata tells. Keys that cannot be are refused one by one: an empty group id INVALID_GROUP_ID, a malformed share key
 * INVALID_REQUEST. An empty transactional id is not refused here, but by InitProducerId, as in Kafka.
 */
import { groupOwner, transactionOwner } from '../../coordinator/owner.ts';
import { type ErrorName, KafkaError, toKafkaError } from '../../errors.ts';
import type { Call, Handler } from '../handler.ts';

const KEY_TYPE = { group: 0, transaction: 1, share: 2 } as const;
const MANY_SINCE = 4;
const SHARE_SINCE = 6;
const SHARE_KEY = /^.+:[A-Za-z0-9_-]{22}:\d{1,10}$/;
const SHARE_PLACE = /:[A-Za-z0-9_-]{22}:\d{1,10}$/;

export const findCoordinator: Handler<'FindCoordinator'> = {
  async handle({ key, keyType, coordinatorKeys }, call) {
    const isShare = keyType === KEY_TYPE.share && call.apiVersion >= SHARE_SINCE;
    if (keyType !== KEY_TYPE.group && keyType !== KEY_TYPE.transaction && !isShare) {
      throw new KafkaError('INVALID_REQUEST', `${keyType} is no type of coordinator`);
    }
    if (call.apiVersion < MANY_SINCE) return { ...(await find(key, keyType, call)), coordinators: [] };
    const keys = coordinatorKeys.map(async (each) => ({ key: each, ...(await find(each, keyType, call)) }));
    return { ...NOWHERE, errorCode: 0, coordinators: await Promise.all(keys) };
  },
  refuse: ({ coordinatorKeys }, { error, message }, call) => ({
    ...nowhere(call, error, message),
    coordinators: coordinatorKeys.map((key) => ({ key, ...nowhere(call, error, message) })),
  }),
};

async function find(key: string, keyType: number, call: Call) {
  const wrong = problemOf(key, keyType);
  if (wrong !== null) return nowhere(call, ...wrong);
  try {
    const brokerId = await call.broker.coordinators.whoCoordinates(ownerOf(key, keyType));
    const node = brokerId === null ? null : call.view.node(brokerId);
    if (node === null) return nowhere(call, 'COORDINATOR_NOT_AVAILABLE', 'nobody leads its journal now');
    const { rack: _, ...address } = node;
    return { errorCode: 0, errorMessage: null, ...address };
  } catch (cause) {
    const error = toKafkaError(cause);
    if (error === null) throw cause;
    return nowhere(call, 'COORDINATOR_NOT_AVAILABLE', error.message);
  }
}

const ownerOf = (key: string, keyType: number): string => {
  if (keyType === KEY_TYPE.transaction) return transactionOwner(key);
  return groupOwner(keyType === KEY_TYPE.share ? key.replace(SHARE_PLACE, '') : key);
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
