/**
 * What clients of the classic protocol write into groups of protocol type `consumer`: ConsumerProtocolSubscription and
 * ConsumerProtocolAssignment, versions 0 to 3. Later versions only add at the end, and are read as version 3.
 *
 *   subscription  version int16, topics [string], user data bytes,
 *                 v1 owned partitions [topic string, [int32]], v2 generation int32, v3 rack nullable string
 *   assignment    version int16, partitions [topic string, [int32]], user data bytes
 */
import { KafkaError } from '../../../errors.ts';
import { Reader, Writer } from '../../../protocol/buffer.ts';

export const CONSUMER_PROTOCOL = 'consumer';

export interface Subscription {
  readonly version: number;
  readonly topics: readonly string[];
  readonly owned: readonly NamedPartitions[];
  readonly rackId: string | null;
}

export interface NamedPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

const STRING_BYTES_MIN = 2;
const TOPIC_BYTES_MIN = 6;
const INT32_BYTES = 4;

/** Null for bytes that are no subscription. */
export function readSubscription(bytes: Buffer): Subscription | null {
  return attempt(bytes, 'ConsumerProtocolSubscription', (reader) => {
    const version = readVersion(reader);
    const topics = readArray(reader, STRING_BYTES_MIN, readString);
    skipBytes(reader);
    const owned = version >= 1 ? readArray(reader, TOPIC_BYTES_MIN, readPartitions) : [];
    if (version >= 2) reader.int32();
    const rackId = version >= 3 ? readNullableString(reader) : null;
    return { version, topics, owned, rackId };
  });
}

/** Null for bytes that are no assignment. No bytes at all are an empty one. */
export function readAssignment(bytes: Buffer): readonly NamedPartitions[] | null {
  if (bytes.length === 0) return [];
  return attempt(bytes, 'ConsumerProtocolAssignment', (reader) => {
    readVersion(reader);
    return readArray(reader, TOPIC_BYTES_MIN, readPartitions);
  });
}

/** In the version that the member's subscription has. */
export function writeAssignment(assignment: readonly NamedPartitions[], version: number): Buffer {
  const writer = new Writer();
  writer.int16(Math.min(version, VERSION_MAX));
  writer.int32(assignment.length);
  for (const { topic, partitions } of assignment) {
    const length = Buffer.byteLength(topic);
    writer.int16(length);
    writer.string(topic, length);
    writer.int32(partitions.length);
    for (const partition of partitions) writer.int32(partition);
  }
  writer.int32(NULL);
  return Buffer.concat(writer.finish());
}

const VERSION_MAX = 3;
const NULL = -1;

function attempt<T>(bytes: Buffer, what: string, read: (reader: Reader) => T): T | null {
  try {
    return read(new Reader(bytes, what));
  } catch (cause) {
    if (cause instanceof KafkaError) return null;
    throw cause;
  }
}

function readVersion(reader: Reader): number {
  const version = reader.int16();
  return version < 0 ? reader.refuse(`version ${version}`) : version;
}

function readArray<T>(reader: Reader, elementBytesMin: number, readElement: (reader: Reader) => T): T[] {
  const count = reader.int32();
  if (count < 0) return count === NULL ? [] : reader.refuse(`an array of ${count}`);
  reader.claimElements(count, elementBytesMin);
  return Array.from({ length: count }, () => readElement(reader));
}

function readString(reader: Reader): string {
  return readNullableString(reader) ?? reader.refuse('null where a string is needed');
}

function readNullableString(reader: Reader): string | null {
  const length = reader.int16();
  if (length < 0) return length === NULL ? null : reader.refuse(`a string of ${length} bytes`);
  return reader.string(length);
}

const readPartitions = (reader: Reader): NamedPartitions => ({
  topic: readString(reader),
  partitions: readArray(reader, INT32_BYTES, (each) => each.int32()),
});

function skipBytes(reader: Reader): void {
  const length = reader.int32();
  if (length > 0) reader.skip(length);
}
