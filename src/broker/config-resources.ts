/** What DescribeConfigs and the alter requests share: types of resources, and the configurations of each. */
import { DYNAMIC_CONFIGS, isDynamic, kafkaName } from '../cluster/broker-config.ts';
import type { BrokerConfigs } from '../cluster/broker-configs.ts';
import type { ConfigDefinition } from '../cluster/config-definition.ts';
import { GROUP_CONFIGS, groupDefaults } from '../cluster/group-config.ts';
import { type Overrides, TOPIC_CONFIGS } from '../cluster/topic-config.ts';
import { topicNameProblem } from '../cluster/topic-name.ts';
import type { Topic } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import { type Config, SETTINGS, type SettingName } from '../settings.ts';
import type { Broker } from './handler.ts';
import { unknownTopic } from './item-errors.ts';

/** Kafka's ConfigResource.Type. */
export const RESOURCE_TYPE = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;

/** Kafka's ConfigEntry.ConfigSource as numbered on the wire. */
export const CONFIG_SOURCE = {
  topic: 1,
  broker: 2,
  allBrokers: 3,
  static: 4,
  default: 5,
  logger: 6,
  group: 8,
} as const;

/** Kafka's ConfigEntry.ConfigType as numbered on the wire. */
const CONFIG_TYPE = { BOOLEAN: 1, STRING: 2, INT: 3, LONG: 5, DOUBLE: 6, LIST: 7, PASSWORD: 9 } as const;

interface Synonym {
  readonly name: string;
  /** Null where it is a secret. */
  readonly value: string | null;
  readonly source: number;
}

export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  /** Where the value comes from and what it would be without, nearest first. */
  readonly synonyms: readonly Synonym[];
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

export const unsupportedResource = (type: number): KafkaError =>
  new KafkaError('INVALID_REQUEST', `Unknown resource type ${type}: there are topics, brokers and groups`);

/** Throws INVALID_REQUEST for what is no broker of the cluster. '' stands for all of them. */
export function checkBrokerName({ members }: Broker, name: string): void {
  if (name === '' || members.live().some(({ brokerId }) => String(brokerId) === name)) return;
  const known = members.live().map(({ brokerId }) => brokerId);
  throw new KafkaError(
    'INVALID_REQUEST',
    `Unexpected broker id, expected one of ${known.join(', ')} or empty string, but received ${name}`,
  );
}

/** Throws INVALID_REQUEST for all but this broker: what its process alone knows. */
export function checkThisBroker({ brokerId }: Broker, name: string): void {
  if (name === String(brokerId)) return;
  throw new KafkaError('INVALID_REQUEST', `Unexpected broker id, expected ${brokerId}, but received ${name}`);
}

function described(
  name: string,
  definition: ConfigDefinition,
  synonyms: readonly Synonym[],
  fallback: string,
): DescribedConfig {
  return {
    name,
    value: synonyms[0]?.value ?? fallback,
    readOnly: false,
    configSource: synonyms[0]?.source ?? CONFIG_SOURCE.default,
    isSensitive: false,
    synonyms,
    configType: CONFIG_TYPE[definition.type],
    documentation: definition.doc,
  };
}

const overrideOf = (name: string, value: string | undefined, source: number): Synonym[] =>
  value === undefined ? [] : [{ name, value, source }];

export const topicConfigs = (overrides: Overrides, brokers: BrokerConfigs): DescribedConfig[] =>
  Object.entries<ConfigDefinition>(TOPIC_CONFIGS).map(([name, definition]) => {
    const ofBroker = definition.synonym === undefined ? [] : dynamicSynonyms(definition.synonym, brokers);
    const synonyms = [...overrideOf(name, overrides[name], CONFIG_SOURCE.topic), ...ofBroker];
    return described(name, definition, synonyms, definition.default);
  });

