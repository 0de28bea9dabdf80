/**
 * The small items that every broker looks at in intervals, as the metadata store keeps them: registrations with their
 * heartbeat counters, the controller and its assignments, the number of journals, versions of images, the format of it all. They
 * are under one partition key, so that one consistent query reads everything.
 */
import { z } from 'zod';
import type { Address } from '../config.ts';
import { StorageCorruptError } from '../errors.ts';
import { JOURNALS_MAX } from '../limits.ts';
import { count, firstIssue, listOf, recordOf } from '../schema.ts';
import {
  brokerKey,
  CLUSTER_ITEMS,
  clusterPartitionKey,
  controllerKey,
  formatKey,
  imageKey,
  incarnationKey,
  isBrokerSortKey,
  journalsKey,
  justAfter,
} from '../storage/keys.ts';
import type { Item, MetadataOptions, MetadataStore } from '../storage/metadata-store.ts';

/** Raised when items of a cluster change their meaning: brokers of another format stay away. */
export const CLUSTER_FORMAT = 1;
const PAGE_COUNT = 1_000;

/** Where a broker can be reached, as others are told. */
export interface BrokerAddresses {
  readonly kafka: Address;
  /** Listeners for the clients of one zone, by zone. */
  readonly kafkaByZone: Readonly<Record<string, Address>>;
  readonly http: Address;
  readonly internal: Address;
}

/**
 * `starting`: connects and may lead, but clients are not told of it yet. `draining`: journals and clients go elsewhere.
 * `stopped`: it said goodbye.
 */
export type BrokerState = 'starting' | 'running' | 'draining' | 'stopped';

