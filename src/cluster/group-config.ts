/**
 * Kafka's configurations of groups: names, types, bounds and documentation, once. Defaults and bounds are settings of the
 * broker (`group.consumer.…`, `group.share.…`). Those of Streams groups are left out, since there are none.
 */
import type { Config, SettingName } from '../settings.ts';
import {
  alterOverrides,
  type ConfigDefinition,
  type ConfigFamily,
  invalidConfig,
  type Overrides,
} from './config-definition.ts';
import { durationMs } from './iso-duration.ts';
import type { ConfigAlteration } from './topics.ts';

interface GroupConfigDefinition extends ConfigDefinition {
  /** Settings that bound it, least and largest. */
  readonly bounds?: readonly [least: SettingName, largest: SettingName];
}

const timing = (setting: SettingName, type: 'consumer' | 'share', name: string, doc: string) =>
  ({
    type: 'INT',
    default: '',
    min: 1,
    synonym: setting,
    bounds: [`group.${type}.min.${name}`, `group.${type}.max.${name}`] as [SettingName, SettingName],
    doc,
  }) as const;

/** An empty default is that of the broker setting of the synonym. */
export const GROUP_CONFIGS = {
  'consumer.heartbeat.interval.ms': timing(
    'group.consumer.heartbeat.interval.ms',
    'consumer',
    'heartbeat.interval.ms',
    'How often members of a consumer group are told to call, in milliseconds.',
  ),
  'consumer.session.timeout.ms': timing(
    'group.consumer.session.timeout.ms',
    'consumer',
    'session.timeout.ms',
    'A member of a consumer group that is silent for this long is out, in milliseconds.',
  ),
  'share.auto.offset.reset': {
    type: 'STRING',
    default: 'latest',
    values: ['latest', 'earliest'],
    pattern: /^by_duration:.+$/,
    form: 'by_duration:PnDTnHnMn.nS',
    doc: 'Where a share group begins in a partition that is new to it: "latest", "earliest", or "by_duration:" and an ISO 8601 duration before now.',
  },
  'share.delivery.count.limit': {
    type: 'INT',
    default: '',
    min: 2,
    max: 10,
    synonym: 'group.share.delivery.count.limit',
    doc: 'How often a record is given to consumers before it is archived.',
  },
  'share.heartbeat.interval.ms': timing(
    'group.share.heartbeat.interval.ms',
    'share',
    'heartbeat.interval.ms',
    'How often members of a share group are told to call, in milliseconds.',
  ),
  'share.isolation.level': {
    type: 'STRING',
    default: 'read_uncommitted',
    values: ['read_uncommitted', 'read_committed'],
    doc: 'Whether a share group sees records of transactions before they are committed.',
  },
  'share.partition.max.record.locks': {
    type: 'INT',
    default: '',
    min: 100,
    max: 10_000,
    synonym: 'group.share.partition.max.record.locks',
    doc: 'Records of a share partition that may be in flight at once.',
  },
  'share.record.lock.duration.ms': timing(
    'group.share.record.lock.duration.ms',
    'share',
    'record.lock.duration.ms',
    'How long a consumer may keep a record before it is given to another one, in milliseconds.',
  ),
  'share.session.timeout.ms': timing(
    'group.share.session.timeout.ms',
    'share',
    'session.timeout.ms',
    'A member of a share group that is silent for this long is out, in milliseconds.',
  ),
} as const satisfies Record<string, GroupConfigDefinition>;

export type GroupConfigName = keyof typeof GROUP_CONFIGS;

/** Effective values, all in milliseconds where they are times. */
export interface GroupConfig {
  readonly consumerSessionTimeoutMs: number;
  readonly consumerHeartbeatIntervalMs: number;
  readonly shareSessionTimeoutMs: number;
  readonly shareHeartbeatIntervalMs: number;
  readonly shareRecordLockDurationMs: number;
  readonly shareDeliveryCountLimit: number;
  readonly sharePartitionMaxRecordLocks: number;
  readonly shareAutoOffsetReset: ShareAutoOffsetReset;
  readonly shareIsolationLevel: 'read_uncommitted' | 'read_committed';
}

export type ShareAutoOffsetReset =
  | { readonly type: 'latest' | 'earliest' }
  /** At the first record that is not older than this. */
  | { readonly type: 'byDuration'; readonly durationMs: number };

