/**
 * Reads blocks from the stores into the block cache, or has brokers near by give them (`near-blocks.ts`). Reads of the same
 * block are joined, neighbours in one segment come in one read, and recently written blocks have a limit of their own, so
 * that a backfill does not hold up those who follow.
 */
import { KafkaError, StorageCorruptError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Extent } from '../journal/partition-state.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { segmentKey } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type Block, damagedBlock, placeBlock, sourceId } from './block.ts';
import type { BlockCache, PageEntry } from './block-cache.ts';
import { CHUNK_BYTES, type Chunk, type ChunkPool } from './chunk-pool.ts';
import type { Lease } from './lease.ts';
import type { NearBlocks } from './near-blocks.ts';
import { ReadGate } from './read-gate.ts';
import type { Run } from './run.ts';

export type BlockResult =
  | { readonly type: 'run'; readonly run: Run; readonly source: 'near' | 'store' }
  /** Merged and reclaimed meanwhile: look the extents up again. */
  | { readonly type: 'gone' }
  | { readonly type: 'failed'; readonly cause: unknown };

const GONE: BlockResult = { type: 'gone' };

/** Two blocks with no more than this between them are read as one. */
const GAP_BYTES_MAX = 16 * 1024;
const HOT_MS = 60_000;

/** Appended a moment ago: those who follow the newest records want it. `now` is the wall clock. */
export const isHot = ({ source, appendedAt }: Extent, now: number): boolean =>
  source.type === 'inline' || now - appendedAt < HOT_MS;

export interface BlockReaderOptions {
  readonly runtime: Runtime;
  readonly clusterId: string;
  readonly objects: ObjectStore;
  readonly pool: ChunkPool;
  readonly cache: BlockCache;
  /** Brokers that may have a block, and a small cache of what came from them; null for a broker alone. */
  readonly near: { readonly blocks: NearBlocks; readonly cache: BlockCache } | null;
  /** Reads in flight at once: a quarter is kept for hot ones. */
  readonly readsMax: number;
  /** Ends all reads. */
  readonly signal: AbortSignal;
}

export interface WantedBlock {
  readonly block: Block;
  /** Who has the bytes when they are inline. */
  readonly journal: Journal | null;
  /** Holds the block from the moment it is there; null to read ahead. */
  readonly lease: Lease | null;
}

/** A block on its way, and the leases that will hold it the moment it is there. */
interface Loading {
  readonly block: Block;
  readonly leases: (Lease | null)[];
  readonly promise: Promise<BlockResult>;
  readonly resolve: (result: BlockResult) => void;
}

export class BlockReader {
  readonly #options: BlockReaderOptions;
  readonly #hot: ReadGate;
  readonly #cold: ReadGate;
  readonly #loading = new Map<string, Map<number, Loading>>();

  constructor(options: BlockReaderOptions) {
    this.#options = options;
    const { readsMax, runtime, signal } = options;
    const hotMax = Math.max(1, Math.floor(readsMax / 4));
    this.#hot = new ReadGate(hotMax, runtime.timers, signal);
    this.#cold = new ReadGate(Math.max(1, readsMax - hotMax), runtime.timers, signal);
  }

  /** A block in memory, good until the next turn unless its chunk is held. */
  cached(block: Block): Run | undefined {
    const { cache, near } = this.#options;
    const source = sourceId(block.extent);
    const run = cache.get(source, block.position) ?? near?.cache.get(source, block.position);
    return run?.endOffset === block.endOffset ? run : undefined;
  }

  /** In memory or on its way. */
  known(block: Block): boolean {
    const { cache, near } = this.#options;
    const source = sourceId(block.extent);
    if (cache.has(source, block.position) || near?.cache.has(source, block.position)) return true;
    return this.#loading.get(source)?.has(block.position) === true;
  }

  /** Whether what is only a guess keeps nobody waiting: fewer reads of the block's kind than half of its places. */
  mayReadAhead({ extent }: Block): boolean {
    const gate = this.#gateOf(extent);
    return gate.load < gate.readsMax / 2;
  }

  /** Reads each block unless it is on its way. A lease holds its block from the moment it is there. Never rejects. */
  load(wanted: readonly WantedBlock[]): Promise<BlockResult>[] {
    return this.#load(wanted, this.#options.near?.blocks ?? null);
  }

