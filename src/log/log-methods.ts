/** What brokers ask the leader of a partition, and each other's memories. Ids 40 to 59; see `rpc/method.ts`. */
import { ERRORS, type ErrorName } from '../errors.ts';
import { ByteReader } from '../journal/byte-reader.ts';
import { ByteWriter } from '../journal/byte-writer.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { PartitionId, Watermarks } from './log.ts';

/** For one answer: a leader that is frozen is noticed sooner by its silence. */
export const LEADER_CALL_TIMEOUT_MS = 5_000;

/** A partition, and the journal in which its leader is to look: it need not know the topic yet. */
export interface Place extends PartitionId {
  readonly journal: number;
}

export interface ProducerPlace extends Place {
  readonly producerId: number;
}

/** How many names, numbers and flags of one kind a message holds at most is bounded by its length: see `ByteReader.count`. */
export const encoded = (write: (writer: ByteWriter) => void, bytes = 256): readonly Uint8Array[] => {
  const writer = new ByteWriter(bytes);
  write(writer);
  return [writer.view()];
};

export function writePlace(writer: ByteWriter, { topicId, partition, journal }: Place): void {
  writer.uuid(topicId);
  writer.uvarint(partition);
  writer.uvarint(journal);
}

export const readPlace = (reader: ByteReader): Place => ({
  topicId: reader.uuid(),
  partition: reader.uvarint(),
  journal: reader.uvarint(),
});

export function writeMany<T>(writer: ByteWriter, values: readonly T[], write: (value: T) => void): void {
  writer.uvarint(values.length);
  for (const value of values) write(value);
}

export function writeWatermarks(writer: ByteWriter, watermarks: Watermarks): void {
  const { logStartOffset, highWatermark, lastStableOffset, leaderEpoch } = watermarks;
  writer.signed(logStartOffset);
  writer.near(highWatermark, logStartOffset);
  writer.near(lastStableOffset, highWatermark);
  writer.signed(leaderEpoch);
}

export function readWatermarks(reader: ByteReader): Watermarks {
  const logStartOffset = reader.signed();
  const highWatermark = reader.near(logStartOffset);
  return {
    logStartOffset,
    highWatermark,
    lastStableOffset: reader.near(highWatermark),
    leaderEpoch: reader.signed(),
  };
}

export interface Failure {
  readonly error: ErrorName;
  readonly message: string;
}

export function writeFailure(writer: ByteWriter, { error, message }: Failure): void {
  writer.string(error);
  writer.string(message);
}

export function readFailure(reader: ByteReader): Failure {
  const error = reader.string();
  return { error: isErrorName(error) ? error : 'UNKNOWN_SERVER_ERROR', message: reader.string() };
}

/** A newer broker may know more of them. */
const isErrorName = (name: string): name is ErrorName => Object.hasOwn(ERRORS, name);

/** Of many partitions at once, each for itself. */
export const WATERMARKS: RpcMethod<readonly Place[], readonly (Watermarks | Failure)[]> = {
  id: 44,
  name: 'log.watermarks',
  encodeRequest: (places) => encoded((writer) => writeMany(writer, places, (place) => writePlace(writer, place))),
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    return reader.many(() => readPlace(reader));
  },
  encodeResponse: (answers) =>
    encoded((writer) =>
      writeMany(writer, answers, (answer) => {
        writer.byte('error' in answer ? 1 : 0);
        if ('error' in answer) writeFailure(writer, answer);
        else writeWatermarks(writer, answer);
      }),
    ),
  decodeResponse(bytes) {
    const reader = new ByteReader(bytes);
    return reader.many(() => (reader.byte() === 1 ? readFailure(reader) : readWatermarks(reader)));
  },
};

/** The numbers of the transactions that are open for producers on partitions, -1 where none is. */
export const OPEN_TRANSACTIONS: RpcMethod<readonly ProducerPlace[], readonly number[]> = {
  id: 41,
  name: 'log.openTransactions',
  encodeRequest: (places) =>
    encoded((writer) =>
      writeMany(writer, places, (place) => {
        writePlace(writer, place);
        writer.signed(place.producerId);
      }),
    ),
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    return reader.many(() => ({ ...readPlace(reader), producerId: reader.signed() }));
  },
  encodeResponse: (numbers) => encoded((writer) => writeMany(writer, numbers, (number) => writer.signed(number))),
  decodeResponse(bytes) {
    const reader = new ByteReader(bytes);
    return reader.many(() => reader.signed());
  },
};
