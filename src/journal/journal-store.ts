/**
 * Everything that one journal asks of the two stores, so that the rest speaks of entries and snapshots. Reads are
 * repeated by the store's own decorators; puts of entries never are (rule 3).
 */
import { StorageCorruptError } from '../errors.ts';
import type { SegmentReference } from '../segment/footer.ts';
import { segmentKey } from '../segment/segment-id.ts';
import { ENTRIES, entryKey, entrySortKey, journalPartitionKey, pointerKey, seqOfEntry } from '../storage/keys.ts';
import { ABSENT, ALWAYS, type Item, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { type ObjectKey, type ObjectStore, objectKey, type RequestCause } from '../storage/object-store.ts';
import type { PointerPosition } from './leadership.ts';

/** A page of DynamoDB ends at 1 MiB anyway. */
const ENTRIES_PER_PAGE = 1_000;
/** One stream from S3 gives some 100 MB/s: large snapshots come in several. */
const SNAPSHOT_READ_BYTES = 4 * 1024 * 1024;
const SNAPSHOT_READS_IN_FLIGHT_MAX = 8;
/** Persisted: never renumber. Body of the pointer item. */
const POINTER_FORMAT = Buffer.of(1);

/** The snapshot pointer item. */
export interface Pointer extends PointerPosition {
  /** Grows by one with every write; 0 when there is no item yet. */
  readonly version: number;
  /** Null before the first snapshot. */
  readonly snapshot: SnapshotName | null;
}

export interface SnapshotName {
  readonly key: ObjectKey;
  readonly bytes: number;
}

export const NO_POINTER: Pointer = { version: 0, snapshot: null, snapshotSeq: 0, floor: 0 };

export interface StoredEntry {
  readonly seq: number;
  readonly id: string;
  readonly bytes: Buffer;
}

export interface EntryPage {
  readonly entries: readonly StoredEntry[];
  readonly more: boolean;
}

export class JournalStore {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  readonly clusterId: string;
  readonly journal: number;
  readonly #signal: AbortSignal;

  constructor(metadata: MetadataStore, objects: ObjectStore, clusterId: string, journal: number, signal: AbortSignal) {
    this.metadata = metadata;
    this.objects = objects;
    this.clusterId = clusterId;
    this.journal = journal;
    this.#signal = signal;
  }

  entryItem(seq: number, id: string, body: Uint8Array): Item {
    return { ...entryKey(this.clusterId, this.journal, seq), body, attributes: { id } };
  }

  /** Null when the slot is empty. */
  async readEntry(seq: number, cause: RequestCause): Promise<StoredEntry | null> {
    const item = await this.metadata.get(entryKey(this.clusterId, this.journal, seq), this.#options(cause));
    return item && toStoredEntry(item);
  }

  /** Entries behind `after`, in order. */
  async readEntries(after: number): Promise<EntryPage> {
    const range = {
      partitionKey: journalPartitionKey(this.clusterId, this.journal),
      from: entrySortKey(after + 1),
      to: ENTRIES.to,
      limit: ENTRIES_PER_PAGE,
    };
    const { items, more } = await this.metadata.query(range, this.#options('journal'));
    return { entries: items.map(toStoredEntry), more };
  }

  /** Seqs of stored entries in `[from, to)`, a page of them. */
  async listEntries(from: number, to: number): Promise<{ readonly seqs: readonly number[]; readonly more: boolean }> {
    const range = {
      partitionKey: journalPartitionKey(this.clusterId, this.journal),
      from: entrySortKey(from),
      to: entrySortKey(to),
      limit: ENTRIES_PER_PAGE,
      keysOnly: true,
    };
    const { items, more } = await this.metadata.query(range, this.#options('trim'));
    return { seqs: items.map(({ sortKey }) => seqOfEntry(sortKey)), more };
  }

  async deleteEntry(seq: number): Promise<void> {
    await this.metadata.delete(entryKey(this.clusterId, this.journal, seq), ALWAYS, this.#options('trim'));
  }

  async readPointer(): Promise<Pointer> {
    const item = await this.metadata.get(pointerKey(this.clusterId, this.journal), this.#options('journal'));
    return item ? toPointer(item) : NO_POINTER;
  }

  /**
   * Puts `next` in the place of `current`. False when somebody else moved the pointer meanwhile. `writer` is fresh random
   * text, by which a repeat whose first answer was lost knows its own write.
   */
  async writePointer(current: Pointer, next: Omit<Pointer, 'version'>, writer: string): Promise<boolean> {
    const condition = current.version === 0 ? ABSENT : whenEquals({ version: current.version });
    const attributes = {
      version: current.version + 1,
      writer,
      snapshotSeq: next.snapshotSeq,
      floor: next.floor,
      snapshot: next.snapshot?.key ?? '-',
      bytes: next.snapshot?.bytes ?? 0,
    };
    const item: Item = { ...pointerKey(this.clusterId, this.journal), body: POINTER_FORMAT, attributes };
    const outcome = await this.metadata.put(item, condition, this.#options('snapshot'));
    return outcome.ok || outcome.existing?.attributes['writer'] === writer;
  }

  snapshotKey(seq: number, random: string): ObjectKey {
    return objectKey(`${this.snapshotPrefix()}${String(seq).padStart(16, '0')}-${random}`);
  }

  snapshotPrefix(): string {
    return `${this.clusterId}/snapshots/${this.journal}/`;
  }

  async createSnapshot(key: ObjectKey, parts: readonly Uint8Array[]): Promise<void> {
    // `exists` is our own earlier attempt: the key is random.
    await this.objects.create(key, parts, this.#options('snapshot'));
  }

  /** Null when it is gone: a newer one took its place. */
  async readSnapshot({ key, bytes }: SnapshotName): Promise<Buffer | null> {
    const body = Buffer.allocUnsafe(bytes);
    const starts = Array.from({ length: Math.ceil(bytes / SNAPSHOT_READ_BYTES) }, (_, at) => at * SNAPSHOT_READ_BYTES);
    let isGone = false;
    const worker = async () => {
      for (let start = starts.shift(); start !== undefined && !isGone; start = starts.shift()) {
        const end = Math.min(start + SNAPSHOT_READ_BYTES, bytes);
        const into = body.subarray(start, end);
        const part = await this.objects.read(key, { start, end }, { ...this.#options('startup'), into });
        if (part === 'archived') throw new StorageCorruptError(`snapshot ${key} was moved to an archive class`);
        if (part === null) isGone = true;
        else if (part.length < end - start)
          throw new StorageCorruptError(`snapshot ${key} has ${start + part.length} bytes`);
        else if (part.buffer !== into.buffer || part.byteOffset !== into.byteOffset) into.set(part);
      }
    };
    await Promise.all(Array.from({ length: Math.min(SNAPSHOT_READS_IN_FLIGHT_MAX, starts.length) }, worker));
    return isGone ? null : body;
  }

  async listSnapshots(): Promise<readonly ObjectKey[]> {
    const page = await this.objects.list(this.snapshotPrefix(), '', 1_000, this.#options('trim'));
    return page.objects.map(({ key }) => key);
  }

  async deleteSnapshots(keys: readonly ObjectKey[]): Promise<void> {
    if (keys.length > 0) await this.objects.delete(keys, this.#options('trim'));
  }

  /** Its bytes, unchecked. Null when the segment is gone. */
  async readFooterBytes(reference: SegmentReference): Promise<Buffer | null> {
    const { id, footerPosition, footerLength } = reference;
    const range = { start: footerPosition, end: footerPosition + footerLength };
    const bytes = await this.objects.read(segmentKey(this.clusterId, id), range, this.#options('startup'));
    if (bytes === 'archived') {
      throw new StorageCorruptError(`journal ${this.journal} needs the footer of segment ${id}, which is archived`);
    }
    return bytes;
  }

  #options(cause: RequestCause) {
    return { cause, signal: this.#signal };
  }
}

const toStoredEntry = ({ sortKey, body, attributes }: Item): StoredEntry => ({
  seq: seqOfEntry(sortKey),
  id: String(attributes['id']),
  bytes: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
});

function toPointer({ attributes }: Item): Pointer {
  const bytes = Number(attributes['bytes']);
  return {
    version: Number(attributes['version']),
    snapshotSeq: Number(attributes['snapshotSeq']),
    floor: Number(attributes['floor']),
    snapshot: bytes === 0 ? null : { key: objectKey(String(attributes['snapshot'])), bytes },
  };
}
