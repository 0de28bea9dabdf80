/**
 * Locate between brokers as bytes. The answer of a partition is a piece of its state:
 *
 *   answer      segment id count │ segment id* │ partition count │ partition*
 *   partition   0, epoch, watermarks, told end? │ extents │ aborted transactions │ references
 *               1, error, message │ 0 or 1, epoch, watermarks
 *   extent      segment's place in the ids + 1, or 0, seq, entry id │ as in entries (`journal/extent-codec.ts`)
 */
import { type ErrorName, StorageCorruptError } from '../errors.ts';
import { ByteReader } from '../journal/byte-reader.ts';
import type { ByteWriter } from '../journal/byte-writer.ts';
import { readExtent, readSegmentReference, writeExtent, writeSegmentReference } from '../journal/extent-codec.ts';
import type { Extent } from '../journal/partition-state.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { SegmentReference } from '../segment/footer.ts';
import type { AbortedTransaction, Isolation, Watermarks } from './log.ts';
import {
  encoded,
  type Place,
  readFailure,
  readPlace,
  readWatermarks,
  writeFailure,
  writeMany,
  writePlace,
  writeWatermarks,
} from './log-methods.ts';

export interface LocateRequest {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly isolation: Isolation;
  readonly partitions: readonly LocatePartition[];
}

export interface LocatePartition extends Place {
  readonly fetchOffset: number;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: number;
}

export type ToldPartition = ToldPiece | ToldError;

export interface ToldPiece extends Watermarks {
  readonly type: 'found';
  /** From the one that has the fetch offset on. */
  readonly extents: readonly Extent[];
  /** Infinite when there are no extents beyond these. */
  readonly toldEnd: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Of the segments among the extents whose footers a reader needs. */
  readonly references: readonly SegmentReference[];
}

export interface ToldError {
  readonly type: 'error';
  readonly error: ErrorName;
  readonly message: string;
  readonly watermarks: Watermarks | null;
}

const FOUND = 0;
const FAILED = 1;

export const LOCATE: RpcMethod<LocateRequest, readonly ToldPartition[]> = {
  id: 40,
  name: 'log.locate',
  encodeRequest: ({ minBytes, maxWaitMs, isolation, partitions }) =>
    encoded((writer) => {
      writer.uvarint(minBytes);
      writer.uvarint(Math.ceil(maxWaitMs));
      writer.byte(isolation === 'read_committed' ? 1 : 0);
      writeMany(writer, partitions, (partition) => {
        writePlace(writer, partition);
        writer.signed(partition.fetchOffset);
        writer.uvarint(partition.maxBytes);
        writer.signed(partition.currentLeaderEpoch);
      });
    }),
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    return {
      minBytes: reader.uvarint(),
      maxWaitMs: reader.uvarint(),
      isolation: reader.byte() === 1 ? 'read_committed' : 'read_uncommitted',
      partitions: reader.many(() => ({
        ...readPlace(reader),
        fetchOffset: reader.signed(),
        maxBytes: reader.uvarint(),
        currentLeaderEpoch: reader.signed(),
      })),
    };
  },
  encodeResponse: (partitions) =>
    encoded((writer) => {
      const ids = new Map<string, number>();
      for (const partition of partitions) {
        for (const { source } of partition.type === 'found' ? partition.extents : []) {
          if (source.type === 'segment' && !ids.has(source.segmentId)) ids.set(source.segmentId, ids.size);
        }
      }
      writeMany(writer, [...ids.keys()], (id) => writer.string(id));
      writeMany(writer, partitions, (partition) => {
        if (partition.type === 'found') writePiece(writer, partition, ids);
        else writeError(writer, partition);
      });
    }, 1_024),
  decodeResponse(bytes) {
    const reader = new ByteReader(bytes);
    const ids = reader.many(() => reader.string());
    return reader.many((): ToldPartition => (reader.byte() === FOUND ? readPiece(reader, ids) : readError(reader)));
  },
};

function writePiece(writer: ByteWriter, piece: ToldPiece, ids: ReadonlyMap<string, number>): void {
  const { extents, toldEnd, aborted, references, logStartOffset } = piece;
  writer.byte(FOUND);
  writeWatermarks(writer, piece);
  writer.signed(toldEnd === Number.POSITIVE_INFINITY ? -1 : toldEnd);
  let offset = logStartOffset;
  let timestamp = 0;
  writeMany(writer, extents, (extent) => {
    const { source } = extent;
    if (source.type === 'segment') {
      writer.uvarint(ids.get(source.segmentId)! + 1);
    } else {
      writer.byte(0);
      writer.uvarint(source.seq);
      writer.hexId(source.entryId);
    }
    writeExtent(writer, extent, offset, timestamp);
    offset = extent.endOffset;
    timestamp = extent.appendedAt;
  });
  writeMany(writer, aborted, ({ producerId, firstOffset, lastOffset, lastStableOffset }) => {
    writer.signed(producerId);
    writer.near(firstOffset, logStartOffset);
    writer.near(lastOffset, firstOffset);
    writer.near(lastStableOffset, lastOffset);
  });
  writeMany(writer, references, (reference) => writeSegmentReference(writer, reference));
}

function readPiece(reader: ByteReader, ids: readonly string[]): ToldPiece {
  const watermarks = readWatermarks(reader);
  const end = reader.signed();
  let offset = watermarks.logStartOffset;
  let timestamp = 0;
  const extents = reader.many(() => {
    const place = reader.uvarint();
    const source: Extent['source'] =
      place === 0
        ? { type: 'inline', seq: reader.uvarint(), entryId: reader.hexId() }
        : { type: 'segment', segmentId: idAt(ids, place - 1) };
    const extent = readExtent(reader, source, offset, timestamp);
    offset = extent.endOffset;
    timestamp = extent.appendedAt;
    return extent;
  });
  const aborted = reader.many(() => {
    const producerId = reader.signed();
    const firstOffset = reader.near(watermarks.logStartOffset);
    const lastOffset = reader.near(firstOffset);
    return { producerId, firstOffset, lastOffset, lastStableOffset: reader.near(lastOffset) };
  });
  const references = reader.many(() => readSegmentReference(reader));
  return {
    type: 'found',
    ...watermarks,
    extents,
    toldEnd: end < 0 ? Number.POSITIVE_INFINITY : end,
    aborted,
    references,
  };
}

function writeError(writer: ByteWriter, { error, message, watermarks }: ToldError): void {
  writer.byte(FAILED);
  writeFailure(writer, { error, message });
  writer.byte(watermarks === null ? 0 : 1);
  if (watermarks !== null) writeWatermarks(writer, watermarks);
}

function readError(reader: ByteReader): ToldError {
  const failure = readFailure(reader);
  const watermarks = reader.byte() === 1 ? readWatermarks(reader) : null;
  return { type: 'error', ...failure, watermarks };
}

function idAt(ids: readonly string[], at: number): string {
  const id = ids[at];
  if (id === undefined) throw new StorageCorruptError(`segment ${at} of ${ids.length}`);
  return id;
}
