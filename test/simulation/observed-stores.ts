/**
 * The two memory stores that all processes of a run share, with an eye on every effect: what is written or deleted is told
 * to history and ledger in the event in which it happens, whoever will hear of it.
 */

import { crc32 } from 'node:zlib';
import { type ControllerItem, decodeController } from '../../src/cluster/cluster-items.ts';
import { decodeTopic, type TopicItem } from '../../src/cluster/topic-item.ts';
import { decodeEntry } from '../../src/journal/entry-codec.ts';
import { segmentIdOfKey } from '../../src/segment/segment-id.ts';
import {
  controllerKey,
  journalPartitionKey,
  journalsKey,
  pointerKey,
  seqOfEntry,
  TOPICS,
  topicsPartitionKey,
} from '../../src/storage/keys.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import type { Item, ItemKey, MetadataPricing, MetadataStore, Write } from '../../src/storage/metadata-store.ts';
import type { ObjectKey, ObjectPricing, ObjectStore } from '../../src/storage/object-store.ts';
import type { History } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';

export interface Tamper {
  readonly metadata?: (store: MetadataStore) => MetadataStore;
  readonly objects?: (store: ObjectStore) => ObjectStore;
}

/** More than a run ever has. */
const JOURNALS_FOLLOWED = 64;

export interface SharedStoresOptions {
  readonly clusterId: string;
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly history: () => History;
  readonly ledger: Ledger;
  readonly objectPricing: ObjectPricing;
  readonly metadataPricing: MetadataPricing;
  readonly tamper: Tamper;
  readonly onViolation: (violation: unknown) => void;
}

export class SharedStores {
  readonly metadata: MemoryMetadataStore;
  readonly objects: MemoryObjectStore;
  readonly #options: SharedStoresOptions;
  readonly #journalOf = new Map<string, number>();
  readonly #lastSeqs = new Map<number, number>();

  constructor(options: SharedStoresOptions) {
    this.#options = options;
    this.metadata = new MemoryMetadataStore({ pricing: options.metadataPricing });
    this.objects = new MemoryObjectStore({ clock: options.time, pricing: options.objectPricing });
    for (let journal = 0; journal < JOURNALS_FOLLOWED; journal++) {
      this.#journalOf.set(journalPartitionKey(options.clusterId, journal), journal);
    }
  }

