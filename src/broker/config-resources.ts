/** What DescribeConfigs and the alter requests share: types of resources, and the configurations of a topic and a broker. */
import {
  effective,
  type Overrides,
  TOPIC_CONFIGS,
  type TopicConfigName,
  topicConfigDefinition,
} from '../cluster/topic-config.ts';
import { topicNameProblem } from '../cluster/topic-name.ts';
import type { Topic } from '../cluster/topics.ts';
import { SETTINGS, type SettingName } from '../config.ts';
import { KafkaError } from '../errors.ts';
import type { Broker } from './handler.ts';
import { unknownTopic } from './item-errors.ts';

/** Kafka's ConfigResource.Type. */
export const RESOURCE_TYPE = { topic: 2, broker: 4 } as const;

/** Kafka's ConfigEntry.ConfigSource as numbered on the wire. */
export const CONFIG_SOURCE = { topic: 1, staticBroker: 4, default: 5 } as const;

/** Kafka's ConfigEntry.ConfigType as numbered on the wire. */
const CONFIG_TYPE = { BOOLEAN: 1, STRING: 2, INT: 3, LONG: 5, DOUBLE: 6, LIST: 7 } as const;

export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  /** Where the value comes from and what it would be without, nearest first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string; readonly source: number }[];
  readonly configType: number;
  readonly documentation: string;
}

/** Throws INVALID_TOPIC_EXCEPTION or UNKNOWN_TOPIC_OR_PARTITION. */
export function requireTopic(broker: Broker, name: string): Topic {
  const topic = broker.topics.byName(name);
  if (topic !== undefined) return topic;
  const problem = topicNameProblem(name);
  throw problem === null ? unknownTopic(name) : new KafkaError('INVALID_TOPIC_EXCEPTION', problem);
}

/** Throws INVALID_REQUEST for a resource that is neither a topic nor this broker. */
export function unsupportedResource(type: number): KafkaError {
  return new KafkaError('INVALID_REQUEST', `resources of type ${type} have no configurations here`);
}

export function checkBrokerName(broker: Broker, name: string): void {
  if (name === '' || name === String(broker.brokerId)) return;
  throw new KafkaError(
    'INVALID_REQUEST',
    `Unexpected broker id, expected ${broker.brokerId} or empty string, but received ${name}`,
  );
}

const topicConfigNames = Object.keys(TOPIC_CONFIGS) as TopicConfigName[];

export const topicConfigs = (overrides: Overrides, brokerDefaults: Overrides): DescribedConfig[] =>
  topicConfigNames.map((name) => describeTopicConfig(name, overrides, brokerDefaults));

function describeTopicConfig(name: TopicConfigName, overrides: Overrides, brokerDefaults: Overrides): DescribedConfig {
  const definition = topicConfigDefinition(name);
  const synonyms: { name: string; value: string; source: number }[] = [];
  const override = overrides[name];
  if (override !== undefined) synonyms.push({ name, value: override, source: CONFIG_SOURCE.topic });
  const ofBroker = brokerDefaults[name];
  const brokerName = definition.synonym ?? name;
  if (ofBroker !== undefined && ofBroker !== definition.default) {
    synonyms.push({ name: brokerName, value: ofBroker, source: CONFIG_SOURCE.staticBroker });
  }
  synonyms.push({ name: brokerName, value: definition.default, source: CONFIG_SOURCE.default });
  return {
    name,
    value: effective(name, overrides, brokerDefaults),
    readOnly: false,
    configSource: synonyms[0]!.source,
    isSensitive: false,
    synonyms,
    configType: CONFIG_TYPE[definition.type],
    documentation: definition.doc,
  };
}

/** Settings that mean what Kafka's configuration of that name means. */
const KAFKA_SETTINGS = [
  'broker.id',
  'auto.create.topics.enable',
  'num.partitions',
  'message.max.bytes',
  'log.retention.ms',
  'log.retention.bytes',
  'fetch.max.bytes',
  'socket.request.max.bytes',
  'connections.max.idle.ms',
  'producer.id.expiration.ms',
] as const satisfies readonly SettingName[];

/** Read-only: they are given when the broker starts. */
export function brokerConfigs({ config, topicDefaults }: Broker): DescribedConfig[] {
  const settings = KAFKA_SETTINGS.map((name): DescribedConfig => {
    const { type, default: fallback, doc } = SETTINGS[name];
    const value = String(config[name]);
    const source = value === String(fallback) ? CONFIG_SOURCE.default : CONFIG_SOURCE.staticBroker;
    const synonyms = [{ name, value, source }];
    const configType = type === 'boolean' ? CONFIG_TYPE.BOOLEAN : CONFIG_TYPE.LONG;
    return { ...readOnly(name, value, source, configType, doc), synonyms };
  });
  const known = new Set<string>(KAFKA_SETTINGS);
  // What topics get by default, under the names that Kafka gives brokers for it.
  const ofTopics = topicConfigNames.flatMap((name): DescribedConfig[] => {
    const { synonym, type, doc } = topicConfigDefinition(name);
    if (synonym === undefined || known.has(synonym)) return [];
    const value = effective(name, {}, topicDefaults);
    return [readOnly(synonym, value, CONFIG_SOURCE.default, CONFIG_TYPE[type], doc)];
  });
  return [...settings, ...ofTopics];
}

const readOnly = (
  name: string,
  value: string,
  source: number,
  configType: number,
  documentation: string,
): DescribedConfig => ({
  name,
  value,
  readOnly: true,
  configSource: source,
  isSensitive: false,
  synonyms: [{ name, value, source }],
  configType,
  documentation,
});
