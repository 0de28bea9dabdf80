/** What a seed decides before anything runs: configuration, costs, latencies, how much is asked and how much goes wrong. */
import { type Config, parseConfig } from '../../src/config.ts';
import type { MaintenanceLimits } from '../../src/journal/maintenance.ts';
import type { FaultRates } from '../../src/storage/faulty.ts';
import type { MetadataPricing } from '../../src/storage/metadata-store.ts';
import type { ObjectPricing } from '../../src/storage/object-store.ts';
import type { NetworkLatency } from './network.ts';
import { SeededRandom } from './seeded-random.ts';

export interface Scenario {
  readonly seed: number;
  readonly minutes: number;
  readonly journals: number;
  /** Where brokers begin; ids count from 1. */
  readonly brokers: number;
  /** One broker without a network, as on embedded stores: whoever takes its journals over ends it. */
  readonly isAlone: boolean;
  /** By broker id, minus 1, for as many as there may ever be. */
  readonly zones: readonly string[];
  readonly network: NetworkLatency;
  /** Free requests flush at once, as the embedded stores do; paid ones linger and hedge. */
  readonly pricing: 'free' | 'paid';
  readonly objectPricing: ObjectPricing;
  readonly metadataPricing: MetadataPricing;
  readonly config: Config;
  readonly journalLimits: MaintenanceLimits;
  readonly metadata: StoreWeather;
  readonly objects: StoreWeather;
  readonly nemesis: NemesisRates;
  readonly load: Load;
}

/** Calm has latency only; a storm adds faults. */
export interface StoreWeather {
  readonly calm: FaultRates;
  readonly storm: FaultRates;
}

/** Mean milliseconds between events of a kind; null: never. */
export interface NemesisRates {
  readonly stormEveryMs: number;
  readonly stormMs: number;
  readonly killEveryMs: number | null;
  readonly restartEveryMs: number | null;
  readonly freezeEveryMs: number | null;
  readonly clockJumpEveryMs: number | null;
  /** Farthest that a wall clock gets from the true one. */
  readonly clockSkewMsMax: number;
  /** Processes that freeze, or die, while they take over. */
  readonly troubledStartChance: number;
  /** Longer than anything is kept that nobody refers to. */
  readonly longFreezeMs: number;
  readonly longFreezeChance: number;
  /** Deaths that take the machine along: nobody is told. */
  readonly vanishChance: number;
  /** One broker is cut off from both stores. */
  readonly storesCutEveryMs: number | null;
  readonly partitionEveryMs: number | null;
  readonly slowLinksEveryMs: number | null;
  readonly resetEveryMs: number | null;
  /** Brokers come and go for good, between one and as many as there may be. */
  readonly resizeEveryMs: number | null;
  readonly rollEveryMs: number | null;
  readonly moveEveryMs: number | null;
  readonly drainEveryMs: number | null;
  /** An administrator adds journals. */
  readonly addJournalsEveryMs: number | null;
}

export interface Load {
  readonly topicsMax: number;
  readonly partitionsMax: number;
  readonly plainWriters: number;
  readonly idempotentWriters: number;
  readonly keyedWriters: number;
  readonly conditionalWriters: number;
  readonly tailReaders: number;
  readonly randomReaders: number;
  readonly transactionalWriters: number;
  /** Transactional ones whose partitions join by their first batch. */
  readonly enlistingWriters: number;
  /** Consumers that commit offsets without being members. */
  readonly committers: number;
  /** Members of each group of the kind. */
  readonly classicGroups: readonly number[];
  readonly consumerGroups: readonly number[];
  readonly shareGroups: readonly number[];
  /** Mean pause of a writer between two batches. */
  readonly pauseMs: number;
  /** Mean time between changes of topics. */
  readonly topicChangeMs: number;
  readonly deleteRecordsEveryMs: number;
}

export interface ScenarioOptions {
  readonly seed: number;
  readonly minutes: number;
  /** By chance when absent. */
  readonly journals?: number;
  /** 1: a broker alone. By chance when absent. */
  readonly brokers?: number;
  /** Replaces what the seed decides. */
  readonly more?: ScenarioChanges;
}

export interface ScenarioChanges {
  readonly nemesis?: Partial<NemesisRates>;
  readonly load?: Partial<Load>;
  readonly journalLimits?: Partial<MaintenanceLimits>;
  readonly config?: Partial<Config>;
}

export const BROKERS_MAX = 7;
/** What no run goes beyond by adding some. */
export const JOURNALS_MAX = 10;
/**
 * Seeds from here on also draw what came to the simulator last: journals that are added, and partitions that join
 * transactions by their first batch. Those below stay the runs that they were, so that what was noted of a seed is still true.
 */
