/** Kafka's default partitioner for records with a key, so that every client sends a key to the same partition. */
const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** 32-bit murmur2 as Kafka's Java client computes it, as a signed integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const wordsEnd = length & ~3;
  let h = SEED ^ length;
  for (let at = 0; at < wordsEnd; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const rest = length & 3;
  if (rest === 3) h ^= bytes[wordsEnd + 2]! << 16;
  if (rest >= 2) h ^= bytes[wordsEnd + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[wordsEnd]!, M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}

/** The partition of a record with this key. Clears the sign bit, as Kafka's `toPositive` does. */
export const partitionOfKey = (key: Uint8Array, partitionCount: number): number =>
  (murmur2(key) & 0x7fffffff) % partitionCount;
