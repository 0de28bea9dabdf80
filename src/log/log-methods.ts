/** What brokers ask the leader of a partition, and each other's memories. Ids 40 to 59; see `rpc/method.ts`. */
import { ByteReader } from '../journal/byte-reader.ts';
import { ByteWriter } from '../journal/byte-writer.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { PartitionId } from './log.ts';

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