export const SEED_OF_ALL = 2 ** 31;
/** How many brokers a seed may choose. */
const BROKERS = [1, 1, 2, 3, 3, 3, 4, 5, 7] as const;
const ZONES = ['a', 'b', 'c'] as const;

const FREE_OBJECTS: ObjectPricing = { create: 0, read: 0, list: 0 };
const FREE_METADATA: MetadataPricing = { writeUnit: 0, readUnit: 0 };
/** Those of S3 and DynamoDB: only their relation matters. */
const PAID_OBJECTS: ObjectPricing = { create: 0.000005, read: 0.0000004, list: 0.000005 };
const PAID_METADATA: MetadataPricing = { writeUnit: 0.625, readUnit: 0.125 };

const GROUP_SIZE_MAX = 4;

export function drawScenario(options: ScenarioOptions): Scenario {
  const drawn = draw(options);
  const { nemesis, load, journalLimits, config } = options.more ?? {};
  return {
    ...drawn,
    nemesis: { ...drawn.nemesis, ...nemesis },
    load: { ...drawn.load, ...load },
    journalLimits: { ...drawn.journalLimits, ...journalLimits },
    config: { ...drawn.config, ...config },
  };
}

function draw({ seed, minutes, journals, brokers }: ScenarioOptions): Scenario {
  const random = new SeededRandom(seed, '/scenario');
  const drawnJournals = random.pick([1, 1, 4, 2]);
  const pricing = random.pick(['free', 'paid'] as const);
  const paid = pricing === 'paid';
  const all = seed >= SEED_OF_ALL;
  const load = drawLoad(random.fork('load'), all);
  const config = drawConfig(random.fork('config'), journals ?? drawnJournals);
  const count = brokers ?? random.fork('brokers').pick(BROKERS);
  const nemesis = drawNemesis(random.fork('nemesis'), config, count, all);
  const wildClocks = nemesis.clockSkewMsMax * 2 >= config['http.idempotency.window.ms'];
  return {
    seed,
    minutes,
    journals: journals ?? drawnJournals,
    brokers: count,
    isAlone: count === 1,
    zones: drawZones(random.fork('zones')),
    network: drawNetwork(random.fork('network')),
    pricing,
    objectPricing: paid ? PAID_OBJECTS : FREE_OBJECTS,
    metadataPricing: paid ? PAID_METADATA : FREE_METADATA,
    config,
    journalLimits: {
      snapshotEntryBytes: random.pick([4, 16, 64, 256]) * 1024,
      snapshotReferences: random.pick([5, 20, 200]),
    },
    metadata: drawWeather(random.fork('metadata'), paid ? [1, 8] : [0.1, 1]),
    objects: drawWeather(random.fork('objects'), paid ? [10, 80] : [0.2, 4]),
    nemesis,
    // What is remembered for some minutes by a clock that is wrong by more is forgotten: nothing can be promised then.
    load: wildClocks ? { ...load, keyedWriters: 0 } : load,
  };
}

function drawConfig(random: SeededRandom, journals: number): Config {
  return parseConfig({
    cluster: 'sim',
    journals: String(journals),
    'segment.bytes.max': String(random.pick([64, 256, 1024]) * 1024),
    'segment.linger.ms': String(random.pick([20, 100, 250])),
    'ingest.uploads.max': String(random.pick([1, 2, 6])),
    'ingest.buffer.bytes.max': String(random.pick([1, 4]) * 1024 * 1024),
    'fetch.cache.bytes.max': String(random.pick([1, 4]) * 1024 * 1024),
    'fetch.reads.max': String(random.pick([1, 4, 16])),
    'merge.interval.ms': String(random.pick([100, 500, 2_000])),
    'merge.segment.bytes': String(random.pick([64, 512, 4_096]) * 1024),
    'merge.bytes.per.second': String(random.pick([1, 64]) * 1024 * 1024),
    'merge.inline.age.ms': String(random.pick([1_000, 5_000, 20_000])),
    'retention.interval.ms': String(random.pick([200, 1_000, 5_000])),
    'reclaim.interval.ms': String(random.pick([200, 1_000, 5_000])),
    'reclaim.delay.ms': String(random.pick([100, 1_000, 5_000])),
    'reclaim.orphan.age.ms': String(random.pick([1_000, 5_000, 20_000])),
    ...drawGroupConfig(random.fork('groups')),
  });
}

