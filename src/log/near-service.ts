/**
 * Gives other brokers of the zone what this one has in memory, and reads for them what it keeps for all. They are given less
 * than this broker's own clients: a part of the reads, a part of the memory, and nothing when that is used up, since they
 * can read the store themselves. Reads go through the gates for young and old records, so that no backfill delays others.
 */
import type { RpcCall, RpcRegistry } from '../rpc/method.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Block } from './block.ts';
import type { BlockReader } from './block-reader.ts';
import type { Lease, Leases } from './lease.ts';
import { BLOCKS, type BlockAnswer, TAIL } from './near-methods.ts';
import { positionOf, type Run } from './run.ts';
import type { TailCache } from './tail-cache.ts';

export interface NearServiceOptions {
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly registry: RpcRegistry;
  readonly tail: TailCache;
  readonly reader: BlockReader;
  /** Of answers to other brokers alone. */
  readonly leases: Leases;
  /** Calls that read for others at once: the blocks of one are neighbours, and mostly one read. */
  readonly readsMax: number;
}

const UNKNOWN: BlockAnswer = { type: 'unknown' };
/** For earlier answers to reach those who asked: several that want the same at once are no reason to read it again. */
const ROOM_WAIT_MS = 200;
const YOUNG_MS = 1_000;
const ATTEMPTS_MAX = 3;
const ATTEMPT_PAUSE_MS = 5;

export function answerNear({ runtime, registry, tail, reader, leases, readsMax }: NearServiceOptions): void {
  let reading = 0;

  const answer = async (
    blocks: readonly Block[],
    call: RpcCall,
    waitMs: number,
    give: (lease: Lease) => readonly BlockAnswer[] | Promise<readonly BlockAnswer[]>,
  ): Promise<readonly BlockAnswer[]> => {
    const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
    const lease = await (waitMs === 0 ? leases.tryReserve(bytes) : leases.reserve(bytes, waitMs, call.signal));
    if (lease === null) return blocks.map(() => UNKNOWN);
    call.onSent(() => lease.end());
    return give(lease);
  };

  /** Its leader may have told others of records before this broker heard its own answer. */
  const soonInTail = async (blocks: readonly Block[], lease: Lease): Promise<readonly BlockAnswer[]> => {
    for (let attempt = 0; ; attempt++) {
      const found = blocks.map((block) => fromTail(tail, block, lease));
      const isYoung = ({ extent }: Block) => Math.abs(runtime.clock.now() - extent.appendedAt) < YOUNG_MS;
      if (attempt === ATTEMPTS_MAX || !blocks.some((block, index) => found[index] === UNKNOWN && isYoung(block))) {
        return found;
      }
      await sleep(runtime.timers, ATTEMPT_PAUSE_MS);
    }
  };

  registry.handle(TAIL, ({ blocks }, call) => answer(blocks, call, 0, (lease) => soonInTail(blocks, lease)));

  registry.handle(BLOCKS, ({ blocks }, call) =>
    answer(blocks, call, ROOM_WAIT_MS, async (lease) => {
      const known = blocks.map((block) => {
        const run = reader.cached(block);
        if (run === undefined) return fromTail(tail, block, lease);
        lease.hold(run.chunk);
        return bytesOf(run);
      });
      const missing = blocks.filter((_, index) => known[index] === UNKNOWN);
      if (missing.length === 0 || reading >= readsMax) return known;
      reading++;
      const read = await Promise.all(reader.loadHere(missing, lease));
      reading--;
      let next = 0;
      return known.map((found): BlockAnswer => {
        if (found !== UNKNOWN) return found;
        const result = read[next++]!;
        if (result.type === 'run') return bytesOf(result.run);
        return result.type === 'gone' ? { type: 'gone' } : UNKNOWN;
      });
    }),
  );
}

const bytesOf = ({ chunk, start, end }: Run): BlockAnswer => ({
  type: 'bytes',
  pieces: [chunk.buffer.subarray(start, end)],
});

/** Nothing unless the tail has all of the block. */
function fromTail(tail: TailCache, block: Block, lease: Lease): BlockAnswer {
  const { topicId, partition, baseOffset, endOffset, length } = block;
  const pieces: Buffer[] = [];
  let offset = baseOffset;
  let bytes = 0;
  while (offset < endOffset) {
    const run = tail.find(topicId, partition, offset);
    if (run === undefined) return UNKNOWN;
    const from = positionOf(run, offset);
    const end = run.endOffset <= endOffset ? run.end : positionOf(run, endOffset);
    if (end <= from) return UNKNOWN;
    lease.hold(run.chunk);
    pieces.push(run.chunk.buffer.subarray(from, end));
    bytes += end - from;
    offset = run.endOffset;
  }
  return bytes === length ? { type: 'bytes', pieces } : UNKNOWN;
}
