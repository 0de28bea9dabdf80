/**
 * `millrace segment`: what segments hold, read from the segments alone.
 *
 * `list` of a directory or prefix names the segments in it; `list` of one segment prints a row per batch. `show` checks
 * every byte of one segment against its checksums and sums it up by partition.
 */
import { basename } from 'node:path';
import { CODEC_MASK } from '../../record/batch.ts';
import { CODECS } from '../../record/compression.ts';
import { crc32c } from '../../record/crc32c.ts';
import { decodeBatch } from '../../record/records.ts';
import { createLogger } from '../../runtime/logger.ts';
import { systemRuntime } from '../../runtime/runtime.ts';
import type { BatchDescription, Footer, PartitionBatches, SegmentReference } from '../../segment/footer.ts';
import { corrupt } from '../../segment/format.ts';
import { checkStoredBatch, openSegment, SEGMENT_TAIL_BYTES } from '../../segment/read.ts';
import { parseSegmentId } from '../../segment/segment-id.ts';
import { InputError, NotFoundError } from '../exit-code.ts';
import { joinOutput } from '../format.ts';
import { jsonFormat } from '../json-lines.ts';
import { type Output, type Row, renderRows } from '../output.ts';
import { objectSource, openFileSource, type SegmentSource } from '../segment-source.ts';
import { type Terminal, write } from '../terminal.ts';

export async function listSegment(where: string, flags: { output: Output }, terminal: Terminal): Promise<void> {
  await using source = await openSource(where);
  const found = source.list();
  if (found === null) {
    const { footer } = await openAt(source, basename(where));
    await write(terminal.stdout, renderRows(BATCH_COLUMNS, footer.partitions.flatMap(batchRows), flags.output));
    return;
  }
  const rows: Row[] = [];
  for await (const { id, bytes } of found) rows.push(segmentRow(id, bytes));
  await write(terminal.stdout, renderRows(SEGMENT_COLUMNS, rows, flags.output));
}

export async function showSegment(where: string, flags: { records?: boolean }, terminal: Terminal): Promise<void> {
  await using source = await openSource(where);
  if (source.list() !== null) throw new InputError(`${where} is not one segment: see millrace segment list`);
  const opened = await openAt(source, basename(where));
  const onBatch = flags.records === true ? recordPrinter(terminal) : async () => {};
  await checkWholeBody(source, opened, onBatch);
  if (flags.records === true) return;
  const { reference, footer, bodyCrc } = opened;
  const { id, bytes, footerPosition, footerLength, footerCrc } = reference;
  const named = parseSegmentId(id);
  const lines = [
    `segment  ${id}`,
    ...(named ? [`written  ${isoTime(named.createdAt)} by broker ${named.brokerId}, epoch ${named.brokerEpoch}`] : []),
    `bytes    ${bytes}`,
    `body     ${footerPosition} bytes, CRC-32C ${hex(bodyCrc)}, ok`,
    `footer   ${footerLength} bytes at ${footerPosition}, CRC-32C ${hex(footerCrc)}, ok`,
  ];
  const table = renderRows(PARTITION_COLUMNS, footer.partitions.map(partitionRow), 'table');
  await write(terminal.stdout, `${lines.join('\n')}\n\n${table}`);
}

type OpenedSource = SegmentSource & AsyncDisposable;

async function openSource(where: string): Promise<OpenedSource> {
  const source = where.startsWith('s3://') ? await openS3Source(where) : await openFile(where);
  return { ...source, [Symbol.asyncDispose]: () => source.close() };
}

async function openS3Source(url: string): Promise<SegmentSource> {
  const { openObjectStoreFor } = await import('../../stores.ts'); // Loads the AWS SDK.
  const { objects, path } = await openObjectStoreFor(url, systemRuntime(createLogger('warn')));
  return objectSource(objects, path);
}