/** Sessions of seconds: a group rebalances many times in a simulated minute. */
function drawGroupConfig(random: SeededRandom): Record<string, string> {
  return {
    'group.initial.rebalance.delay.ms': String(random.pick([0, 50, 500])),
    'group.min.session.timeout.ms': '500',
    'group.consumer.session.timeout.ms': String(random.pick([1_000, 3_000])),
    'group.consumer.min.session.timeout.ms': '500',
    'group.consumer.heartbeat.interval.ms': String(random.pick([200, 500])),
    'group.consumer.min.heartbeat.interval.ms': '100',
    'group.share.session.timeout.ms': String(random.pick([1_000, 3_000])),
    'group.share.min.session.timeout.ms': '500',
    'group.share.heartbeat.interval.ms': '300',
    'group.share.min.heartbeat.interval.ms': '100',
    'group.share.record.lock.duration.ms': String(random.pick([500, 2_000, 5_000])),
    'group.share.min.record.lock.duration.ms': '100',
    'group.share.delivery.count.limit': String(random.pick([2, 3, 5])),
    'group.share.partition.max.record.locks': String(random.pick([100, 500])),
  };
}

function drawWeather(random: SeededRandom, latencyMs: readonly [number, number]): StoreWeather {
  const slowMs = [latencyMs[1], latencyMs[1] * 20] as const;
  const lateMs = [1, random.pick([100, 2_000, 20_000])] as const;
  const calm: FaultRates = { latencyMs, slow: 0.01, slowMs };
  const fault = () => (random.chance(0.6) ? random.between(0, 0.12) : 0);
  const faults = {
    throttled: fault(),
    'error-before': fault(),
    'answer-lost': fault(),
    'late-effect': fault(),
    hang: random.chance(0.3) ? random.between(0, 0.02) : 0,
  };
  return { calm, storm: { ...calm, slow: 0.1, faults, lateMs } };
}

function drawZones(random: SeededRandom): string[] {
  const zones = ZONES.slice(0, random.integer(1, ZONES.length + 1));
  return Array.from({ length: BROKERS_MAX }, () => random.pick(zones));
}

function drawNetwork(random: SeededRandom): NetworkLatency {
  const [fromMs, toMs] = random.pick([
    [0.05, 0.3],
    [0.3, 2],
  ] as const);
  return { fromMs, toMs, tailChance: random.pick([0, 0.01]), tailMs: random.pick([20, 300]) };
}

function drawNemesis(random: SeededRandom, config: Config, brokers: number, all: boolean): NemesisRates {
  const sometimes = (meanMs: number) => (random.chance(0.7) ? meanMs * random.between(0.5, 2) : null);
  const alone = brokers === 1;
  const inClusters = (meanMs: number) => {
    const drawn = sometimes(meanMs);
    return alone ? null : drawn;
  };
  const keptMs = Math.max(config['reclaim.delay.ms'], config['reclaim.orphan.age.ms']);
  return {
    stormEveryMs: random.between(3_000, 20_000),
    stormMs: random.between(500, 10_000),
    killEveryMs: sometimes(12_000),
    restartEveryMs: sometimes(20_000),
    freezeEveryMs: sometimes(15_000),
    clockJumpEveryMs: sometimes(10_000),
    clockSkewMsMax: random.pick([0, 2_000, 60_000, 250_000, 900_000]),
    troubledStartChance: 0.15,
    longFreezeMs: keptMs + random.between(2_000, 20_000),
    longFreezeChance: random.pick([0, 0.2]),
    vanishChance: alone ? 0 : random.pick([0, 0.2]),
    storesCutEveryMs: sometimes(20_000),
    partitionEveryMs: inClusters(12_000),
    slowLinksEveryMs: inClusters(20_000),
    resetEveryMs: inClusters(15_000),
    resizeEveryMs: inClusters(25_000),
    rollEveryMs: inClusters(60_000),
    moveEveryMs: inClusters(10_000),
    drainEveryMs: inClusters(30_000),
    addJournalsEveryMs: all ? sometimes(15_000) : null,
  };
}

function drawLoad(random: SeededRandom, all: boolean): Load {
  return {
    topicsMax: random.integer(1, 5),
    partitionsMax: random.integer(1, 5),
    plainWriters: random.integer(1, 3),
    idempotentWriters: random.integer(1, 4),
    keyedWriters: random.integer(0, 3),
    conditionalWriters: random.integer(0, 3),
    tailReaders: random.integer(1, 3),
    randomReaders: 1,
    committers: random.integer(0, 3),
    transactionalWriters: random.integer(0, 4),
    enlistingWriters: all ? random.fork('enlisting writers').integer(0, 4) : 0,
    pauseMs: random.pick([20, 60, 200]),
    topicChangeMs: random.pick([3_000, 15_000]),
    deleteRecordsEveryMs: random.pick([2_000, 10_000]),
    classicGroups: drawGroups(random.fork('classic groups')),
    consumerGroups: drawGroups(random.fork('consumer groups')),
    shareGroups: drawGroups(random.fork('share groups')).slice(0, 1),
  };
}

const drawGroups = (random: SeededRandom): number[] =>
  Array.from({ length: random.pick([0, 1, 1, 2]) }, () => random.integer(1, GROUP_SIZE_MAX + 1));
