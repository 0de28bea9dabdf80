/**
 * Every setting of the broker: name, type, default, one sentence. `config.ts` parses them. The environment variable of a
 * setting is `MILLRACE_` and its name in capitals with `_` for `.` and `-`; a setting with a `flag` can also be given on the
 * command line. The README's table is generated from this file.
 */
import { BATCH_HEADER_BYTES, JOURNALS_MAX } from './limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

type SettingType = 'string' | 'integer' | 'boolean' | 'address';

export interface Setting {
  readonly type: SettingType;
  readonly default: string | number | boolean;
  readonly doc: string;
  /** Command line flag of `millrace serve`. */
  readonly flag?: string;
  readonly min?: number;
  readonly max?: number;
  /** Of a text, and what it says in words. */
  readonly pattern?: RegExp;
  readonly form?: string;
  /** Never shown: neither in errors nor to those who ask for the configuration. */
  readonly secret?: true;
}

const milliseconds = (value: number, doc: string) => ({ type: 'integer', default: value, min: 1, doc }) as const;

export const SETTINGS = {
  data: { type: 'string', default: './millrace-data', flag: '--data', doc: 'Directory of the embedded stores.' },
  kafka: {
    type: 'address',
    default: '127.0.0.1:9092',
    flag: '--kafka',
    doc: 'Where the Kafka protocol listens; port 0 picks a free one.',
  },
  http: {
    type: 'address',
    default: '127.0.0.1:8080',
    flag: '--http',
    doc: 'Where HTTP listens; port 0 picks a free one.',
  },
  internal: {
    type: 'address',
    default: '127.0.0.1:0',
    flag: '--internal',
    doc: 'Where other brokers of the cluster connect; unused by a single broker.',
  },
  'advertise.kafka': {
    type: 'address',
    default: '',
    flag: '--advertise-kafka',
    doc: 'HOST:PORT that Metadata tells Kafka clients; empty: where it listens.',
  },
  'advertise.http': {
    type: 'address',
    default: '',
    flag: '--advertise-http',
    doc: 'HOST:PORT that others reach HTTP at; empty: where it listens.',
  },
  'advertise.internal': {
    type: 'address',
    default: '',
    flag: '--advertise-internal',
    doc: 'HOST:PORT that other brokers of the cluster reach this one at; empty: where it listens.',
  },
  store: {
    type: 'string',
    default: '',
    flag: '--store',
    doc: 's3://bucket/prefix for segments; empty: embedded stores in the data directory.',
  },
  table: { type: 'string', default: '', flag: '--table', doc: 'DynamoDB table for the journals; needed with a store.' },
  cluster: {
    type: 'string',
    default: 'millrace',
    flag: '--cluster',
    doc: 'Cluster id; every key in both stores starts with it.',
  },
  'cluster.secret': {
    type: 'string',
    default: '',
    secret: true,
    pattern: /^(?:.{16,})?$/s,
    form: 'at least 16 characters, for example what `openssl rand -base64 32` prints',
    doc: 'What brokers of a cluster prove to each other that they know; needed when `--internal` is beyond loopback.',
  },
  'cluster.secret.previous': {
    type: 'string',
    default: '',
    secret: true,
    pattern: /^(?:.{16,})?$/s,
    form: 'at least 16 characters, for example what `openssl rand -base64 32` prints',
    doc: 'A second secret that other brokers may know instead, while the secret is changed from broker to broker.',
  },
  zone: {
    type: 'string',
    default: '',
    flag: '--zone',
    pattern: /^[A-Za-z0-9._-]{0,64}$/,
    form: 'at most 64 letters, digits, ".", "_" and "-"',
    doc: 'Availability zone, reported as the rack of this broker.',
  },
  'kafka.zones': {
    type: 'string',
    default: '',
    flag: '--kafka-zones',
    doc: 'ZONE=HOST:PORT,… more listeners: clients that come by one are told brokers of its zone, by their listeners for it.',
  },
  'advertise.kafka.zones': {
    type: 'string',
    default: '',
    flag: '--advertise-kafka-zones',
    doc: 'ZONE=HOST:PORT,… that Metadata tells the clients of these listeners; those left out: where they listen.',
  },
  'insecure.listen': {
    type: 'boolean',
    default: false,
    flag: '--insecure-listen',
    doc: 'Allows listeners beyond loopback although nothing authenticates clients yet.',
  },
  'broker.id': {
    type: 'integer',
    default: 1,
    flag: '--broker-id',
    min: 0,
    max: 2_147_483_647,
    doc: 'Node id of this broker, unique in the cluster.',
  },
  'log.level': { type: 'string', default: 'info', doc: 'debug, info, warn, error or silent.' },
  journals: {
    type: 'integer',
    default: 1,
    min: 1,
    max: JOURNALS_MAX,
    doc: 'Journals of a new cluster; order is spread over them. Kept from the first start.',
  },

  'auto.create.topics.enable': {
    type: 'boolean',
    default: true,
    doc: 'Whether Kafka Metadata requests create topics that clients name.',
  },
  'num.partitions': {
    type: 'integer',
    default: 1,
    min: 1,
    max: 10_000,
    doc: 'Partitions of a topic that is created without a number.',
  },
  'message.max.bytes': {
    type: 'integer',
    default: 1_048_588,
    min: BATCH_HEADER_BYTES,
    max: 64 * MIB,
    doc: 'Default of max.message.bytes: the largest record batch accepted.',
  },
  'log.retention.ms': {
    type: 'integer',
    default: 604_800_000,
    min: -1,
    doc: 'Default of retention.ms; -1 keeps everything.',
  },
  'log.retention.bytes': {
    type: 'integer',
    default: -1,
    min: -1,
    doc: 'Default of retention.bytes per partition; -1 for no limit.',
  },
  'http.idempotency.window.ms': {
    type: 'integer',
    default: 600_000,
    min: 1_000,
    doc: 'How long an Idempotency-Key is remembered.',
  },
  'producer.id.expiration.ms': {
    type: 'integer',
    default: 86_400_000,
    min: 1_000,
    doc: 'How long the state of an idle idempotent producer is kept.',
  },

  'group.initial.rebalance.delay.ms': {
    type: 'integer',
    default: 3_000,
    min: 0,
    doc: 'How long the first rebalance of a group waits for more members.',
  },
  'group.min.session.timeout.ms': milliseconds(
    6_000,
    'Least session timeout that members of classic groups may ask for.',
  ),
  'group.max.session.timeout.ms': milliseconds(
    1_800_000,
    'Most session timeout that members of classic groups may ask for.',
  ),
  'group.max.size': {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 100_000,
    doc: 'Members that a classic group may have.',
  },

  'transaction.max.timeout.ms': milliseconds(900_000, 'Longest timeout that a transactional producer may ask for.'),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': milliseconds(
    10_000,
    'How often all transactions are looked at for ones that took too long.',
  ),
  'transactional.id.expiration.ms': milliseconds(604_800_000, 'A transactional id that is idle for this is forgotten.'),
  'transaction.remove.expired.transaction.cleanup.interval.ms': milliseconds(
    3_600_000,
    'How often idle transactional ids are looked for.',
  ),

  'group.consumer.session.timeout.ms': milliseconds(45_000, 'For groups that set none.'),
  'group.consumer.min.session.timeout.ms': milliseconds(45_000, 'Least that a group may set for itself.'),
  'group.consumer.max.session.timeout.ms': milliseconds(60_000, 'Most that a group may set for itself.'),
  'group.consumer.heartbeat.interval.ms': milliseconds(5_000, 'For groups that set none.'),
  'group.consumer.min.heartbeat.interval.ms': milliseconds(5_000, 'Least that a group may set for itself.'),
  'group.consumer.max.heartbeat.interval.ms': milliseconds(15_000, 'Most that a group may set for itself.'),
  'group.consumer.max.size': {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 100_000,
    doc: 'Members that a consumer group may have.',
  },
  'group.consumer.assignors': {
    type: 'string',
    default: 'uniform,range',
    pattern: /^(?:uniform|range)(?:,(?:uniform|range))*$/,
    form: 'uniform, range or both, separated by a comma',
    doc: 'Server-side assignors that members may ask for; the first is that of groups whose members ask for none.',
  },
  'group.consumer.migration.policy': {
    type: 'string',
    default: 'bidirectional',
    pattern: /^(?:bidirectional|upgrade|downgrade|disabled)$/,
    form: 'bidirectional, upgrade, downgrade or disabled',
    doc: 'Whether groups with members turn from classic to consumer groups and back: bidirectional, upgrade, downgrade or disabled.',
  },
  'group.share.session.timeout.ms': milliseconds(45_000, 'For groups that set none.'),
  'group.share.min.session.timeout.ms': milliseconds(45_000, 'Least that a group may set for itself.'),
  'group.share.max.session.timeout.ms': milliseconds(60_000, 'Most that a group may set for itself.'),
  'group.share.heartbeat.interval.ms': milliseconds(5_000, 'For groups that set none.'),
  'group.share.min.heartbeat.interval.ms': milliseconds(5_000, 'Least that a group may set for itself.'),
  'group.share.max.heartbeat.interval.ms': milliseconds(15_000, 'Most that a group may set for itself.'),
  'group.share.record.lock.duration.ms': milliseconds(30_000, 'For groups that set none.'),
  'group.share.min.record.lock.duration.ms': milliseconds(15_000, 'Least that a group may set for itself.'),
  'group.share.max.record.lock.duration.ms': milliseconds(60_000, 'Most that a group may set for itself.'),
  'group.share.max.size': {
    type: 'integer',
    default: 200,
    min: 1,
    max: 1_000,
    doc: 'Members of a share group.',
  },
  'group.share.max.share.sessions': {
    type: 'integer',
    default: 2_000,
    min: 1,
    doc: 'Share sessions of all groups: one for each connected share consumer.',
  },
  'group.share.delivery.count.limit': {
    type: 'integer',
    default: 5,
    min: 2,
    max: 10,
    doc: 'How often a record is given to share consumers before it is archived; groups may set their own.',
  },
  'group.share.partition.max.record.locks': {
    type: 'integer',
    default: 2_000,
    min: 100,
    max: 10_000,
    doc: 'Records of a share partition that may be in flight at once; groups may set their own.',
  },

  'offset.metadata.max.bytes': {
    type: 'integer',
    default: 4_096,
    min: 0,
    max: 65_535,
    doc: 'Most metadata that a committed offset may carry.',
  },
  'offsets.retention.minutes': {
    type: 'integer',
    default: 10_080,
    min: 1,
    max: 2_147_483_647,
    doc: 'How long offsets are kept after their group lost its last member, or stopped to subscribe to their topic.',
  },
  'offsets.retention.check.interval.ms': milliseconds(600_000, 'How often expired offsets are looked for.'),

  'segment.linger.ms': {
    type: 'integer',
    default: 250,
    min: 1,
    max: 60_000,
    doc: 'How long records wait for company where requests cost money and the budget for early flushes is spent.',
  },
  'segment.bytes.max': {
    type: 'integer',
    default: 8 * MIB,
    min: 64 * KIB,
    max: 256 * MIB,
    doc: 'A flush leaves at once when it holds this much.',
  },
  'ingest.uploads.max': { type: 'integer', default: 6, min: 1, max: 64, doc: 'Segment uploads in flight at once.' },
  'ingest.buffer.bytes.max': {
    type: 'integer',
    default: 64 * MIB,
    min: 1 * MIB,
    doc: 'Records accepted and not yet durable; beyond it the broker stops reading from producers.',
  },
  'fetch.cache.bytes.max': {
    type: 'integer',
    default: 0,
    min: 0,
    doc: 'Memory for recently written and recently read data; 0: 64 MiB where requests cost money, 32 MiB elsewhere.',
  },
  'fetch.max.bytes': {
    type: 'integer',
    default: 55 * MIB,
    min: 1_024,
    doc: 'Most that one fetch answers, whatever the client asks.',
  },
  'fetch.reads.max': {
    type: 'integer',
    default: 16,
    min: 1,
    max: 256,
    doc: 'Object reads in flight at once for fetches.',
  },

  'socket.request.max.bytes': {
    type: 'integer',
    default: 100 * MIB,
    min: 1_024,
    max: 1_024 * MIB,
    doc: 'Largest Kafka request frame.',
  },
  'socket.requests.in.flight.max': {
    type: 'integer',
    default: 1_024,
    min: 1,
    doc: 'Requests of one connection in work at once; beyond it the broker stops reading from it.',
  },
  'connections.max': {
    type: 'integer',
    default: 20_000,
    min: 1,
    doc: 'Open Kafka connections; beyond it new ones are closed at once.',
  },
  'quota.window.num': {
    type: 'integer',
    default: 11,
    min: 1,
    doc: 'Samples that a client quota is averaged over; so much may be used at once.',
  },
  'quota.window.size.seconds': { type: 'integer', default: 1, min: 1, doc: 'Length of such a sample.' },
  'connections.max.idle.ms': {
    type: 'integer',
    default: 600_000,
    min: 1_000,
    doc: 'A Kafka connection without traffic is closed after this.',
  },
  'http.body.bytes.max': {
    type: 'integer',
    default: 16 * MIB,
    min: 1_024,
    max: 256 * MIB,
    doc: 'Largest HTTP request body.',
  },
  'http.decompressed.bytes.max': {
    type: 'integer',
    default: 64 * MIB,
    min: 1_024,
    doc: 'Most that one compressed batch may become when HTTP reads it.',
  },

  'merge.interval.ms': { type: 'integer', default: 1_000, min: 10, doc: 'How often merging looks for work.' },
  'merge.segment.bytes': {
    type: 'integer',
    default: 64 * MIB,
    min: 64 * KIB,
    max: 256 * MIB,
    doc: 'Size that merged segments aim for where requests cost money; elsewhere at most 32 MiB.',
  },
  'merge.bytes.per.second': {
    type: 'integer',
    default: 32 * MIB,
    min: 64 * KIB,
    doc: 'Budget of merging, read and written bytes together.',
  },
  'merge.inline.age.ms': {
    type: 'integer',
    default: 120_000,
    min: 1_000,
    doc: 'Inline records older than this are merged into segments whatever their size.',
  },
  'retention.interval.ms': {
    type: 'integer',
    default: 30_000,
    min: 10,
    doc: 'How often retention looks for records to drop.',
  },
  'reclaim.interval.ms': {
    type: 'integer',
    default: 60_000,
    min: 10,
    doc: 'How often unreferenced segments are looked for.',
  },
  'reclaim.delay.ms': {
    type: 'integer',
    default: 120_000,
    min: 100,
    doc: 'How long a condemned segment stays, by the clock of the store.',
  },
  'reclaim.orphan.age.ms': {
    type: 'integer',
    default: 3_600_000,
    min: 1_000,
    doc: 'Uploads that no journal names are reclaimed when older than this, by the clock of the store.',
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;
type ValueOf<S extends Setting> = S['type'] extends 'integer' ? number : S['type'] extends 'boolean' ? boolean : string;
export type Config = { readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]> };

export const environmentName = (name: SettingName): string => `MILLRACE_${name.toUpperCase().replaceAll('.', '_')}`;
