/**
 * Configurations of brokers as Kafka's administrators see them. Those that are defaults of topics can be changed while
 * brokers run, for one broker or for all; settings are given when a broker starts and can only be read.
 */
import { KafkaError } from '../errors.ts';
import { type Config, SETTINGS, type SettingName } from '../settings.ts';
import { alterOverrides, type ConfigDefinition, type ConfigFamily, type Overrides } from './config-definition.ts';
import { TOPIC_CONFIGS, type TopicConfigName, topicConfigDefinition } from './topic-config.ts';
import type { ConfigAlteration } from './topics.ts';

/** Settings that are called otherwise than Kafka calls them. */
const KAFKA_NAMES: Partial<Record<SettingName, string>> = {
  kafka: 'listeners',
  'advertise.kafka': 'advertised.listeners',
  data: 'log.dirs',
  zone: 'broker.rack',
  'connections.max': 'max.connections',
};

/** Kafka's name of a setting; its own when Kafka has none for it. */
export const kafkaName = (setting: SettingName): string => KAFKA_NAMES[setting] ?? setting;

const REPLICATION = 'Kept and reported, without effect; the store replicates.';
const throttle = (doc: string): ConfigDefinition => ({ type: 'LONG', default: '9223372036854775807', min: 0, doc });

/** Rates that reassignment tools set on brokers. */
const THROTTLES: Readonly<Record<string, ConfigDefinition>> = {
  'follower.replication.throttled.rate': throttle(REPLICATION),
  'leader.replication.throttled.rate': throttle(REPLICATION),
  'replica.alter.log.dirs.io.max.bytes.per.second': throttle(REPLICATION),
};

const topicConfigNames = Object.keys(TOPIC_CONFIGS) as TopicConfigName[];

/** Topic configurations by the name of the broker configuration that gives their default. */
const OF_TOPICS = new Map<string, TopicConfigName>(
  topicConfigNames.flatMap((name) => {
    const { synonym } = topicConfigDefinition(name);
    return synonym === undefined ? [] : [[synonym, name] as const];
  }),
);

/** What can be changed while brokers run, by name. */
export const DYNAMIC_CONFIGS: Readonly<Record<string, ConfigDefinition>> = {
  ...Object.fromEntries([...OF_TOPICS].map(([name, topicName]) => [name, ofBroker(name, topicName)])),
  ...THROTTLES,
};

/** Bounds and words of the setting, where there is one. */
function ofBroker(name: string, topicName: TopicConfigName): ConfigDefinition {
  const { synonym: _, ...definition } = topicConfigDefinition(topicName);
  const setting = isSetting(name) ? (SETTINGS[name] as { min?: number; max?: number; doc: string }) : null;
  if (setting === null) return { ...definition, doc: `Default of the topic config ${topicName}. ${definition.doc}` };
  const { min, max, doc } = setting;
  return { ...definition, doc, ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
}

const family: ConfigFamily = { kind: 'broker', definitions: DYNAMIC_CONFIGS };

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

export const isDynamic = (name: string): boolean => Object.hasOwn(DYNAMIC_CONFIGS, name);
const settingNames = new Set((Object.keys(SETTINGS) as SettingName[]).map(kafkaName));

/** Values that settings of this broker give to configurations that can be changed, by name. */
export const staticValues = (config: Config): Overrides =>
  Object.fromEntries(
    [...OF_TOPICS.keys()].flatMap((name) => (isSetting(name) ? [[name, String(config[name])] as const] : [])),
  );

/** From names of broker configurations to those of topics; others are left out. */
export const topicDefaultsOf = (values: Overrides): Overrides =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => {
      const topicName = OF_TOPICS.get(name);
      return topicName === undefined ? [] : [[topicName, value] as const];
    }),
  );

/** Throws INVALID_REQUEST for what cannot be changed while a broker runs, INVALID_CONFIG for a wrong value. */
export function alterBrokerOverrides(
  overrides: Overrides,
  below: Overrides,
  alterations: readonly ConfigAlteration[],
): Overrides {
  const fixed = alterations.map(({ name }) => name).filter((name) => settingNames.has(name) && !isDynamic(name));
  if (fixed.length > 0) {
    throw new KafkaError(
      'INVALID_REQUEST',
      `Cannot update these configs dynamically: Set(${fixed.join(', ')}); they are given when a broker starts`,
    );
  }
  return alterOverrides(family, overrides, below, alterations);
}