  /** Topics as they are stored, by the true store: no request, no fault. */
  topicItems(): readonly TopicItem[] {
    const partitionKey = topicsPartitionKey(this.#options.clusterId);
    const items: TopicItem[] = [];
    for (const item of this.metadata.items()) {
      if (item.partitionKey !== partitionKey || item.sortKey < TOPICS.from || item.sortKey >= TOPICS.to) continue;
      items.push(decodeTopic(item));
    }
    return items;
  }

  /** What the controller decided last, by the true store; null before there is one. */
  controllerItem(): ControllerItem | null {
    const key = controllerKey(this.#options.clusterId);
    const item = this.metadata.items().find((each) => isSameKey(each, key));
    return item ? decodeController(item) : null;
  }

  /** How many journals the cluster has, by the true store; 0 before it has any. */
  journals(): number {
    const key = journalsKey(this.#options.clusterId);
    const item = this.metadata.items().find((each) => isSameKey(each, key));
    return item ? countOf(item) : 0;
  }

  /** The metadata store as `process` reaches it once its requests arrive. */
  metadataOf(process: string): MetadataStore {
    const { metadata } = this;
    const observed: MetadataStore = {
      pricing: metadata.pricing,
      get: (key, options) => metadata.get(key, options),
      query: (range, options) => metadata.query(range, options),
      put: async (item, condition, options) => {
        const outcome = await metadata.put(item, condition, options);
        this.#traceWrite(process, 'put', item, item.body, outcome.ok);
        if (outcome.ok) this.#onPut(item, process);
        return outcome;
      },
      delete: async (key, condition, options) => {
        const existed = (await metadata.get(key, options)) !== null;
        const outcome = await metadata.delete(key, condition, options);
        this.#traceWrite(process, 'delete', key, null, outcome.ok);
        if (outcome.ok && existed) this.#onDelete(key, process);
        return outcome;
      },
      transact: async (writes, options) => {
        const outcome = await metadata.transact(writes, options);
        for (const write of writes) this.#traceTransact(process, write, outcome.ok);
        return outcome;
      },
      close: async () => {},
    };
    return this.#options.tamper.metadata?.(observed) ?? observed;
  }

  objectsOf(process: string): ObjectStore {
    const { objects } = this;
    const { trace, tamper } = this.#options;
    const observed: ObjectStore = {
      pricing: objects.pricing,
      create: async (key, parts, options) => {
        const outcome = await objects.create(key, parts, options);
        const body = Buffer.concat(parts);
        trace.add(process, `create ${key} ${body.length} ${crc32(body).toString(16)} ${outcome}`);
        if (outcome === 'created') this.#onCreate(key, body, process);
        return outcome;
      },
      read: (key, range, options) => objects.read(key, range, options),
      readLast: (key, length, options) => objects.readLast(key, length, options),
      list: (prefix, after, limit, options) => objects.list(prefix, after, limit, options),
      delete: async (keys, options) => {
        await objects.delete(keys, options);
        trace.add(process, `deleteObjects ${keys.join(' ')}`);
        for (const key of keys) this.#onObjectDeleted(key, process);
      },
      restore: (key, days, options) => objects.restore(key, days, options),
      close: async () => {},
    };
    return tamper.objects?.(observed) ?? observed;
  }

  #onPut(item: Item, process: string): void {
    const { clusterId, ledger, history } = this.#options;
    if (isSameKey(item, controllerKey(clusterId))) {
      this.#guarded(() => history().add({ type: 'controllerPut', item: decodeController(item), process }));
    }
    if (isSameKey(item, journalsKey(clusterId))) {
      this.#guarded(() => history().add({ type: 'journalsCounted', count: countOf(item), process }));
    }
    const journal = this.#journalOf.get(item.partitionKey);
    if (journal === undefined) return;
    this.#guarded(() => {
      if (item.sortKey === pointerKey(clusterId, journal).sortKey) {
        const { attributes } = item;
        history().add({
          type: 'pointerPut',
          journal,
          version: Number(attributes['version']),
          snapshotSeq: Number(attributes['snapshotSeq']),
          floor: Number(attributes['floor']),
          snapshotKey: String(attributes['snapshot']),
          process,
        });
        return;
      }
      const entry = decodeEntry(journal, seqOfEntry(item.sortKey), Buffer.from(item.body));
      const lastSeq = this.#lastSeqs.get(journal) ?? 0;
      if (entry.seq <= lastSeq) {
        history().add({ type: 'strayEntryPut', journal, entry, process });
        return;
      }
      this.#lastSeqs.set(journal, entry.seq);
      history().add({ type: 'entryPut', journal, entry, process });
      ledger.entryPut(journal, entry, process);
    });
  }

  #onDelete(key: ItemKey, process: string): void {
    const journal = this.#journalOf.get(key.partitionKey);
    if (journal === undefined) return;
    this.#guarded(() => {
      this.#options.history().add({ type: 'entryDeleted', journal, seq: seqOfEntry(key.sortKey), process });
    });
  }

  #onCreate(key: ObjectKey, body: Buffer, process: string): void {
    const { clusterId, ledger, history } = this.#options;
    const segmentId = segmentIdOfKey(clusterId, key);
    this.#guarded(() => {
      if (segmentId !== null) ledger.segmentCreated(segmentId, body);
      history().add({ type: 'objectCreated', key, body, process });
    });
  }

  #onObjectDeleted(key: ObjectKey, process: string): void {
    const { clusterId, ledger, history } = this.#options;
    const segmentId = segmentIdOfKey(clusterId, key);
    if (segmentId !== null) ledger.segmentDeleted(segmentId);
    history().add({ type: 'objectDeleted', key, process });
  }

  /** What goes wrong in an observer must not look like a store that fails. */
  #guarded(observe: () => void): void {
    try {
      observe();
    } catch (violation) {
      this.#options.onViolation(violation);
    }
  }

  #traceTransact(process: string, write: Write, ok: boolean): void {
    const key = write.type === 'put' ? write.item : write.key;
    this.#traceWrite(process, `transact-${write.type}`, key, write.type === 'put' ? write.item.body : null, ok);
  }

  #traceWrite(process: string, what: string, key: ItemKey, body: Uint8Array | null, ok: boolean): void {
    const bytes = body === null ? '' : ` ${body.length} ${crc32(body).toString(16)}`;
    this.#options.trace.add(process, `${what} ${key.partitionKey}/${key.sortKey}${bytes} ${ok ? 'ok' : 'condition'}`);
  }
}

const countOf = (item: Item): number => Number(item.attributes['count']);
const isSameKey = (a: ItemKey, b: ItemKey): boolean => a.partitionKey === b.partitionKey && a.sortKey === b.sortKey;
