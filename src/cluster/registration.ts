/**
 * What a broker writes about itself at start: a new broker epoch, so that sessions of its earlier life are refused, and
 * where it can be reached. The item is never deleted: an epoch that is forgotten could be given twice.
 */
import { KafkaError } from '../errors.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { brokerKey, journalsKey } from '../storage/keys.ts';
import { ABSENT, type Item, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';

const OPTIONS = { cause: 'startup' } as const;
const ATTEMPTS_MAX = 16;

export interface BrokerAddresses {
  readonly kafka: string;
  readonly http: string;
  readonly internal: string;
  readonly zone: string;
}

export interface Registration {
  readonly brokerId: number;
  /** Grows with every start of this broker id. */
  readonly brokerEpoch: number;
}

/** Takes the next epoch of this broker id. Safe against lost answers: the item carries a session made for this start. */
export async function registerBroker(
  metadata: MetadataStore,
  clusterId: string,
  brokerId: number,
  addresses: BrokerAddresses,
  runtime: Runtime,
): Promise<Registration> {
  const session = randomHex(runtime.random, 8);
  const key = brokerKey(clusterId, brokerId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const known = await metadata.get(key, OPTIONS);
    if (known?.attributes['session'] === session) return { brokerId, brokerEpoch: epochOf(known) };
    const brokerEpoch = known ? epochOf(known) + 1 : 1;
    const body = Buffer.from(JSON.stringify({ ...addresses, startedAt: runtime.clock.now() }));
    const item = { ...key, body, attributes: { epoch: brokerEpoch, session } };
    const outcome = await metadata.put(item, known ? whenEquals({ epoch: epochOf(known) }) : ABSENT, OPTIONS);
    if (outcome.ok || outcome.existing?.attributes['session'] === session) return { brokerId, brokerEpoch };
  }
  throw new KafkaError(
    'DUPLICATE_BROKER_REGISTRATION',
    `broker id ${brokerId} is being registered by others all the time`,
  );
}

const epochOf = (item: Item): number => Number(item.attributes['epoch']);

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
    const item = { ...key, body: Buffer.alloc(0), attributes: { count: wanted } };
    const outcome = await metadata.put(item, known ? whenEquals({ count }) : ABSENT, OPTIONS);
    if (outcome.ok) return wanted;
  }
  throw new KafkaError('INVALID_UPDATE_VERSION', 'the number of journals is being changed by others all the time');
}