/** Throws INVALID_REQUEST for the group ''. */
export function groupConfigs(groupId: string, { config, configs }: Broker): DescribedConfig[] {
  if (groupId === '') throw new KafkaError('INVALID_REQUEST', 'Group name must not be empty');
  const overrides = configs.groups.overridesOf(groupId);
  const defaults = groupDefaults(config);
  return Object.entries<ConfigDefinition>(GROUP_CONFIGS).map(([name, definition]) => {
    const { synonym } = definition;
    const synonyms = [
      ...overrideOf(name, overrides[name], CONFIG_SOURCE.group),
      ...(synonym === undefined
        ? overrideOf(name, definition.default, CONFIG_SOURCE.default)
        : settingSynonyms(synonym as SettingName, config)),
    ];
    return described(name, definition, synonyms, defaults[name] ?? definition.default);
  });
}

/**
 * All configurations of this broker; with '' those that were set for all brokers. Of another broker those that can be
 * changed while it runs: its settings are its own affair, and clients ask it.
 */
export function brokerConfigs(name: string, { brokerId, config, configs }: Broker): DescribedConfig[] {
  if (name === '') {
    return Object.entries(configs.brokers.overridesOf('')).map(([key, value]) =>
      described(key, DYNAMIC_CONFIGS[key]!, [{ name: key, value, source: CONFIG_SOURCE.allBrokers }], value),
    );
  }
  const dynamic = Object.entries(DYNAMIC_CONFIGS).map(([key, definition]) =>
    described(key, definition, dynamicSynonyms(key, configs.brokers, name), definition.default),
  );
  if (name !== String(brokerId)) return dynamic;
  const settings = (Object.keys(SETTINGS) as SettingName[])
    .filter((setting) => !isDynamic(kafkaName(setting)))
    .map((setting) => describeSetting(setting, config));
  return [...settings, ...dynamic];
}

/** There is one logger. Its level is given at start. */
export function rootLogger({ config }: Broker): DescribedConfig {
  const value = config['log.level'].toUpperCase();
  const synonyms = [{ name: 'root', value, source: CONFIG_SOURCE.logger }];
  const definition = { type: 'STRING', default: value, doc: SETTINGS['log.level'].doc } as const;
  return { ...described('root', definition, synonyms, value), readOnly: true };
}

/** Of a configuration that can be changed while the broker runs, for this broker or another one. */
function dynamicSynonyms(name: string, brokers: BrokerConfigs, broker?: string): Synonym[] {
  const fallback = DYNAMIC_CONFIGS[name]!.default;
  const set = brokers.layersOf(broker).flatMap(({ from, values }) => {
    const value = values[name];
    // A setting that has Kafka's default need not have been given.
    return from === 'static' && value === fallback ? [] : overrideOf(name, value, CONFIG_SOURCE[from]);
  });
  return [...set, { name, value: fallback, source: CONFIG_SOURCE.default }];
}

function settingSynonyms(setting: SettingName, config: Config): Synonym[] {
  const name = kafkaName(setting);
  const value = String(config[setting]);
  const fallback = String(SETTINGS[setting].default);
  const set = value === fallback ? [] : [{ name, value, source: CONFIG_SOURCE.static }];
  return [...set, { name, value: fallback, source: CONFIG_SOURCE.default }];
}

const SETTING_TYPE = { boolean: 'BOOLEAN', integer: 'LONG', address: 'STRING', string: 'STRING' } as const;

/** That it is set may be known, not to what. */
const hidden = (config: DescribedConfig): DescribedConfig => ({
  ...config,
  value: null,
  isSensitive: true,
  synonyms: config.synonyms.map((synonym) => ({ ...synonym, value: null })),
  configType: CONFIG_TYPE.PASSWORD,
});

function describeSetting(setting: SettingName, config: Config): DescribedConfig {
  const { type, doc } = SETTINGS[setting];
  const synonyms = settingSynonyms(setting, config);
  const definition = { type: SETTING_TYPE[type], default: '', doc };
  const shown = { ...described(kafkaName(setting), definition, synonyms, ''), readOnly: true };
  return 'secret' in SETTINGS[setting] ? hidden(shown) : shown;
}
