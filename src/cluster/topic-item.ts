/**
 * A topic as the metadata store keeps it: two items, one under its id with everything, one under its name that makes
 * names unique. A topic exists from its first item; a partition exists from its `Created` to its `Deleted` entry.
 *
 *   creating ──partitions exist in their journals──► active ──name item gone──► deleting ──journals done──► no item
 *                                                     ▲  │
 *                                                     └──┘ partitions grow: `pending` names journals of the new ones
 *
 * Whoever finds a topic in `creating`, `deleting` or with `pending` partitions may finish the step: each is safe to repeat.
 */
import { StorageCorruptError } from '../errors.ts';
import { topicIdKey, topicNameKey } from '../storage/keys.ts';
import type { Item, MetadataStore } from '../storage/metadata-store.ts';

export type TopicPhase = 'creating' | 'active' | 'deleting';

export interface TopicItem {
  readonly topicId: string;
  readonly name: string;
  readonly phase: TopicPhase;
  /** Journal of each partition that clients may see. */
  readonly journals: readonly number[];
  /** Journals of partitions being added after those. */
  readonly pending: readonly number[];
  readonly overrides: Readonly<Record<string, string>>;
  readonly replicationFactor: number;
  readonly createdAt: number;
  /** Grows by one with each write; conditions compare it. */
  readonly version: number;
}

/** Raised when a field changes its meaning. */
const FORMAT = 1;

export function encodeTopic(clusterId: string, topic: TopicItem): Item {
  const { version, ...body } = topic;
  return {
    ...topicIdKey(clusterId, topic.topicId),
    body: Buffer.from(JSON.stringify({ format: FORMAT, ...body })),
    attributes: { version },
  };
}

export function decodeTopic(item: Item): TopicItem {
  const where = `topic item ${item.partitionKey} ${item.sortKey}`;
  let body: { format?: unknown };
  try {
    body = JSON.parse(Buffer.from(item.body).toString());
  } catch (cause) {
    throw new StorageCorruptError(`${where} is not JSON`, { cause });
  }
  if (body.format !== FORMAT)
    throw new StorageCorruptError(`${where} has format ${body.format}, this broker knows ${FORMAT}`);
  const { format: _, ...topic } = body;
  return { ...(topic as Omit<TopicItem, 'version'>), version: Number(item.attributes['version']) };
}

export function encodeName(clusterId: string, name: string, topicId: string): Item {
  return { ...topicNameKey(clusterId, name), body: Buffer.alloc(0), attributes: { topicId } };
}

/** Whether there is a topic of that id, in whatever phase. */
export async function isTopicStored(metadata: MetadataStore, clusterId: string, topicId: string): Promise<boolean> {
  return (await metadata.get(topicIdKey(clusterId, topicId), { cause: 'topics' })) !== null;
}