/** A broker as it describes itself, in its item and to its peers. */
export interface BrokerDescription extends BrokerAddresses {
  readonly brokerId: number;
  /** Grows with every start of this broker id. */
  readonly brokerEpoch: number;
  /** Made by chance for each start: tells two processes apart that were given the same id. */
  readonly session: string;
  readonly state: BrokerState;
  /** Grows when anything here changes while it runs: the later description is known by it. */
  readonly revision: number;
  readonly zone: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

const address = z.object({ host: z.string(), port: count.max(65_535) });

export const DESCRIPTION: z.ZodType<BrokerDescription> = z.object({
  kafka: address,
  kafkaByZone: recordOf(address),
  http: address,
  internal: address,
  brokerId: count,
  brokerEpoch: count,
  session: z.string(),
  state: z.custom<BrokerState>((state) => typeof state === 'string'), // A later minor may know more of them.
  revision: count,
  zone: z.string(),
  version: z.string(),
  startedAt: z.number(),
});

export interface BrokerItem extends BrokerDescription {
  /** Heartbeats of this start. */
  readonly counter: number;
}

/** Who the controller is and what it decided: one item, so that whoever was succeeded can decide nothing any more. */
export interface ControllerItem {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** Grows each time a broker becomes the controller. */
  readonly controllerEpoch: number;
  /** Grows with each write. */
  readonly version: number;
  /** By journal; -1 while there was nobody to assign it to. */
  readonly assigned: readonly number[];
  /** Broker by journal: moved there by an administrator, and not to be balanced away. */
  readonly pinned: Readonly<Record<number, number>>;
  /** Broker epoch by broker: an administrator drains it, until it starts again. */
  readonly drained: Readonly<Record<number, number>>;
  /** Made by chance for each write; conditions compare it. */
  readonly nonce: string;
}

const byNumber = recordOf(count, /^[0-9]+$/);

export const CONTROLLER_ITEM: z.ZodType<ControllerItem> = z.object({
  brokerId: count,
  brokerEpoch: count,
  controllerEpoch: count,
  version: count,
  assigned: listOf(z.int().min(-1), JOURNALS_MAX),
  pinned: byNumber,
  drained: byNumber,
  nonce: z.string(),
});

export const IMAGE_KINDS = ['topics', 'configs'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];
export type ImageVersions = Readonly<Record<ImageKind, number>>;

export interface ClusterItems {
  readonly incarnation: string | null;
  /** Null in a cluster that never started. */
  readonly format: number | null;
  readonly brokers: ReadonlyMap<number, BrokerItem>;
  readonly controller: ControllerItem | null;
  /** 0 in a cluster that never started. */
  readonly journals: number;
  readonly images: ImageVersions;
}

/** Reads everything: one request unless the cluster is very large. */
export async function readClusterItems(
  metadata: MetadataStore,
  clusterId: string,
  options: MetadataOptions,
): Promise<ClusterItems> {
  const partitionKey = clusterPartitionKey(clusterId);
  const items = new Map<string, Item>();
  for (let from = CLUSTER_ITEMS.from; ; ) {
    const page = await metadata.query({ partitionKey, from, to: CLUSTER_ITEMS.to, limit: PAGE_COUNT }, options);
    for (const item of page.items) items.set(item.sortKey, item);
    if (!page.more) break;
    from = justAfter(page.items.at(-1)!.sortKey);
  }
  const brokers = new Map<number, BrokerItem>();
  for (const [sortKey, item] of items) {
    if (!isBrokerSortKey(sortKey)) continue;
    const broker = shaped(item, decodeBroker(item), DESCRIPTION);
    brokers.set(broker.brokerId, broker);
  }
  const find = (key: { readonly sortKey: string }) => items.get(key.sortKey);
  const number = (item: Item | undefined, name: string) => (item ? Number(item.attributes[name]) : null);
  const controller = find(controllerKey(clusterId));
  const incarnation = find(incarnationKey(clusterId))?.attributes['incarnation'];
  return {
    incarnation: incarnation === undefined ? null : String(incarnation),
    format: number(find(formatKey(clusterId)), 'format'),
    brokers,
    controller: controller ? decodeController(controller) : null,
    journals: number(find(journalsKey(clusterId)), 'count') ?? 0,
    images: {
      topics: number(find(imageKey(clusterId, 'topics')), 'version') ?? 0,
      configs: number(find(imageKey(clusterId, 'configs')), 'version') ?? 0,
    },
  };
}

export function encodeBroker(clusterId: string, broker: BrokerItem): Item {
  const { brokerId, brokerEpoch, session, counter, ...body } = broker;
  return {
    ...brokerKey(clusterId, brokerId),
    body: Buffer.from(JSON.stringify({ brokerId, ...body })),
    attributes: { epoch: brokerEpoch, session, counter },
  };
}

export function decodeBroker(item: Item): BrokerItem {
  const { epoch, session, counter } = item.attributes;
  return {
    ...(parseBody(item) as Omit<BrokerItem, 'brokerEpoch' | 'session' | 'counter'>),
    brokerEpoch: Number(epoch),
    session: String(session),
    counter: Number(counter),
  };
}

export function encodeController(clusterId: string, controller: ControllerItem): Item {
  const { nonce, ...body } = controller;
  return { ...controllerKey(clusterId), body: Buffer.from(JSON.stringify(body)), attributes: { nonce } };
}

export function decodeController(item: Item): ControllerItem {
  const controller = { ...(parseBody(item) as Omit<ControllerItem, 'nonce'>), nonce: String(item.attributes['nonce']) };
  return shaped(item, controller, CONTROLLER_ITEM);
}

function shaped<T>({ partitionKey, sortKey }: Item, value: T, schema: z.ZodType): T {
  const wrong = schema.safeParse(value).error;
  if (!wrong) return value;
  throw new StorageCorruptError(`item ${partitionKey} ${sortKey} is not what it should be: ${firstIssue(wrong)}`);
}

export function parseBody(item: Item): unknown {
  try {
    return JSON.parse(Buffer.from(item.body).toString());
  } catch (cause) {
    throw new StorageCorruptError(`item ${item.partitionKey} ${item.sortKey} is not JSON`, { cause });
  }
}
