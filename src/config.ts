/**
 * The configuration of a broker: settings (`settings.ts`) from flags, environment and defaults, parsed and checked once, then
 * frozen.
 */
import { StartupError } from './errors.ts';
import { type Config, environmentName, SETTINGS, type Setting, type SettingName } from './settings.ts';

export type { Config } from './settings.ts';

export type Given = Partial<Record<SettingName, string | boolean>>;

/** `given` (flags) wins over the environment, the environment over defaults. Throws StartupError naming setting, value and limit. */
export function parseConfig(given: Given, environment: Readonly<Record<string, string | undefined>> = {}): Config {
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS) as [SettingName, Setting][]) {
    const raw = given[name] ?? environment[environmentName(name)];
    config[name] = raw === undefined ? setting.default : parseSetting(name, setting, raw);
  }
  const parsed = Object.freeze(config) as Config;
  checkTogether(parsed);
  return parsed;
}

function parseSetting(name: SettingName, setting: Setting, raw: string | boolean): string | number | boolean {
  const value = setting.secret ? `${String(raw).length} characters` : JSON.stringify(raw);
  const refuse = (why: string) =>
    new StartupError(`${setting.flag ?? name} (${environmentName(name)}) is ${value}: ${why}`);
  switch (setting.type) {
    case 'boolean':
      if (typeof raw === 'boolean') return raw;
      if (raw !== 'true' && raw !== 'false') throw refuse('expected true or false');
      return raw === 'true';
    case 'integer': {
      const text = String(raw);
      const value = Number(text);
      if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw refuse('expected a whole number');
      if (setting.min !== undefined && value < setting.min) throw refuse(`must be at least ${setting.min}`);
      if (setting.max !== undefined && value > setting.max) throw refuse(`must be at most ${setting.max}`);
      return value;
    }
    case 'address':
      if (raw !== setting.default) parseAddress(String(raw), refuse); // The default of some is none.
      return String(raw);
    case 'string':
      if (setting.pattern?.test(String(raw)) === false) throw refuse(`expected ${setting.form}`);
      return String(raw);
  }
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT` or `[IPv6]:PORT`. */
export function parseAddress(
  text: string,
  refuse: (why: string) => Error = (why) => new StartupError(`${text}: ${why}`),
): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw refuse('expected HOST:PORT, for example 127.0.0.1:9092');
  return { host: (match[1] ?? match[2])!, port };
}

/** `ZONE=HOST:PORT,…` by zone. `setting` is what a refusal names. */
export function parseZones(text: string, setting: string): Readonly<Record<string, Address>> {
  const zones: Record<string, Address> = {};
  for (const part of text === '' ? [] : text.split(',')) {
    const refuse = (why: string) => new StartupError(`${setting} has ${JSON.stringify(part)}: ${why}`);
    const [, zone, address] = /^([A-Za-z0-9._-]{1,64})=(.+)$/.exec(part) ?? [];
    if (zone === undefined) throw refuse('expected ZONE=HOST:PORT, for example eu-west-1a=127.0.0.1:9192');
    if (Object.hasOwn(zones, zone)) throw refuse(`zone ${zone} is there twice`);
    zones[zone] = parseAddress(address!, refuse);
  }
  return zones;
}

/** As `parseAddress` reads it. */
export const formatAddress = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);

function checkTogether(config: Config): void {
  if (config.store !== '' && !/^s3:\/\/[^/]+(\/.*)?$/.test(config.store)) {
    throw new StartupError(`--store is ${JSON.stringify(config.store)}: expected s3://bucket/prefix`);
  }
  if ((config.store === '') !== (config.table === '')) {
    throw new StartupError(
      '--store and --table go together: give both for S3 and DynamoDB, or neither for embedded stores',
    );
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(config.cluster)) {
    throw new StartupError(`--cluster is ${JSON.stringify(config.cluster)}: expected 1 to 64 letters, digits, - or _`);
  }
  checkZones(config);
  checkBetween(config, 'consumer', 'session.timeout.ms');
  checkBetween(config, 'consumer', 'heartbeat.interval.ms');
  checkBetween(config, 'share', 'session.timeout.ms');
  checkBetween(config, 'share', 'heartbeat.interval.ms');
  checkBetween(config, 'share', 'record.lock.duration.ms');
}

function checkZones(config: Config): void {
  const zones = parseZones(config['kafka.zones'], '--kafka-zones');
  for (const zone of Object.keys(parseZones(config['advertise.kafka.zones'], '--advertise-kafka-zones'))) {
    if (Object.hasOwn(zones, zone)) continue;
    throw new StartupError(`--advertise-kafka-zones names zone ${zone}, which --kafka-zones has no listener for`);
  }
}

/** What groups get must be what they may ask for. */
function checkBetween(config: Config, type: 'consumer' | 'share', name: string): void {
  const [value, min, max] = ['', 'min.', 'max.'].map((which) => config[`group.${type}.${which}${name}` as 'broker.id']);
  if (min! <= value! && value! <= max!) return;
  throw new StartupError(
    `group.${type}.${name} is ${value}: must lie between group.${type}.min.${name} (${min}) and group.${type}.max.${name} (${max})`,
  );
}
