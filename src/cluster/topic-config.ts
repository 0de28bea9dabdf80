/**
 * Kafka's topic configurations: names, types, defaults and documentation, once. A configuration that Millrace keeps and
 * reports but does not act on says so in its documentation; one whose value it cannot honour is refused by name.
 */
import {
  alterOverrides,
  type ConfigDefinition,
  type ConfigFamily,
  checkConfig,
  LONG_MAX,
  type Overrides,
} from './config-definition.ts';
import type { ConfigAlteration } from './topics.ts';

const NO_EFFECT = 'Kept and reported, without effect';

const THROTTLED_REPLICAS = {
  type: 'LIST',
  default: '',
  values: ['*'],
  pattern: /^\d+:\d+$/,
  form: '[partitionId]:[brokerId],...',
  doc: `${NO_EFFECT}; the store replicates.`,
} as const;

export const TOPIC_CONFIGS = {
  'cleanup.policy': {
    type: 'LIST',
    default: 'delete',
    values: ['compact', 'delete'],
    synonym: 'log.cleanup.policy',
    doc: 'What happens to old records: "delete" by retention, "compact" keeps the last of each key.',
  },
  'compression.gzip.level': {
    type: 'INT',
    default: '-1',
    min: -1,
    max: 9,
    synonym: 'compression.gzip.level',
    doc: `${NO_EFFECT}; batches are stored as their producer compressed them.`,
  },
  'compression.lz4.level': {
    type: 'INT',
    default: '9',
    min: 1,
    max: 17,
    synonym: 'compression.lz4.level',
    doc: `${NO_EFFECT}; batches are stored as their producer compressed them.`,
  },
  'compression.type': {
    type: 'STRING',
    default: 'producer',
    values: ['producer'],
    synonym: 'compression.type',
    doc: 'Batches are stored as their producer compressed them; only "producer" is supported.',
  },
  'compression.zstd.level': {
    type: 'INT',
    default: '3',
    min: -131_072,
    max: 22,
    synonym: 'compression.zstd.level',
    doc: `${NO_EFFECT}; batches are stored as their producer compressed them.`,
  },
  'delete.retention.ms': {
    type: 'LONG',
    default: '86400000',
    min: 0,
    synonym: 'log.cleaner.delete.retention.ms',
    doc: 'How long a tombstone of a compacted topic stays readable, in milliseconds.',
  },
  'file.delete.delay.ms': {
    type: 'LONG',
    default: '60000',
    min: 0,
    synonym: 'log.segment.delete.delay.ms',
    doc: `${NO_EFFECT}; segments are deleted after reclaim.delay.ms.`,
  },
  'flush.messages': {
    type: 'LONG',
    default: '9223372036854775807',
    min: 1,
    synonym: 'log.flush.interval.messages',
    doc: `${NO_EFFECT}; every record is durable before it is acknowledged.`,
  },
  'flush.ms': {
    type: 'LONG',
    default: '9223372036854775807',
    min: 0,
    synonym: 'log.flush.interval.ms',
    doc: `${NO_EFFECT}; every record is durable before it is acknowledged.`,
  },
  'follower.replication.throttled.replicas': THROTTLED_REPLICAS,
  'index.interval.bytes': {
    type: 'INT',
    default: '4096',
    min: 0,
    synonym: 'log.index.interval.bytes',
    doc: `${NO_EFFECT}; footers index every batch.`,
  },
  'leader.replication.throttled.replicas': THROTTLED_REPLICAS,
  'local.retention.bytes': {
    type: 'LONG',
    default: '-2',
    min: -2,
    synonym: 'log.local.retention.bytes',
    doc: `${NO_EFFECT}; all records are in the object store.`,
  },
  'local.retention.ms': {
    type: 'LONG',
    default: '-2',
    min: -2,
    synonym: 'log.local.retention.ms',
    doc: `${NO_EFFECT}; all records are in the object store.`,
  },
  'max.compaction.lag.ms': {
    type: 'LONG',
    default: '9223372036854775807',
    min: 1,
    synonym: 'log.cleaner.max.compaction.lag.ms',
    doc: 'The longest a record of a compacted topic may stay uncompacted, in milliseconds.',
  },
  'max.message.bytes': {
    type: 'INT',
    default: '1048588',
    min: 0,
    synonym: 'message.max.bytes',
    doc: 'Largest record batch accepted, in bytes, as the producer sent it.',
  },
  'message.timestamp.after.max.ms': {
    type: 'LONG',
    default: '3600000',
    min: 0,
    synonym: 'log.message.timestamp.after.max.ms',
    doc: 'How far in the future a CreateTime may lie, in milliseconds.',
  },
  'message.timestamp.before.max.ms': {
    type: 'LONG',
    default: '9223372036854775807',
    min: 0,
    synonym: 'log.message.timestamp.before.max.ms',
    doc: 'How far in the past a CreateTime may lie, in milliseconds.',
  },
  'message.timestamp.type': {
    type: 'STRING',
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
    synonym: 'log.message.timestamp.type',
    doc: 'Whether a record keeps the time its producer gave it or gets the time the broker took it in.',
  },
  'min.cleanable.dirty.ratio': {
    type: 'DOUBLE',
    default: '0.5',
    min: 0,
    max: 1,
    synonym: 'log.cleaner.min.cleanable.ratio',
    doc: 'Share of uncompacted bytes at which a compacted topic is compacted.',
  },
  'min.compaction.lag.ms': {
    type: 'LONG',
    default: '0',
    min: 0,
    synonym: 'log.cleaner.min.compaction.lag.ms',
    doc: 'The shortest a record of a compacted topic stays uncompacted, in milliseconds.',
  },
  'min.insync.replicas': {
    type: 'INT',
    default: '1',
    min: 1,
    synonym: 'min.insync.replicas',
    doc: `${NO_EFFECT}; the store replicates.`,
  },
  preallocate: { type: 'BOOLEAN', default: 'false', synonym: 'log.preallocate', doc: `${NO_EFFECT}.` },
  'remote.log.copy.disable': {
    type: 'BOOLEAN',
    default: 'false',
    doc: `${NO_EFFECT}; all records are in the object store.`,
  },
  'remote.log.delete.on.disable': {
    type: 'BOOLEAN',
    default: 'false',
    doc: `${NO_EFFECT}; all records are in the object store.`,
  },
  'remote.storage.enable': {
    type: 'BOOLEAN',
    default: 'false',
    doc: `${NO_EFFECT}; all records are in the object store.`,
  },
  'retention.bytes': {
    type: 'LONG',
    default: '-1',
    synonym: 'log.retention.bytes',
    doc: 'Bytes that a partition keeps before the oldest records are dropped; -1 for no limit.',
  },
  'retention.ms': {
    type: 'LONG',
    default: '604800000',
    min: -1,
    synonym: 'log.retention.ms',
    doc: 'Milliseconds that a record is kept, judged by the newest timestamp of its extent; -1 for no limit.',
  },
  'segment.bytes': {
    type: 'INT',
    default: '1073741824',
    min: 1_048_576,
    synonym: 'log.segment.bytes',
    doc: `${NO_EFFECT}; segment sizes are those of segment.bytes.max and merge.segment.bytes.`,
  },
  'segment.index.bytes': {
    type: 'INT',
    default: '10485760',
    min: 4,
    synonym: 'log.index.size.max.bytes',
    doc: `${NO_EFFECT}; footers index every batch.`,
  },
  'segment.jitter.ms': {
    type: 'LONG',
    default: '0',
    min: 0,
    synonym: 'log.roll.jitter.ms',
    doc: `${NO_EFFECT}.`,
  },
  'segment.ms': {
    type: 'LONG',
    default: '604800000',
    min: 1,
    synonym: 'log.roll.ms',
    doc: `${NO_EFFECT}.`,
  },
  'unclean.leader.election.enable': {
    type: 'BOOLEAN',
    default: 'false',
    synonym: 'unclean.leader.election.enable',
    doc: `${NO_EFFECT}; a leader always has the whole log.`,
  },
} as const satisfies Record<string, ConfigDefinition>;

