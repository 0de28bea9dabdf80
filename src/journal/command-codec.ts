/**
 * Commands as bytes. Type numbers are given once and never again; a family has a range of its own, so that new ones can
 * be added in their own files. A number that is not known here stops a broker from leading: it cannot fold what it does
 * not understand.
 */
import { StartupError } from '../errors.ts';
import { type CodecContext, readAppended, writeAppended } from './appended-codec.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Command, TransactionGuarded } from './entry.ts';
import { readLane, writeLane } from './lane-codec.ts';
import { readMerged, writeMerged } from './merged-codec.ts';

/** Persisted: never renumber. 1 to 31 log, 32 to 63 coordinators, 64 to 95 transactions. */
const COMMAND_TYPES = {
  epochStarted: 1,
  partitionsCreated: 2,
  partitionsDeleted: 3,
  appended: 4,
  laneSkipped: 5,
  merged: 6,
  logStartAdvanced: 7,
  condemned: 8,
  forgotten: 9,
  expired: 10,
  producerIdsAllocated: 11,
  recordsChanged: 32,
  transactionGuarded: 64,
  transactionMarked: 65,
} as const satisfies Record<Command['type'], number>;

/** Persisted: never renumber. */
const RECORD_REMOVED = 0;
const RECORD_SET = 1;
const MARKER_ABORT = 0;
const MARKER_COMMIT = 1;

interface CommandCodec<C extends Command> {
  write(writer: ByteWriter, command: C, context: CodecContext): void;
  read(reader: ByteReader, context: CodecContext): C;
}

type Codecs = { readonly [T in Command['type']]: CommandCodec<Extract<Command, { type: T }>> };

const CODECS: Codecs = {
  epochStarted: {
    write(writer, { epoch, brokerId, brokerEpoch }) {
      writer.uvarint(epoch);
      writer.uvarint(brokerId);
      writer.uvarint(brokerEpoch);
    },
    read: (reader) => ({
      type: 'epochStarted',
      epoch: reader.uvarint(),
      brokerId: reader.uvarint(),
      brokerEpoch: reader.uvarint(),
    }),
  },
  partitionsCreated: {
    write: writePartitionNumbers,
    read: (reader) => ({ type: 'partitionsCreated', ...readPartitionNumbers(reader) }),
  },
  partitionsDeleted: {
    write: writePartitionNumbers,
    read: (reader) => ({ type: 'partitionsDeleted', ...readPartitionNumbers(reader) }),
  },
  appended: { write: writeAppended, read: readAppended },
  laneSkipped: {
    write(writer, { lane, number }) {
      writeLane(writer, lane);
      writer.uvarint(number);
    },
    read: (reader) => ({ type: 'laneSkipped', lane: readLane(reader), number: reader.uvarint() }),
  },
  merged: { write: writeMerged, read: readMerged },
  logStartAdvanced: {
    write(writer, { topicId, partition, logStartOffset }) {
      writer.uuid(topicId);
      writer.uvarint(partition);
      writer.uvarint(logStartOffset);
    },
    read: (reader) => ({
      type: 'logStartAdvanced',
      topicId: reader.uuid(),
      partition: reader.uvarint(),
      logStartOffset: reader.uvarint(),
    }),
  },
  condemned: {
    write: writeSegmentIds,
    read: (reader) => ({ type: 'condemned', segmentIds: readSegmentIds(reader) }),
  },
  forgotten: {
    write: writeSegmentIds,
    read: (reader) => ({ type: 'forgotten', segmentIds: readSegmentIds(reader) }),
  },
  expired: {
    write(writer, { before, keysBefore }, { timestamp }) {
      writer.near(before, timestamp);
      writer.near(keysBefore, timestamp);
    },
    read: (reader, { timestamp }) => ({
      type: 'expired',
      before: reader.near(timestamp),
      keysBefore: reader.near(timestamp),
    }),
  },
  producerIdsAllocated: {
    write(writer, { first, count }) {
      writer.uvarint(first);
      writer.uvarint(count);
    },
    read: (reader) => ({ type: 'producerIdsAllocated', first: reader.uvarint(), count: reader.uvarint() }),
  },
  recordsChanged: {
    write(writer, { owner, changes }) {
      writer.string(owner);
      writer.uvarint(changes.length);
      for (const { key, value } of changes) {
        writer.string(key);
        writer.byte(value === null ? RECORD_REMOVED : RECORD_SET);
        if (value !== null) writer.string(value);
      }
    },
    read: (reader) => ({
      type: 'recordsChanged',
      owner: reader.string(),
      changes: reader.many(() => ({
        key: reader.string(),
        value: reader.byte() === RECORD_REMOVED ? null : reader.string(),
      })),
    }),
  },
  transactionGuarded: {
    write: writeTransaction,
    read: (reader) => ({ type: 'transactionGuarded', ...readTransaction(reader) }),
  },
  transactionMarked: {
    write(writer, command) {
      writeTransaction(writer, command);
      writer.signed(command.coordinatorEpoch);
      writer.byte(command.committed ? MARKER_COMMIT : MARKER_ABORT);
      writer.signed(command.position);
    },
    read: (reader) => ({
      type: 'transactionMarked',
      ...readTransaction(reader),
      coordinatorEpoch: reader.signed(),
      committed: reader.byte() === MARKER_COMMIT,
      position: reader.signed(),
    }),
  },
};

const TYPES_BY_NUMBER: ReadonlyMap<number, Command['type']> = new Map(
  Object.entries(COMMAND_TYPES).map(([type, number]) => [number, type as Command['type']]),
);

export function writeCommand(writer: ByteWriter, command: Command, context: CodecContext): void {
  writer.uvarint(COMMAND_TYPES[command.type]);
  // The table pairs each type with its codec; the compiler cannot follow that through a lookup.
  (CODECS[command.type] as CommandCodec<Command>).write(writer, command, context);
}

export function readCommand(reader: ByteReader, context: CodecContext): Command {
  const number = reader.uvarint();
  const type = TYPES_BY_NUMBER.get(number);
  if (!type) {
    throw new StartupError(`it holds a command of type ${number}, which this version of the broker does not know`);
  }
  return CODECS[type].read(reader, context);
}

function writePartitionNumbers(
  writer: ByteWriter,
  { topicId, partitions }: { readonly topicId: string; readonly partitions: readonly number[] },
): void {
  writer.uuid(topicId);
  writer.uvarint(partitions.length);
  for (const partition of partitions) writer.uvarint(partition);
}

function readPartitionNumbers(reader: ByteReader): { topicId: string; partitions: number[] } {
  const topicId = reader.uuid();
  return { topicId, partitions: reader.many(() => reader.uvarint()) };
}

function writeSegmentIds(writer: ByteWriter, { segmentIds }: { readonly segmentIds: readonly string[] }): void {
  writer.uvarint(segmentIds.length);
  for (const id of segmentIds) writer.string(id);
}

const readSegmentIds = (reader: ByteReader): string[] => reader.many(() => reader.string());

type TransactionFields = Omit<TransactionGuarded, 'type'>;

function writeTransaction(writer: ByteWriter, command: TransactionFields): void {
  writer.uuid(command.topicId);
  writer.uvarint(command.partition);
  writer.signed(command.producerId);
  writer.signed(command.producerEpoch);
  writer.uvarint(command.transaction);
}

const readTransaction = (reader: ByteReader): TransactionFields => ({
  topicId: reader.uuid(),
  partition: reader.uvarint(),
  producerId: reader.signed(),
  producerEpoch: reader.signed(),
  transaction: reader.uvarint(),
});
