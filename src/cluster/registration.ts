/**
 * What a broker writes about itself at start: a new broker epoch, so that sessions of its earlier life are refused, and
 * where it can be reached. No epoch of an id is ever given twice, also when its item was dropped meanwhile (retirement.ts).
 */
import type { AddedJournals } from '../cluster-report.ts';
import { KafkaError, StartupError } from '../errors.ts';
import { JOURNALS_MAX } from '../limits.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { brokerKey, formatKey, journalsKey } from '../storage/keys.ts';
import { ABSENT, type Item, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import {
  type BrokerDescription,
  type BrokerItem,
  CLUSTER_FORMAT,
  decodeBroker,
  encodeBroker,
  parseBody,
} from './cluster-items.ts';
import type { Probe } from './links.ts';
import { readRetired } from './retirement.ts';

const OPTIONS = { cause: 'startup' } as const;
const ATTEMPTS_MAX = 16;
/** Of the last ones, for those that heard no answer: each asks again within seconds. */
const ADDITIONS_KEPT = 8;

export type NewBroker = Omit<BrokerDescription, 'brokerEpoch' | 'session' | 'state' | 'revision' | 'startedAt'>;

export interface RegisterOptions {
  readonly metadata: MetadataStore;
  readonly clusterId: string;
  /** Addresses may still be the ones that were configured: what is bound is announced later. */
  readonly broker: NewBroker;
  readonly runtime: Runtime;
  /** Asks whoever is registered under the id. A broker alone on its stores needs none. */
  readonly probe?: Probe;
}

/**
 * Takes the next epoch of this broker id, in state `starting`. Safe against lost answers: the item carries a session made for this
 * start. Throws StartupError when a live process has the id.
 */
export async function registerBroker(options: RegisterOptions): Promise<BrokerItem> {
  const { metadata, clusterId, broker, runtime, probe } = options;
  const session = randomHex(runtime.random, 8);
  const key = brokerKey(clusterId, broker.brokerId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const standing = await metadata.get(key, OPTIONS);
    const known = standing && decodeBroker(standing);
    if (known?.session === session) return known;
    if (known && probe) await refuseDuplicate(known, probe);
    const retired = known ? null : await readRetired(metadata, clusterId, OPTIONS);
    const fresh: BrokerItem = {
      ...broker,
      brokerEpoch: known ? known.brokerEpoch + 1 : retired!.epoch + 1,
      session,
      state: 'starting',
      revision: 1,
      startedAt: runtime.clock.now(),
      counter: 0,
    };
    const item = encodeBroker(clusterId, fresh);
    const outcome = known
      ? await metadata.put(item, whenEquals({ epoch: known.brokerEpoch, session: known.session }), OPTIONS)
      : await metadata.transact([{ type: 'put', item, condition: ABSENT }, retired!.become()], OPTIONS);
    if (outcome.ok || outcome.existing?.attributes['session'] === session) return fresh;
  }
  throw new KafkaError(
    'DUPLICATE_BROKER_REGISTRATION',
    `broker id ${broker.brokerId} is being registered by others all the time`,
  );
}

/**
 * Whether another process has the id is for it to say: an item outlives a crash. This process may listen at that address
 * already, but has no epoch yet.
 */
async function refuseDuplicate(known: BrokerItem, probe: Probe): Promise<void> {
  if (known.state === 'stopped' || known.internal.port === 0) return;
  const found = await probe(known.internal);
  if (found?.brokerId !== known.brokerId || found.brokerEpoch < known.brokerEpoch) return;
  const { host, port } = known.internal;
  throw new StartupError(
    `broker id ${known.brokerId} is in use by ${host}:${port}, which runs since ${new Date(known.startedAt).toISOString()}: give this broker another --broker-id (MILLRACE_BROKER_ID), or stop that one`,
  );
}

/** Throws StartupError when the items of the cluster mean something else than this broker knows. */
export async function agreeOnFormat(metadata: MetadataStore, clusterId: string, version: string): Promise<void> {
  const key = formatKey(clusterId);
  const wanted = { ...key, body: Buffer.alloc(0), attributes: { format: CLUSTER_FORMAT } };
  const standing = await metadata.get(key, OPTIONS);
  const outcome = standing ? null : await metadata.put(wanted, ABSENT, OPTIONS);
  const decided = standing ?? (outcome?.ok === false ? outcome.existing : wanted);
  const format = Number(decided?.attributes['format']);
  if (format === CLUSTER_FORMAT) return;
  throw new StartupError(
    `cluster ${clusterId} has format ${format}, and Millrace ${version} knows format ${CLUSTER_FORMAT}: run the version that the other brokers of the cluster run`,
  );
}

/**
 * How many journals the cluster has: chosen at its first start, grown when more are asked for, never fewer, since
 * partitions name their journal for ever.
 */
export async function agreeOnJournals(
  metadata: MetadataStore,
  clusterId: string,
  wanted: number,
  runtime: Runtime,
): Promise<number> {
  const key = journalsKey(clusterId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const known = await metadata.get(key, OPTIONS);
    const count = known ? Number(known.attributes['count']) : 0;
    if (count >= wanted) {
      if (count > wanted)
        runtime.logger.info({ journals: count, wanted }, 'the cluster has more journals than asked for; keeping them');
      return count;
    }
    const item = { ...key, body: known?.body ?? Buffer.alloc(0), attributes: { count: wanted } };
    const outcome = await metadata.put(item, known ? whenEquals({ count }) : ABSENT, OPTIONS);
    if (outcome.ok) return wanted;
  }
  throw new KafkaError('INVALID_UPDATE_VERSION', 'the number of journals is being changed by others all the time');
}

/** One addition, as the item of the journals keeps it: a write that is repeated, as its answer was lost, is known by its id. */
interface Addition extends AddedJournals {
  readonly id: string;
}

/**
 * So many journals more than there are, whoever else adds some at the same moment. Throws INVALID_REQUEST, and adds none, when they
 * would be too many.
 */
export async function addToJournals(
  metadata: MetadataStore,
  clusterId: string,
  more: number,
  runtime: Runtime,
): Promise<AddedJournals> {
  const key = journalsKey(clusterId);
  const id = randomHex(runtime.random, 8);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const known = await metadata.get(key, OPTIONS);
    const additions = additionsOf(known);
    const done = additions.find((addition) => addition.id === id);
    if (done) return { before: done.before, count: done.count };
    const before = known ? Number(known.attributes['count']) : 0;
    const count = before + more;
    if (count > JOURNALS_MAX) {
      throw new KafkaError('INVALID_REQUEST', `a cluster has at most ${JOURNALS_MAX} journals, not ${count}`);
    }
    const kept = [...additions, { id, before, count }].slice(-ADDITIONS_KEPT);
    const item = { ...key, body: Buffer.from(JSON.stringify(kept)), attributes: { count } };
    const outcome = await metadata.put(item, known ? whenEquals({ count: before }) : ABSENT, OPTIONS);
    if (outcome.ok) return { before, count };
  }
  throw new KafkaError('INVALID_UPDATE_VERSION', 'the number of journals is being changed by others all the time');
}

/** None in an item that no addition has touched. */
const additionsOf = (item: Item | null): readonly Addition[] =>
  item === null || item.body.length === 0 ? [] : (parseBody(item) as Addition[]);
