/**
 * What the journals' entries say about records, folded at the moment each entry gets durable by a fold of its own: not
 * the one under test. This is the truth that every answer to a client is compared with. It follows appends, log starts,
 * creation and deletion; how merges move bytes is not its business (`checkers/segments.ts` follows that).
 */
import type { Appended, Command, Entry, TransactionMarked } from '../../src/journal/entry.ts';
import { LOG_APPEND_TIME_FLAG, TRANSACTIONAL_FLAG } from '../../src/record/batch.ts';
import { CONTROL_BATCH_BYTES, readControlBatch } from '../../src/record/control-batch.ts';
import type { BatchDescription, PartitionBatches } from '../../src/segment/footer.ts';
import { openSegment } from '../../src/segment/read.ts';
import {
  type History,
  type LedgerBatch,
  type LedgerMarker,
  MARKER_ID,
  nameOf,
  type PartitionName,
  Violation,
  type Watermarks,
} from './history.ts';
import { batchIdAt } from './payload.ts';

interface UploadedPartition extends PartitionName {
  readonly journal: number;
  readonly batches: readonly { readonly batchId: number; readonly described: BatchDescription }[];
}

interface Arrived {
  readonly batchId: number;
  readonly described: BatchDescription;
  readonly process: string;
  readonly ingest: LedgerBatch['ingest'];
}

/** Markers are the leader's own. */
const NOBODY = { brokerId: -1, brokerEpoch: -1 };

/** One partition as its journal has it. */
export class LedgerPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly journal: number;
  logStartOffset = 0;
  nextOffset = 0;
  /** In order of offsets, those that end after the log start. */
  batches: LedgerBatch[] = [];
  bytes = 0;

  constructor({ topicId, partition }: PartitionName, journal: number) {
    this.topicId = topicId;
    this.partition = partition;
    this.journal = journal;
  }

  get watermarks(): Watermarks {
    return { logStartOffset: this.logStartOffset, nextOffset: this.nextOffset };
  }

  /** The batch that has `offset`; undefined when it was removed or never appended. */
  batchAt(offset: number): LedgerBatch | undefined {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.batches[middle]!;
      if (batch.baseOffset + batch.count <= offset) low = middle + 1;
      else high = middle;
    }
    const found = this.batches[low];
    return found !== undefined && found.baseOffset <= offset ? found : undefined;
  }
}

