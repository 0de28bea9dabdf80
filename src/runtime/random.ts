import { randomFillSync } from 'node:crypto';

/** The only door for chance. The simulator replaces it with a seeded generator. */
export interface Random {
  /** `length` fresh random bytes. */
  bytes(length: number): Buffer;
  /** A float in [0, 1). */
  float(): number;
}

/** Asking the generator costs microseconds whatever the length, so small wishes are served from a drawn supply. */
const SUPPLY_BYTES = 4_096;
const supply = Buffer.alloc(SUPPLY_BYTES);
let supplyAt = SUPPLY_BYTES;

function drawBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  if (length > SUPPLY_BYTES) return randomFillSync(bytes);
  if (supplyAt + length > SUPPLY_BYTES) {
    randomFillSync(supply);
    supplyAt = 0;
  }
  supply.copy(bytes, 0, supplyAt, supplyAt + length);
  supplyAt += length;
  return bytes;
}

export const systemRandom: Random = {
  bytes: drawBytes,
  float: () => Math.random(),
};

/** A version 4 UUID as Kafka prints one: 22 characters of base64url. Never starts with `-`, which command lines would mistake for an option. */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = random.bytes(16);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const text = bytes.toString('base64url');
    if (!text.startsWith('-')) return text;
  }
}

/** `length` random bytes as lower-case hex. */
export function randomHex(random: Random, length: number): string {
  return random.bytes(length).toString('hex');
}