  /** As `load`, for another broker: blocks of segments, which are asked of nobody else. */
  loadHere(blocks: readonly Block[], lease: Lease): Promise<BlockResult>[] {
    return this.#load(
      blocks.map((block) => ({ block, journal: null, lease })),
      null,
    );
  }

  #load(wanted: readonly WantedBlock[], near: NearBlocks | null): Promise<BlockResult>[] {
    const started = new Map<string, Loading[]>();
    const promises = wanted.map(({ block, journal, lease }) => {
      const source = sourceId(block.extent);
      const known = this.#loading.get(source)?.get(block.position);
      if (known !== undefined) {
        known.leases.push(lease);
        return known.promise;
      }
      const loading = this.#start(source, block, lease);
      if (block.extent.source.type === 'inline') this.#settleWith([loading], this.#readInline(journal!, loading));
      else if (started.has(source)) started.get(source)!.push(loading);
      else started.set(source, [loading]);
      return loading.promise;
    });
    for (const [segmentId, loadings] of started) {
      if (near === null) this.#readGroups(loadings);
      else this.#findNear(segmentId, loadings, near);
    }
    return promises;
  }

  /** Of one segment. */
  #readGroups(loadings: Loading[]): void {
    for (const group of groupNeighbours(loadings)) this.#settleWith(group, this.#readSegment(group));
  }

  #findNear(segmentId: string, loadings: readonly Loading[], near: NearBlocks): void {
    const byOwner = new Map<number | null, Loading[]>();
    for (const loading of loadings) {
      const owner = near.ownerOf(segmentId, loading.block);
      const known = byOwner.get(owner);
      if (known === undefined) byOwner.set(owner, [loading]);
      else known.push(loading);
    }
    for (const [owner, ofOwner] of byOwner) {
      if (!near.mayHave(segmentId, owner)) {
        this.#readGroups(ofOwner);
        continue;
      }
      for (const group of groupNeighbours(ofOwner)) void this.#readNear(segmentId, group, owner, near);
    }
  }

  /** Never rejects. What nobody near by has is read from the store. */
  async #readNear(segmentId: string, group: Loading[], owner: number | null, near: NearBlocks): Promise<void> {
    const blocks = group.map(({ block }) => block);
    const answers = await near.find(segmentId, blocks, owner).catch((cause: unknown) => {
      this.#options.runtime.logger.error({ error: cause }, 'blocks could not be asked for');
      return blocks.map(() => null);
    });
    const unread: Loading[] = [];
    for (const [index, loading] of group.entries()) {
      const answer = answers[index];
      if (answer?.type === 'gone') this.#finish(loading, GONE);
      else if (answer?.type === 'bytes' && this.#arriveNear(loading, answer.pieces[0]!)) continue;
      else unread.push(loading);
    }
    if (unread.length > 0) this.#readGroups(unread);
  }

  /** False when the bytes are not those of the block: the store decides. */
  #arriveNear(loading: Loading, bytes: Buffer): boolean {
    const { block } = loading;
    const chunk = this.#options.pool.wrap(bytes);
    try {
      if (bytes.length !== block.length) throw damagedBlock(block, 0, `${bytes.length} bytes of ${block.length}`);
      placeBlock(bytes, 0, block);
    } catch (cause) {
      chunk.release();
      if (!(cause instanceof StorageCorruptError)) throw cause;
      this.#options.runtime.logger.warn({ error: cause.message }, 'a broker near by gave other records');
      return false;
    }
    const { baseOffset, endOffset } = block;
    const run: Run = { chunk, start: 0, end: block.length, baseOffset, endOffset };
    for (const lease of loading.leases) lease?.hold(chunk);
    this.#finish(loading, { type: 'run', run, source: 'near' });
    this.#options.near?.cache.add(chunk, [{ source: sourceId(block.extent), position: block.position, run }]);
    chunk.release();
    return true;
  }

  /** A range of a segment that is not batches: its footer. */
  readRange(segmentId: string, start: number, end: number): Promise<Buffer | 'archived' | null> {
    const { objects, clusterId, signal } = this.#options;
    const key = segmentKey(clusterId, segmentId);
    return this.#cold.run(() => objects.read(key, { start, end }, { cause: 'fetch', signal }));
  }

  #start(source: string, block: Block, lease: Lease | null): Loading {
    const { promise, resolve } = Promise.withResolvers<BlockResult>();
    const loading: Loading = { block, leases: [lease], promise, resolve };
    const ofSource = this.#loading.get(source);
    if (ofSource === undefined) this.#loading.set(source, new Map([[block.position, loading]]));
    else ofSource.set(block.position, loading);
    return loading;
  }

  #settleWith(loadings: readonly Loading[], reading: Promise<Arrived>): void {
    reading.then(
      (arrived) => this.#arrive(loadings, arrived),
      (cause: unknown) => {
        for (const loading of loadings) this.#finish(loading, { type: 'failed', cause });
      },
    );
  }

  #gateOf(extent: Extent): ReadGate {
    return isHot(extent, this.#options.runtime.clock.now()) ? this.#hot : this.#cold;
  }

  async #readSegment(group: readonly Loading[]): Promise<Arrived> {
    const { objects, clusterId, pool, signal } = this.#options;
    const first = group[0]!.block;
    const last = group.at(-1)!.block;
    const { extent } = first;
    if (extent.source.type !== 'segment') throw new TypeError('not a segment');
    const start = first.position;
    const length = last.position + last.length - start;
    const key = segmentKey(clusterId, extent.source.segmentId);
    return this.#gateOf(extent).run(async () => {
      const chunk = pool.take(length);
      try {
        const into = chunk.buffer.subarray(0, length);
        const read = await objects.read(key, { start, end: start + length }, { cause: 'fetch', signal, into });
        if (read === null) {
          chunk.release();
          return null;
        }
        if (read === 'archived') throw archived(first);
        if (read.length < length) throw damagedBlock(first, read.length, `the object ends there`);
        if (read.buffer === into.buffer && read.byteOffset === into.byteOffset) return { chunk, start };
        chunk.release();
        return { chunk: pool.wrap(read), start };
      } catch (cause) {
        chunk.release();
        throw cause;
      }
    });
  }

  async #readInline(journal: Journal, { block }: Loading): Promise<Arrived> {
    const { extent } = block;
    const bytes = await this.#hot.run(() => journal.readInline(extent));
    if (bytes === null) return null;
    if (bytes.length !== extent.length) throw damagedBlock(block, 0, `${bytes.length} bytes of ${extent.length}`);
    // The journal may keep what it answers: offsets are patched into a copy.
    return { chunk: this.#options.pool.wrap(Buffer.from(bytes)), start: extent.position };
  }

  /** Owns the chunk's first reference. */
  #arrive(loadings: readonly Loading[], arrived: Arrived): void {
    if (arrived === null) {
      for (const loading of loadings) this.#finish(loading, GONE);
      return;
    }
    const { chunk, start } = arrived;
    const entries: PageEntry[] = [];
    for (const loading of loadings) {
      const { block } = loading;
      const at = block.position - start;
      try {
        placeBlock(chunk.buffer, at, block);
      } catch (cause) {
        if (cause instanceof StorageCorruptError) {
          this.#options.runtime.logger.error({ error: cause.message }, 'stored records are damaged');
        }
        this.#finish(loading, { type: 'failed', cause });
        continue;
      }
      const { baseOffset, endOffset } = block;
      const run: Run = { chunk, start: at, end: at + block.length, baseOffset, endOffset };
      entries.push({ source: sourceId(block.extent), position: block.position, run });
      for (const lease of loading.leases) lease?.hold(chunk);
      this.#finish(loading, { type: 'run', run, source: 'store' });
    }
    this.#options.cache.add(chunk, entries);
    chunk.release();
  }

  #finish({ block, resolve }: Loading, result: BlockResult): void {
    const source = sourceId(block.extent);
    const ofSource = this.#loading.get(source);
    ofSource?.delete(block.position);
    if (ofSource?.size === 0) this.#loading.delete(source);
    resolve(result);
  }
}

/** Bytes of the source from `start` on, in a chunk whose first reference comes along; null when the source is gone. */
type Arrived = { readonly chunk: Chunk; readonly start: number } | null;

function groupNeighbours(loadings: Loading[]): Loading[][] {
  loadings.sort((a, b) => a.block.position - b.block.position);
  const groups: Loading[][] = [];
  let start = 0;
  let end = 0;
  for (const loading of loadings) {
    const { position, length } = loading.block;
    const group = groups.at(-1);
    if (group !== undefined && position - end <= GAP_BYTES_MAX && position + length - start <= CHUNK_BYTES) {
      group.push(loading);
    } else {
      groups.push([loading]);
      start = position;
    }
    end = position + length;
  }
  return groups;
}

const archived = ({ topicId, partition, extent: { source } }: Block): KafkaError =>
  new KafkaError(
    'KAFKA_STORAGE_ERROR',
    `partition ${topicId}-${partition}: segment ${source.type === 'segment' ? source.segmentId : ''} is archived and must be restored first`,
  );
