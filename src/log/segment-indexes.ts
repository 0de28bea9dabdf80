import { KafkaError, StorageCorruptError } from '../errors.ts';
import type { Extent } from '../journal/partition-state.ts';
import type { SegmentReference } from '../segment/footer.ts';
import { readFooter } from '../segment/read.ts';
import type { BlockReader } from './block-reader.ts';
import { type Led, referenceOf } from './locate.ts';
import type { PartitionId } from './log.ts';
import { type IndexedBlock, SegmentIndex } from './segment-index.ts';

export type IndexResult =
  /** Another footer may take its place in memory at any time. */
  | { readonly type: 'read'; readonly blocks: Blocks }
  | { readonly type: 'gone' }
  | { readonly type: 'failed'; readonly cause: unknown };

/** Those of an extent in the segment. Throws StorageCorruptError when the footer contradicts the journal. */
type Blocks = (id: PartitionId, extent: Extent) => readonly IndexedBlock[];

/** Footers of segments with long extents, least recently used out first. Reads of the same footer are joined. */
export class SegmentIndexes {
  readonly #reader: BlockReader;
  readonly #bytesMax: number;
  readonly #indexes = new Map<string, SegmentIndex>();
  readonly #loading = new Map<string, Promise<IndexResult>>();
  bytes = 0;

  constructor(reader: BlockReader, bytesMax: number) {
    this.#reader = reader;
    this.#bytesMax = bytesMax;
  }

  /** Undefined when the footer is not at hand. Throws StorageCorruptError when it contradicts the journal. */
  blocks(id: PartitionId, extent: Extent): readonly IndexedBlock[] | undefined {
    if (extent.source.type !== 'segment') return undefined;
    const { segmentId } = extent.source;
    const index = this.#indexes.get(segmentId);
    if (index === undefined) return undefined;
    this.#indexes.delete(segmentId);
    this.#indexes.set(segmentId, index);
    return blocksIn(index, segmentId)(id, extent);
  }

  /** Reads the footer of the segment that the extent lies in. Never rejects. */
  load(extent: Extent, led: Led): Promise<IndexResult> {
    if (extent.source.type !== 'segment') return Promise.resolve({ type: 'gone' });
    const { segmentId } = extent.source;
    const known = this.#loading.get(segmentId);
    if (known !== undefined) return known;
    const reference = referenceOf(led, segmentId);
    if (reference === undefined) return Promise.resolve({ type: 'gone' });
    const loading = this.#read(reference)
      .catch((cause: unknown): IndexResult => ({ type: 'failed', cause }))
      .finally(() => this.#loading.delete(segmentId));
    this.#loading.set(segmentId, loading);
    return loading;
  }

  clear(): void {
    this.#indexes.clear();
    this.bytes = 0;
  }

  async #read(reference: SegmentReference): Promise<IndexResult> {
    const { id, footerPosition, footerLength } = reference;
    const bytes = await this.#reader.readRange(id, footerPosition, footerPosition + footerLength);
    if (bytes === null) return { type: 'gone' };
    if (bytes === 'archived') {
      throw new KafkaError('KAFKA_STORAGE_ERROR', `segment ${id} is archived and must be restored first`);
    }
    const index = new SegmentIndex(readFooter(reference, bytes));
    this.#indexes.set(id, index);
    this.bytes += index.bytes;
    for (const [oldestId, oldest] of this.#indexes) {
      if (this.bytes <= this.#bytesMax || this.#indexes.size === 1) break;
      this.#indexes.delete(oldestId);
      this.bytes -= oldest.bytes;
    }
    return { type: 'read', blocks: blocksIn(index, id) };
  }
}

const blocksIn =
  (index: SegmentIndex, segmentId: string): Blocks =>
  (id, extent) => {
    const blocks = index.blocksOf(id, extent);
    if (blocks !== null) return blocks;
    throw new StorageCorruptError(
      `segment ${segmentId} is damaged: its footer does not list offsets ${extent.baseOffset} to ${extent.endOffset} of partition ${id.topicId}-${id.partition} at byte ${extent.position}`,
    );
  };