const family: ConfigFamily = { kind: 'group', definitions: GROUP_CONFIGS };
const entries = Object.entries(GROUP_CONFIGS) as [GroupConfigName, GroupConfigDefinition][];

/** What a group has that sets nothing: by name, for those with a setting of the broker. */
export const groupDefaults = (config: Config): Overrides =>
  Object.fromEntries(
    entries.flatMap(([name, { synonym }]) => (synonym ? [[name, String(config[synonym as SettingName])]] : [])),
  );

/** Bounds come and go with settings of the broker: what was accepted once is kept within them. */
export function resolveGroupConfig(config: Config, overrides: Overrides): GroupConfig {
  const text = (name: GroupConfigName): string =>
    overrides[name] ??
    String(GROUP_CONFIGS[name].default || config[(GROUP_CONFIGS[name] as { synonym: SettingName }).synonym]);
  const number = (name: GroupConfigName): number => {
    const { bounds }: GroupConfigDefinition = GROUP_CONFIGS[name];
    const value = Number(text(name));
    return bounds ? Math.min(Math.max(value, Number(config[bounds[0]])), Number(config[bounds[1]])) : value;
  };
  return {
    consumerSessionTimeoutMs: number('consumer.session.timeout.ms'),
    consumerHeartbeatIntervalMs: number('consumer.heartbeat.interval.ms'),
    shareSessionTimeoutMs: number('share.session.timeout.ms'),
    shareHeartbeatIntervalMs: number('share.heartbeat.interval.ms'),
    shareRecordLockDurationMs: number('share.record.lock.duration.ms'),
    shareDeliveryCountLimit: number('share.delivery.count.limit'),
    sharePartitionMaxRecordLocks: number('share.partition.max.record.locks'),
    shareAutoOffsetReset: offsetReset(text('share.auto.offset.reset')),
    shareIsolationLevel: text('share.isolation.level') as GroupConfig['shareIsolationLevel'],
  };
}

function offsetReset(text: string): ShareAutoOffsetReset {
  if (text === 'latest' || text === 'earliest') return { type: text };
  return { type: 'byDuration', durationMs: durationMs(text.slice(text.indexOf(':') + 1)) ?? 0 };
}

/** Alterations in order, then everything that is set against the broker's bounds. Throws INVALID_CONFIG. */
export function alterGroupOverrides(
  config: Config,
  overrides: Overrides,
  alterations: readonly ConfigAlteration[],
): Overrides {
  const altered = alterOverrides(family, overrides, groupDefaults(config), alterations);
  for (const [name, { bounds }] of entries) {
    const value = altered[name];
    if (value !== undefined && bounds) checkBounds(config, name, value, bounds);
  }
  const reset = altered['share.auto.offset.reset'];
  if (reset?.startsWith('by_duration:') && durationMs(reset.slice('by_duration:'.length)) === null) {
    throw invalidConfig(
      'share.auto.offset.reset',
      reset,
      'Expected by_duration: and an ISO 8601 duration that is not negative',
    );
  }
  const { consumerSessionTimeoutMs, consumerHeartbeatIntervalMs, ...share } = resolveGroupConfig(config, altered);
  checkSession('consumer', consumerSessionTimeoutMs, consumerHeartbeatIntervalMs);
  checkSession('share', share.shareSessionTimeoutMs, share.shareHeartbeatIntervalMs);
  return altered;
}

function checkBounds(
  config: Config,
  name: string,
  value: string,
  [least, largest]: readonly [SettingName, SettingName],
): void {
  if (Number(value) < Number(config[least])) {
    throw invalidConfig(name, value, `Value must be greater than or equal to ${least} (${config[least]})`);
  }
  if (Number(value) > Number(config[largest])) {
    throw invalidConfig(name, value, `Value must be less than or equal to ${largest} (${config[largest]})`);
  }
}

function checkSession(type: 'consumer' | 'share', sessionMs: number, heartbeatMs: number): void {
  if (sessionMs > heartbeatMs) return;
  const name = `${type}.session.timeout.ms`;
  throw invalidConfig(
    name,
    String(sessionMs),
    `Value must be greater than ${type}.heartbeat.interval.ms (${heartbeatMs})`,
  );
}
