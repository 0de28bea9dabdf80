/** Reads one partition for HTTP: from a position in words to a page of records in JSON. */
import { KafkaError } from '../errors.ts';
import type { Gate } from '../log/gate.ts';
import type { FetchedPartition, Isolation, OffsetAt, PartitionId } from '../log/log.ts';
import type { Holding } from './byte-budget.ts';
import type { HttpContext } from './context.ts';
import { HttpError } from './problem.ts';
import type { RecordFormat } from './record-format.ts';
import { RecordsPage } from './records-page.ts';

export interface ReadRequest {
  readonly partition: PartitionId;
  /** As `ReadQuery` takes it. */
  readonly from: string;
  readonly limit: number;
  readonly maxBytes: number;
  readonly waitMs: number;
  readonly isolation: Isolation;
  readonly format: RecordFormat;
  readonly lines: boolean;
}

export interface RecordsRead {
  readonly body: Buffer<ArrayBuffer>;
  /** Where to read on. */
  readonly next: number;
  readonly highWatermark: number;
  /** Where the first open transaction begins, when that keeps the reader from reading on; else null. */
  readonly lastStableOffset: number | null;
}

/** One answer is text in memory, all of it, while its client reads. */
const READ_BYTES_MAX = 16 * 1024 * 1024;

/** Long poll. Throws KafkaError; OFFSET_OUT_OF_RANGE tells the readable range. */
export async function readRecords(
  context: HttpContext,
  request: ReadRequest,
  holding: Holding,
  decompressing: Gate,
  signal: AbortSignal,
): Promise<RecordsRead> {
  const { log, config } = context;
  const offset = await findOffset(context, request);
  const maxBytes = Math.min(request.maxBytes, config['fetch.max.bytes'], READ_BYTES_MAX);
  const fetched = await log.fetch(
    {
      partitions: [{ ...request.partition, fetchOffset: offset, maxBytes, currentLeaderEpoch: -1 }],
      minBytes: request.waitMs > 0 ? 1 : 0,
      maxBytes,
      maxWaitMs: request.waitMs,
      isolation: request.isolation,
    },
    signal,
  );
  try {
    const partition = fetched.partitions[0]!;
    if (partition.error !== 'NONE') throw fetchFailure(partition, offset);
    holding.take(partition.bytes); // Before the work, and then the rest of what it became.
    const page = new RecordsPage({
      ...request,
      maxBytes,
      offset,
      decompressedBytesMax: config['http.decompressed.bytes.max'],
      decompressing,
    });
    await page.fill(partition.records, partition.abortedTransactions);
    const { highWatermark } = partition;
    const isHeld = request.isolation === 'read_committed' && partition.lastStableOffset < highWatermark;
    const lastStableOffset = isHeld ? partition.lastStableOffset : null;
    const body = page.finish(highWatermark, lastStableOffset);
    holding.take(Math.max(0, body.length - partition.bytes));
    return { body, next: page.next, highWatermark, lastStableOffset };
  } finally {
    fetched.release();
  }
}

async function findOffset({ log }: HttpContext, { partition, from, isolation }: ReadRequest): Promise<number> {
  const find = async (at: OffsetAt) => (await log.listOffset(partition, at)).offset;
  const latest: OffsetAt = { type: 'latest', isolation };
  if (from === 'earliest') return find({ type: 'earliest' });
  if (from === 'latest') return find(latest);
  if (from.startsWith('@')) {
    const offset = await find({ type: 'timestamp', timestamp: Number(from.slice(1)), isolation });
    return offset === -1 ? find(latest) : offset; // Nothing of that time or later yet: what comes next.
  }
  if (!from.startsWith('-')) return Number(from);
  const end = await find(latest);
  return Math.max(await find({ type: 'earliest' }), end + Number(from));
}

function fetchFailure({ error, message, logStartOffset, highWatermark }: FetchedPartition, offset: number): KafkaError {
  if (error !== 'OFFSET_OUT_OF_RANGE') return new KafkaError(error, message);
  const way =
    offset < logStartOffset ? 'from=earliest reads what is left' : `from=${highWatermark} or latest waits for the next`;
  const detail = `offset ${offset} is outside of ${logStartOffset} to ${highWatermark}: ${way}`;
  return new HttpError(error, detail, {
    members: { log_start_offset: logStartOffset, high_watermark: highWatermark },
  });
}
