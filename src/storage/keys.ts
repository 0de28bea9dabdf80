/**
 * Every key that other folders use in the two stores, on one page. Keys are plain strings that mean the same in every
 * adapter; what an item carries is declared by its owner. `dynamodb/keys.ts` adds how the table spells them.
 *
 * | item             | partition key           | sort key               | owner   |
 * |------------------|-------------------------|------------------------|---------|
 * | journal entry    | `<cluster>/journal/<j>` | `e/<seq, 16 digits>`   | journal |
 * | snapshot pointer | `<cluster>/journal/<j>` | `pointer`              | journal |
 * | topic            | `<cluster>/topics`      | `id/<topic id>`        | cluster |
 * | topic name       | `<cluster>/topics`      | `name/<name>`          | cluster |
 * | registration     | `<cluster>/cluster`     | `b/<id, 10 digits>`    | cluster |
 * | controller       | `<cluster>/cluster`     | `controller`           | cluster |
 * | format           | `<cluster>/cluster`     | `format`               | cluster |
 * | image version    | `<cluster>/cluster`     | `image/<kind>`         | cluster |
 * | incarnation      | `<cluster>/cluster`     | `incarnation`          | storage |
 * | journals         | `<cluster>/cluster`     | `journals`             | cluster |
 * | retired brokers  | `<cluster>/cluster`     | `retired`              | cluster |
 * | placement        | `<cluster>/owners`      | `o/<owner>`            | cluster |
 * | group's configs  | `<cluster>/configs`     | `g/<group id>`         | cluster |
 * | broker's configs | `<cluster>/configs`     | `b/<id>`, all: `b/`    | cluster |
 * | client quotas    | `<cluster>/configs`     | `q/<entity>`           | cluster |
 * | feature levels   | `<cluster>/configs`     | `f/levels`             | cluster |
 *
 * Everything that brokers look at in intervals is under `<cluster>/cluster`: one consistent query reads it all. One journal is
 * one partition key, so that its entries are one ordered range; a DynamoDB partition key takes 1,000 write
 * units a second, which is the ceiling of one journal. Zero-padded numbers make byte order the order of numbers.
 */
import { assert } from '../runtime/assert.ts';
import type { ItemKey } from './metadata-store.ts';
import { type ObjectKey, objectKey } from './object-store.ts';

/** Digits of `Number.MAX_SAFE_INTEGER`. */
const SEQ_DIGITS = 16;
const BROKER_ID_DIGITS = 10;

const ENTRY_PREFIX = 'e/';
const TOPIC_ID_PREFIX = 'id/';
const TOPIC_NAME_PREFIX = 'name/';
const BROKER_PREFIX = 'b/';
const IMAGE_PREFIX = 'image/';

export const journalPartitionKey = (clusterId: string, journal: number): string => `${clusterId}/journal/${journal}`;
export const topicsPartitionKey = (clusterId: string): string => `${clusterId}/topics`;
export const clusterPartitionKey = (clusterId: string): string => `${clusterId}/cluster`;

export const entrySortKey = (seq: number): string => ENTRY_PREFIX + padded(seq, SEQ_DIGITS);

/** Seq of an entry's sort key. Anything else under a journal's partition key is not an entry: see `ENTRIES`. */
export function seqOfEntry(sortKey: string): number {
  const seq = Number(sortKey.slice(ENTRY_PREFIX.length));
  assert(sortKey === entrySortKey(seq), `${sortKey} is not the sort key of an entry`);
  return seq;
}

export const entryKey = (clusterId: string, journal: number, seq: number): ItemKey => ({
  partitionKey: journalPartitionKey(clusterId, journal),
  sortKey: entrySortKey(seq),
});

export const pointerKey = (clusterId: string, journal: number): ItemKey => ({
  partitionKey: journalPartitionKey(clusterId, journal),
  sortKey: 'pointer',
});

export const topicIdKey = (clusterId: string, topicId: string): ItemKey => ({
  partitionKey: topicsPartitionKey(clusterId),
  sortKey: TOPIC_ID_PREFIX + topicId,
});

/** Holds a name for one topic id, so that names are unique. */
export const topicNameKey = (clusterId: string, name: string): ItemKey => ({
  partitionKey: topicsPartitionKey(clusterId),
  sortKey: TOPIC_NAME_PREFIX + name,
});

export const brokerKey = (clusterId: string, brokerId: number): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: BROKER_PREFIX + padded(brokerId, BROKER_ID_DIGITS),
});

export const incarnationKey = (clusterId: string): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: 'incarnation',
});

/** How many journals the cluster has. */
export const journalsKey = (clusterId: string): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: 'journals',
});

/** Who the controller is, and which broker each journal is assigned to. */
export const controllerKey = (clusterId: string): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: 'controller',
});

/** What the items of the cluster mean: brokers that know another meaning stay away. */
export const formatKey = (clusterId: string): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: 'format',
});

/** The highest epoch of brokers whose registrations were dropped. */
export const retiredKey = (clusterId: string): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: 'retired',
});

/** Grows when items of a kind have changed, which every broker has in memory. */
export const imageKey = (clusterId: string, kind: string): ItemKey => ({
  partitionKey: clusterPartitionKey(clusterId),
  sortKey: IMAGE_PREFIX + kind,
});

/** Which journal keeps the records of a group or a transactional id. */
export const placementKey = (clusterId: string, owner: string): ItemKey => ({
  partitionKey: `${clusterId}/owners`,
  sortKey: `o/${owner}`,
});

/** What administrators set while brokers run: a family for each kind of thing that it is set for. */
export type ConfigKind = 'g' | 'b' | 'q' | 'f';

export const configsPartitionKey = (clusterId: string): string => `${clusterId}/configs`;
export const configKey = (clusterId: string, kind: ConfigKind, name: string): ItemKey => ({
  partitionKey: configsPartitionKey(clusterId),
  sortKey: `${kind}/${name}`,
});
export const configsRange = (kind: ConfigKind): SortKeyRange => family(`${kind}/`);

/** The whole family of one prefix as a half-open range of sort keys. */
export interface SortKeyRange {
  readonly from: string;
  readonly to: string;
}

export const ENTRIES: SortKeyRange = family(ENTRY_PREFIX);
export const TOPICS: SortKeyRange = family(TOPIC_ID_PREFIX);
/** All that is under `<cluster>/cluster`; its sort keys begin with small letters. */
export const CLUSTER_ITEMS: SortKeyRange = { from: 'a', to: '{' };

export const isBrokerSortKey = (sortKey: string): boolean => sortKey.startsWith(BROKER_PREFIX);

/** The least sort key above `sortKey`: where the next page starts. */
export const justAfter = (sortKey: string): string => `${sortKey}\0`;

/** Objects that belong to storage itself. Those of segments and snapshots are named by their owners, under the same root. */
export const incarnationObjectKey = (clusterId: string): ObjectKey => objectKey(`${clusterId}/incarnation`);
export const probeObjectKey = (clusterId: string, name: string): ObjectKey => objectKey(`${clusterId}/probe/${name}`);

/** Prefixes end in a slash; a family ends where the slash's successor begins. */
function family(prefix: string): SortKeyRange {
  return { from: prefix, to: `${prefix.slice(0, -1)}0` };
}

function padded(value: number, digits: number): string {
  assert(Number.isSafeInteger(value) && value >= 0, `${value} cannot be part of a key`);
  return String(value).padStart(digits, '0');
}
