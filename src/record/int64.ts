/**
 * Kafka's 64-bit integers as JavaScript numbers, in two 32-bit halves: a BigInt per field would cost more than the rest
 * of a batch header. Beyond 2^53 a value loses its low bits, which `Number.isSafeInteger` tells.
 */
const TWO_TO_32 = 4_294_967_296;

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * TWO_TO_32 + (readInt32(bytes, at + 4) >>> 0);
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / TWO_TO_32));
  writeInt32(bytes, at + 4, value >>> 0);
}
