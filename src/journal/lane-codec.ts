import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Lane } from './journal.ts';

export function writeLane(writer: ByteWriter, { brokerId, brokerEpoch, lane }: Lane): void {
  writer.uvarint(brokerId);
  writer.uvarint(brokerEpoch);
  writer.uvarint(lane);
}

export const readLane = (reader: ByteReader): Lane => ({
  brokerId: reader.uvarint(),
  brokerEpoch: reader.uvarint(),
  lane: reader.uvarint(),
});
