/**
 * ListConfigResources (74), v0-1: names of what has configurations (KIP-1142).
 *
 * v0 lists subscriptions to client metrics, of which there are none. v1 lists topics, brokers, their loggers, and groups
 * that set anything; no types ask for all of them, a type that does not exist is UNSUPPORTED_VERSION, as in Kafka.
 */
import { KafkaError } from '../../errors.ts';
import { RESOURCE_TYPE } from '../config-resources.ts';
import type { Broker, Handler } from '../handler.ts';

const brokerNames = ({ members }: Broker) => members.live().map(({ brokerId }) => String(brokerId));

const NAMES: ReadonlyMap<number, (broker: Broker) => Iterable<string>> = new Map([
  [RESOURCE_TYPE.group, ({ configs }: Broker) => configs.groups.groupIds()],
  [RESOURCE_TYPE.clientMetrics, () => []],
  [RESOURCE_TYPE.brokerLogger, brokerNames],
  [RESOURCE_TYPE.broker, brokerNames],
  [RESOURCE_TYPE.topic, ({ topics }: Broker) => topics.list('', '', topics.count).map(({ name }) => name)],
]);

export const listConfigResources: Handler<'ListConfigResources'> = {
  handle({ resourceTypes }, { apiVersion, broker }) {
    if (apiVersion === 0) return { errorCode: 0, configResources: [] };
    const unknown = resourceTypes.find((type) => !NAMES.has(type));
    if (unknown !== undefined) throw new KafkaError('UNSUPPORTED_VERSION', `${unknown} is no type of resource`);
    const types = new Set(resourceTypes.length === 0 ? NAMES.keys() : resourceTypes);
    const configResources = [...types].flatMap((resourceType) =>
      Array.from(NAMES.get(resourceType)!(broker), (name) => ({ name, resourceType })),
    );
    return { errorCode: 0, configResources };
  },
  refuse: (_request, error, call) => ({ errorCode: call.code(error.error), configResources: [] }),
};
