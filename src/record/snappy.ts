/**
 * Reads Snappy as Kafka clients write it: raw blocks (librdkafka, Go) and the xerial framing of the Java client. In
 * JavaScript, because the output must be bounded while it grows.
 *
 *   xerial  82 'SNAPPY' 00 │ version 4 │ compatible version 4 │ (length 4 │ raw block)*      (integers big-endian)
 *   raw     length of the output, varint │ elements: literal, or copy of 1, 2 or 4 offset bytes
 */
import { KafkaError } from '../errors.ts';
import { GrowingOutput } from './growing-output.ts';
import { readInt32 } from './int64.ts';
import { VarintReader } from './varint.ts';

const XERIAL_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1');
const XERIAL_HEADER_BYTES = 16;

export function readSnappy(input: Uint8Array, bytesMax: number): Buffer {
  const output = new GrowingOutput('snappy', input.length, bytesMax);
  if (!startsXerial(input, 0)) {
    readRaw(input, 0, input.length, output);
    return output.finish();
  }
  let at = 0;
  while (at < input.length) {
    if (startsXerial(input, at)) {
      at += XERIAL_HEADER_BYTES; // Concatenated streams repeat the header.
      continue;
    }
    if (at + 4 > input.length) throw cutShort();
    const length = readInt32(input, at);
    at += 4;
    if (length < 0 || at + length > input.length) throw cutShort();
    readRaw(input, at, at + length, output);
    at += length;
  }
  if (at > input.length) throw cutShort();
  return output.finish();
}

function startsXerial(input: Uint8Array, at: number): boolean {
  return XERIAL_MAGIC.every((byte, index) => input[at + index] === byte);
}

function readRaw(input: Uint8Array, start: number, end: number, output: GrowingOutput): void {
  const reader = new VarintReader(input, start, end);
  const declared = reader.uvarint();
  const outputEnd = output.length + declared;
  output.refuseBeyond(outputEnd);
  let at = reader.position;
  while (at < end) {
    const tag = input[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = tag >>> 2;
      if (length >= 60) {
        const lengthBytes = length - 59;
        if (at + lengthBytes > end) throw cutShort();
        length = littleEndian(input, at, lengthBytes);
        at += lengthBytes;
      }
      length += 1;
      if (at + length > end) throw cutShort();
      output.append(input, at, length);
      at += length;
    } else if (kind === 1) {
      if (at + 1 > end) throw cutShort();
      output.repeat(((tag >>> 5) << 8) | input[at]!, ((tag >>> 2) & 7) + 4);
      at += 1;
    } else {
      const offsetBytes = kind === 2 ? 2 : 4;
      if (at + offsetBytes > end) throw cutShort();
      output.repeat(littleEndian(input, at, offsetBytes), (tag >>> 2) + 1);
      at += offsetBytes;
    }
  }
  if (output.length !== outputEnd) {
    throw new KafkaError('INVALID_RECORD', `snappy block gives other than the ${declared} bytes it declares`);
  }
}

function littleEndian(input: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let index = bytes - 1; index >= 0; index--) value = value * 256 + input[at + index]!;
  return value;
}

const cutShort = () => new KafkaError('INVALID_RECORD', 'snappy data is cut short');
