/**
 * Blocks that brokers near by have in memory, asked for before the store is: bytes that cross no border between zones and
 * cost no request.
 *
 * - The broker that wrote a young segment, while it lives in this zone: it has the tail.
 * - The *owner* of a block: the brokers of a zone share one cache, each keeps what rendezvous hashing gives it, and reads it
 *   from the store for all of them. So a block is read from the store once per zone, as long as nobody is away: who does
 *   not answer in about the time of one read is not waited for.
 *
 * What came from others is checked like anything that was read, and not kept for long: the owner keeps it.
 */
import type { Member, Members } from '../cluster/members.ts';
import { rendezvous, rendezvousKey, rendezvousPart } from '../cluster/rendezvous.ts';
import { toKafkaError } from '../errors.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';
import type { Clock } from '../runtime/clock.ts';
import { parseSegmentId } from '../segment/segment-id.ts';
import type { Block } from './block.ts';
import { BLOCKS, type BlockAnswer, TAIL } from './near-methods.ts';

export interface NearBlocksOptions {
  readonly peers: Peers;
  readonly members: Members;
  readonly clock: Clock;
}

/** Blocks of this many bytes of a segment have one owner: neighbours are mostly read together. */
const OWNED_BYTES = 1024 * 1024;
/** What was appended within this may be in the memory of its writer. */
const TAIL_MS = 60_000;
/** Memory answers in a millisecond, or is not worth waiting for. */
const TAIL_WAIT_MS = 250;
/** About the slowest of a hundred reads of S3. */
const BLOCK_WAIT_MS = 400;
/** Beyond this a block is read from the store by whoever wants it: it would hold up other calls. */
const BLOCK_BYTES_MAX = 4 * 1024 * 1024;

/** What a neighbour had of some blocks, by their places. */
export type NearAnswers = readonly (BlockAnswer | null)[];

export class NearBlocks {
  readonly #options: NearBlocksOptions;

  constructor(options: NearBlocksOptions) {
    this.#options = options;
  }

  /** The broker of this zone that keeps the block; null when that is this one. */
  ownerOf(segmentId: string, block: Block): number | null {
    const { members } = this.#options;
    const { self } = members;
    if (block.length > BLOCK_BYTES_MAX) return null;
    const ids: number[] = [];
    for (const member of members.live()) {
      if (member.zone === self.zone && (!member.draining || member.brokerId === self.brokerId))
        ids.push(member.brokerId);
    }
    if (ids.length < 2) return null;
    const key = rendezvousPart(rendezvousKey(segmentId), Math.floor(block.position / OWNED_BYTES));
    const owner = rendezvous(key, ids);
    return owner === undefined || owner === self.brokerId ? null : owner;
  }

  /** Blocks of one segment that have the same owner, from whoever has them in memory; null for those to be read. */
  async find(segmentId: string, blocks: readonly Block[], owner: number | null): Promise<NearAnswers> {
    let answers: NearAnswers = blocks.map(() => null);
    const writer = this.#writerOf(segmentId);
    if (writer !== null && writer.brokerId !== owner) {
      answers = await this.#complete(answers, segmentId, blocks, writer.brokerId, TAIL, TAIL_WAIT_MS);
    }
    if (owner === null) return answers;
    return this.#complete(answers, segmentId, blocks, owner, BLOCKS, BLOCK_WAIT_MS);
  }

  /** Whether anybody near by is worth asking. */
  mayHave(segmentId: string, owner: number | null): boolean {
    return owner !== null || this.#writerOf(segmentId) !== null;
  }

  /** The other broker of this zone that wrote the segment a while ago and still runs. */
  #writerOf(segmentId: string): Member | null {
    const { members, clock } = this.#options;
    const parts = parseSegmentId(segmentId);
    if (parts === null || parts.brokerId === members.self.brokerId) return null;
    if (Math.abs(clock.now() - parts.createdAt) > TAIL_MS) return null;
    const writer = members.live().find(({ brokerId }) => brokerId === parts.brokerId);
    const isSame = writer?.brokerEpoch === parts.brokerEpoch && writer.zone === members.self.zone;
    return isSame ? writer : null;
  }

  async #complete(
    answers: NearAnswers,
    segmentId: string,
    blocks: readonly Block[],
    brokerId: number,
    method: RpcMethod<{ readonly segmentId: string; readonly blocks: readonly Block[] }, readonly BlockAnswer[]>,
    timeoutMs: number,
  ): Promise<NearAnswers> {
    const missing = blocks.filter((_, index) => answers[index] === null);
    if (missing.length === 0) return answers;
    try {
      const told = await this.#options.peers.call(brokerId, method, { segmentId, blocks: missing }, { timeoutMs });
      let next = 0;
      return answers.map((answer) => {
        if (answer !== null) return answer;
        const found = told[next++]!;
        return found.type === 'unknown' ? null : found;
      });
    } catch (cause) {
      // It is away, or has too much to do: the store has everything.
      if (toKafkaError(cause) === null) throw cause;
      return answers;
    }
  }
}