export type TopicConfigName = keyof typeof TOPIC_CONFIGS;

/** Effective values that the broker acts on. -1 and Kafka's Long.MAX_VALUE become Infinity. */
export interface TopicConfig {
  readonly compacted: boolean;
  readonly deletes: boolean;
  readonly maxMessageBytes: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

export type { Overrides };

export const isTopicConfig = (name: string): name is TopicConfigName => Object.hasOwn(TOPIC_CONFIGS, name);
export const topicConfigDefinition = (name: TopicConfigName): ConfigDefinition => TOPIC_CONFIGS[name];

/** Effective text of one configuration. `brokerDefaults` are by topic-config name. */
export const effective = (name: TopicConfigName, overrides: Overrides, brokerDefaults: Overrides): string =>
  overrides[name] ?? brokerDefaults[name] ?? TOPIC_CONFIGS[name].default;

export function resolveTopicConfig(overrides: Overrides, brokerDefaults: Overrides): TopicConfig {
  const text = (name: TopicConfigName) => effective(name, overrides, brokerDefaults);
  const number = (name: TopicConfigName) => {
    const value = Number(text(name));
    return value < 0 || value >= LONG_MAX ? Infinity : value;
  };
  const policies = text('cleanup.policy')
    .split(',')
    .map((policy) => policy.trim());
  return {
    compacted: policies.includes('compact'),
    deletes: policies.includes('delete'),
    maxMessageBytes: Number(text('max.message.bytes')),
    timestampType: text('message.timestamp.type') as TopicConfig['timestampType'],
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
  };
}

const family: ConfigFamily = { kind: 'topic', definitions: TOPIC_CONFIGS };

/** Throws INVALID_CONFIG with the name, the limit and the way out. Returns the value as it is stored. */
export const checkTopicConfig = (name: string, value: string): string => checkConfig(family, name, value);

/** Every configuration of a new topic checked; throws INVALID_CONFIG at the first wrong one. */
export function checkOverrides(config: Overrides): Overrides {
  return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, checkTopicConfig(name, value)]));
}

/** Applies alterations in order. Throws INVALID_CONFIG. */
export const alterTopicOverrides = (
  overrides: Overrides,
  brokerDefaults: Overrides,
  alterations: readonly ConfigAlteration[],
): Overrides => alterOverrides(family, overrides, brokerDefaults, alterations);