async function openFile(path: string): Promise<SegmentSource> {
  try {
    return await openFileSource(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new NotFoundError(`there is no ${path}`);
    throw new InputError(`cannot read ${path}: ${message}`);
  }
}

interface Opened {
  readonly reference: SegmentReference;
  readonly footer: Footer;
  readonly bodyCrc: number;
}

async function openAt(source: SegmentSource, id: string): Promise<Opened> {
  for (let tailBytes = SEGMENT_TAIL_BYTES; ; ) {
    const tail = await source.readLast(tailBytes);
    if (tail === null) throw new NotFoundError(`there is no segment ${id}`);
    const opened = openSegment(id, tail.bytes, tail.size);
    if (opened.type === 'opened') return opened;
    tailBytes = opened.tailBytes;
  }
}

type OnBatch = (owner: PartitionBatches, batch: BatchDescription, bytes: Buffer) => Promise<void>;

/** Batch after batch, so that a segment of any size is checked in little memory. */
async function checkWholeBody(source: SegmentSource, { reference, footer, bodyCrc }: Opened, onBatch: OnBatch) {
  let crc = 0;
  for (const owner of footer.partitions) {
    for (const batch of owner.batches) {
      const bytes = await source.read(batch.position, batch.position + batch.length);
      checkStoredBatch(reference.id, owner, batch, bytes);
      crc = crc32c(bytes, crc);
      await onBatch(owner, batch, bytes);
    }
  }
  if (crc !== bodyCrc) throw corrupt(reference.id, 0, 'the checksum of the body is wrong');
}

const DECOMPRESSED_BYTES_MAX = 1_073_741_824;

/** Offsets of fresh segments are not known to them: records count from 0 in each batch. */
function recordPrinter(terminal: Terminal): OnBatch {
  const format = jsonFormat('json');
  return async ({ topicId, partition }, _, bytes) => {
    const output: (string | Uint8Array)[] = [];
    for (const record of await decodeBatch(bytes, { decompressedBytesMax: DECOMPRESSED_BYTES_MAX })) {
      format(record, { topic: topicId, partition }, output);
    }
    await write(terminal.stdout, joinOutput(output));
  };
}

const SEGMENT_COLUMNS = ['segment', 'bytes', 'written', 'broker', 'epoch', 'number'];

function segmentRow(id: string, bytes: number): Row {
  const { createdAt, brokerId, brokerEpoch, number } = parseSegmentId(id)!;
  return { segment: id, bytes, written: isoTime(createdAt), broker: brokerId, epoch: brokerEpoch, number };
}

const BATCH_COLUMNS = [
  'topic_id',
  'partition',
  'position',
  'length',
  'base_offset',
  'offsets',
  'codec',
  'producer_id',
  'producer_epoch',
  'base_sequence',
  'max_timestamp',
];

const batchRows = ({ topicId, partition, batches }: PartitionBatches): Row[] =>
  batches.map((batch) => ({
    topic_id: topicId,
    partition,
    position: batch.position,
    length: batch.length,
    base_offset: known(batch.baseOffset),
    offsets: batch.offsetCount,
    codec: CODECS[batch.attributes & CODEC_MASK] ?? null,
    producer_id: known(batch.producerId),
    producer_epoch: known(batch.producerEpoch),
    base_sequence: known(batch.baseSequence),
    max_timestamp: known(batch.maxTimestamp),
  }));

const PARTITION_COLUMNS = ['topic_id', 'partition', 'journal', 'base_offset', 'offsets', 'batches', 'bytes', 'newest'];

function partitionRow({ topicId, partition, journal, batches }: PartitionBatches): Row {
  let bytes = 0;
  let offsets = 0;
  let maxTimestamp = -1;
  for (const batch of batches) {
    bytes += batch.length;
    offsets += batch.offsetCount;
    maxTimestamp = Math.max(maxTimestamp, batch.maxTimestamp);
  }
  return {
    topic_id: topicId,
    partition,
    journal,
    base_offset: known(batches[0]!.baseOffset),
    offsets,
    batches: batches.length,
    bytes,
    newest: maxTimestamp < 0 ? null : isoTime(maxTimestamp),
  };
}

const known = (value: number): number | null => (value < 0 ? null : value);
const hex = (crc: number): string => crc.toString(16).padStart(8, '0');

function isoTime(timestamp: number): string {
  const date = new Date(timestamp);
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString();
}
