/** How records are spelled in a produce request: one JSON object a line, `Record-Format: text`, or as a caller spelled them. */
import { isUtf8 } from 'node:buffer';

export interface OutgoingRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly (readonly [name: string, value: Uint8Array | null])[];
  /** Milliseconds since 1970; absent: when the broker takes it. */
  readonly timestamp?: number;
  /** Absent: by the key as Kafka does, without a key one partition for a while, then the next. */
  readonly partition?: number;
}

/** A record ready to be sent. */
export interface EncodedRecord {
  /** One JSON object without line breaks and without `partition`. */
  readonly line: string;
  /** What decides the partition when `partition` is null. */
  readonly key: Uint8Array | null;
  readonly partition: number | null;
  /** About what the record will take in its batch. */
  readonly storedBytes: number;
}

/** Lengths, deltas and attributes of a record, and the lengths of a header. */
const RECORD_OVERHEAD_BYTES = 24;
const HEADER_OVERHEAD_BYTES = 10;

export function encodeRecord(record: OutgoingRecord): EncodedRecord {
  const { key, value, headers, timestamp, partition } = record;
  let line = `{${member('key', key)}${key === null ? '' : ','}${member('value', value)}`;
  let storedBytes = storedBytesOf(key, value);
  if (headers !== undefined && headers.length > 0) {
    const pairs = headers.map(([name, bytes]) => {
      storedBytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + (bytes?.length ?? 0);
      return `[${JSON.stringify(name)},${headerValue(bytes)}]`;
    });
    line += `,"headers":[${pairs.join(',')}]`;
  }
  if (timestamp !== undefined) line += `,"timestamp":${timestamp}`;
  return { line: `${line}}`, key, partition: partition ?? null, storedBytes };
}

export const storedBytesOf = (key: Uint8Array | null, value: Uint8Array | null): number =>
  RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

/** A null key is left out; a null value is spelled. */
function member(name: 'key' | 'value', bytes: Uint8Array | null): string {
  if (bytes === null) return name === 'key' ? '' : '"value":null';
  return isUtf8(bytes) ? `"${name}":${JSON.stringify(text(bytes))}` : `"${name}_base64":"${base64(bytes)}"`;
}

function headerValue(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  return isUtf8(bytes) ? JSON.stringify(text(bytes)) : `{"base64":"${base64(bytes)}"}`;
}
