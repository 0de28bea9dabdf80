/** Blocks between brokers: which ones are wanted, and the bytes of those that the other one has. */
import { StorageCorruptError } from '../errors.ts';
import { ByteReader } from '../journal/byte-reader.ts';
import { ByteWriter } from '../journal/byte-writer.ts';
import { readExtent, writeExtent } from '../journal/extent-codec.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { Block } from './block.ts';
import { encoded, writeMany } from './log-methods.ts';

export interface BlocksRequest {
  readonly segmentId: string;
  readonly blocks: readonly Block[];
}

export type BlockAnswer =
  /** The whole block with absolute offsets, in pieces. */
  | { readonly type: 'bytes'; readonly pieces: readonly Buffer[] }
  /** The segment is not in the store any more. */
  | { readonly type: 'gone' }
  /** Not in memory, or too much to do. */
  | { readonly type: 'unknown' };

const BYTES = 0;
const GONE = 1;
const UNKNOWN = 2;

const blocksMethod = (id: number, name: string): RpcMethod<BlocksRequest, readonly BlockAnswer[]> => ({
  id,
  name,
  encodeRequest: ({ segmentId, blocks }) =>
    encoded((writer) => {
      writer.string(segmentId);
      writeMany(writer, blocks, (block) => writeBlock(writer, block));
    }),
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    const segmentId = reader.string();
    return { segmentId, blocks: reader.many(() => readBlock(reader, segmentId)) };
  },
  encodeResponse(answers) {
    const writer = new ByteWriter();
    const bodies: Uint8Array[] = [];
    writeMany(writer, answers, (answer) => {
      writer.byte(answer.type === 'bytes' ? BYTES : answer.type === 'gone' ? GONE : UNKNOWN);
      if (answer.type !== 'bytes') return;
      writer.uvarint(answer.pieces.reduce((sum, { length }) => sum + length, 0));
      bodies.push(...answer.pieces);
    });
    return [writer.view(), ...bodies];
  },
  decodeResponse(bytes) {
    const reader = new ByteReader(bytes);
    const lengths = reader.many(() => {
      const type = reader.byte();
      return type === BYTES ? reader.uvarint() : type === GONE ? -1 : -2;
    });
    return lengths.map((length): BlockAnswer => {
      if (length < 0) return { type: length === -1 ? 'gone' : 'unknown' };
      return { type: 'bytes', pieces: [reader.bytes(length)] };
    });
  },
});

/** From the tail of the broker that wrote the segment. */
export const TAIL = blocksMethod(47, 'log.tail');
/** From tail or cache of the owner; read from the store where need be. */
export const BLOCKS = blocksMethod(48, 'log.blocks');

function writeBlock(writer: ByteWriter, block: Block): void {
  const { topicId, partition, extent, position, length, baseOffset, endOffset, batchCount } = block;
  writer.uuid(topicId);
  writer.uvarint(partition);
  writeExtent(writer, extent, 0, 0);
  writer.uvarint(position);
  writer.uvarint(length);
  writer.near(baseOffset, extent.baseOffset);
  writer.uvarint(endOffset - baseOffset);
  writer.signed(batchCount);
}

function readBlock(reader: ByteReader, segmentId: string): Block {
  const topicId = reader.uuid();
  const partition = reader.uvarint();
  const extent = readExtent(reader, { type: 'segment', segmentId }, 0, 0);
  const position = reader.uvarint();
  const length = reader.uvarint();
  const baseOffset = reader.near(extent.baseOffset);
  const endOffset = baseOffset + reader.uvarint();
  const batchCount = reader.signed();
  if (position < extent.position || position + length > extent.position + extent.length) {
    throw new StorageCorruptError(`a block of ${length} bytes at ${position} is not within its extent`);
  }
  return { topicId, partition, extent, position, length, baseOffset, endOffset, batchCount };
}