export interface LedgerOptions {
  readonly now: () => number;
  readonly history: () => History;
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #partitions = new Map<string, LedgerPartition>();
  /** What segments that exist hold, by segment id. */
  readonly #uploads = new Map<string, readonly UploadedPartition[]>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  partition(name: PartitionName): LedgerPartition | undefined {
    return this.#partitions.get(nameOf(name));
  }

  partitions(): Iterable<LedgerPartition> {
    return this.#partitions.values();
  }

  segmentCreated(segmentId: string, body: Buffer): void {
    const opened = openSegment(segmentId, body, body.length);
    if (opened.type !== 'opened') throw new Violation('ledger', `segment ${segmentId} cannot be opened`);
    const partitions = opened.footer.partitions.map(({ topicId, partition, journal, batches }) => ({
      topicId,
      partition,
      journal,
      batches: batches.map((described) => ({ batchId: batchIdAt(body, described.position), described })),
    }));
    this.#uploads.set(segmentId, partitions);
  }

  segmentDeleted(segmentId: string): void {
    this.#uploads.delete(segmentId);
  }

  /** An entry became durable. */
  entryPut(journal: number, entry: Entry, process: string): void {
    for (const command of entry.commands) this.#fold(journal, entry, command, process);
  }

  #fold(journal: number, entry: Entry, command: Command, process: string): void {
    switch (command.type) {
      case 'partitionsCreated':
        for (const partition of command.partitions) this.#create({ topicId: command.topicId, partition }, journal);
        return;
      case 'partitionsDeleted':
        for (const partition of command.partitions) this.#delete({ topicId: command.topicId, partition });
        return;
      case 'appended':
        this.#append(journal, entry, command, process);
        return;
      case 'logStartAdvanced':
        this.#advance(command, command.logStartOffset);
        return;
      case 'transactionGuarded': {
        const { topicId, partition, producerId, producerEpoch, transaction: number } = command;
        const guarded = { topicId, partition, producerId, producerEpoch, number };
        this.#options.history().add({ type: 'transactionGuarded', ...guarded });
        return;
      }
      case 'recordsChanged':
        this.#options.history().add({ type: 'recordsChanged', owner: command.owner, changes: command.changes });
        return;
      case 'transactionMarked':
        this.#mark(journal, entry, command, process);
        return;
      default:
        return;
    }
  }

  #create(name: PartitionName, journal: number): void {
    if (this.#partitions.has(nameOf(name))) throw new Violation('ledger', `partition ${nameOf(name)} is created twice`);
    this.#partitions.set(nameOf(name), new LedgerPartition(name, journal));
    this.#options.history().add({ type: 'partitionCreated', ...name });
  }

  #delete(name: PartitionName): void {
    this.#partitions.delete(nameOf(name));
    this.#options.history().add({ type: 'partitionDeleted', ...name });
  }

  #append(journal: number, entry: Entry, command: Appended, process: string): void {
    const { source, batches, exceptions, lane } = command;
    const ingest = { brokerId: lane.brokerId, brokerEpoch: lane.brokerEpoch };
    const excepted = new Set(exceptions.map(({ index }) => index));
    let partitions: readonly UploadedPartition[];
    if (source.type === 'inline') {
      if (batches.type !== 'described') throw new Violation('ledger', 'an inline body has no footer');
      const body = entry.body.subarray(source.position, source.position + source.length);
      partitions = batches.partitions.map((described) => readInline(described, body));
    } else {
      const uploaded = this.#uploads.get(source.segment.id);
      if (!uploaded) {
        const where = `entry ${entry.seq} of journal ${journal}`;
        throw new Violation('segments', `${where} appends segment ${source.segment.id}, which does not exist`);
      }
      partitions = uploaded.filter((partition) => partition.journal === journal);
    }
    let index = 0;
    for (const { topicId, partition, batches: ofPartition } of partitions) {
      for (const { batchId, described } of ofPartition) {
        if (excepted.has(index++)) continue;
        this.#appendBatch({ topicId, partition }, journal, entry, { batchId, described, process, ingest });
      }
    }
  }

  #appendBatch(
    name: PartitionName,
    journal: number,
    { seq, epoch }: Entry,
    { batchId, described, process, ingest }: Arrived,
  ): void {
    const state = this.partition(name);
    if (state?.journal !== journal) {
      throw new Violation('ledger', `entry ${seq} of journal ${journal} appends to ${nameOf(name)}, which it has not`);
    }
    const batch: LedgerBatch = {
      topicId: name.topicId,
      partition: name.partition,
      batchId,
      baseOffset: state.nextOffset,
      count: described.offsetCount,
      bytes: described.length,
      maxTimestamp: described.maxTimestamp,
      journal,
      seq,
      epoch,
      process,
      ingest,
      appendedAt: this.#options.now(),
      producerId: described.producerId,
      producerEpoch: described.producerEpoch,
      baseSequence: described.baseSequence,
      logAppendTime: (described.attributes & LOG_APPEND_TIME_FLAG) !== 0,
      transactional: (described.attributes & TRANSACTIONAL_FLAG) !== 0,
    };
    state.nextOffset += batch.count;
    state.bytes += batch.bytes;
    state.batches.push(batch);
    this.#options.history().add({ type: 'batchAppended', batch });
  }

  #mark(journal: number, entry: Entry, command: TransactionMarked, process: string): void {
    const { topicId, partition, producerId, producerEpoch, transaction: number, committed, position } = command;
    if (position < 0) {
      this.#options.history().add({ type: 'markerRemembered', topicId, partition, producerId, number });
      return;
    }
    const state = this.partition(command);
    const where = `entry ${entry.seq} of journal ${journal}`;
    if (state?.journal !== journal) throw new Violation('ledger', `${where} marks a partition that it has not`);
    const control = readControlBatch(entry.body, position);
    if (control?.producerId !== producerId || control.committed !== committed) {
      throw new Violation('ledger', `${where} marks ${nameOf(command)} with another batch than it says`);
    }
    const marker: LedgerMarker = {
      topicId,
      partition,
      batchId: MARKER_ID,
      baseOffset: state.nextOffset,
      count: 1,
      bytes: CONTROL_BATCH_BYTES,
      maxTimestamp: entry.timestamp,
      journal,
      seq: entry.seq,
      epoch: entry.epoch,
      process,
      ingest: NOBODY,
      appendedAt: this.#options.now(),
      producerId,
      producerEpoch,
      baseSequence: -1,
      logAppendTime: false,
      transactional: true,
      committed,
      number,
    };
    state.nextOffset += 1;
    state.bytes += marker.bytes;
    state.batches.push(marker);
    this.#options.history().add({ type: 'markerAppended', marker });
  }

  #advance(name: PartitionName, logStartOffset: number): void {
    const state = this.partition(name);
    if (!state || logStartOffset <= state.logStartOffset) return;
    const kept = state.batches.findIndex(({ baseOffset, count }) => baseOffset + count > logStartOffset);
    const dropped = state.batches.splice(0, kept < 0 ? state.batches.length : kept);
    for (const { bytes } of dropped) state.bytes -= bytes;
    state.logStartOffset = logStartOffset;
    const { topicId, partition, bytes: bytesLeft } = state;
    const now = this.#options.now();
    this.#options
      .history()
      .add({ type: 'logStartAdvanced', topicId, partition, logStartOffset, dropped, bytesLeft, now });
  }
}

const readInline = ({ topicId, partition, journal, batches }: PartitionBatches, body: Buffer): UploadedPartition => ({
  topicId,
  partition,
  journal,
  batches: batches.map((described) => ({ batchId: batchIdAt(body, described.position), described })),
});
