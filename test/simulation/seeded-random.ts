import type { Random } from '../../src/runtime/random.ts';

/**
 * A seeded generator (sfc32, 128 bits of state). Each part of the simulation forks its own by name, so that one more draw
 * in one part does not change what all others see.
 */
export class SeededRandom implements Random {
  readonly #name: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string, name = '') {
    this.#name = `${seed}${name}`;
    [this.#a, this.#b, this.#c] = hashed(this.#name);
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** A generator of its own that depends on the seed and the names of all forks, not on what was drawn before. */
  fork(name: string | number): SeededRandom {
    return new SeededRandom(this.#name, `/${name}`);
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  float(): number {
    return (this.uint32() >>> 5) / 2 ** 27;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.uint32();
      for (let byte = 0; byte < 4 && at + byte < length; byte++) bytes[at + byte] = word >>> (8 * byte);
    }
    return bytes;
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** A whole number in `[from, end)`. */
  integer(from: number, end: number): number {
    return from + Math.floor(this.float() * (end - from));
  }

  /** A number in `[from, end)`. */
  between(from: number, end: number): number {
    return from + this.float() * (end - from);
  }

  /** Waiting times between events that come by chance, `mean` on average. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.float());
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length)]!;
  }
}

/** Three words that differ in about half of their bits for names that differ in one. */
function hashed(name: string): [number, number, number] {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  let c = 0xc2b2ae35;
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit ^ (a >>> 13), 0xcc9e2d51);
    c = Math.imul(c ^ b ^ (a >>> 7), 0x1b873593);
  }
  return [a | 0, b | 0, c | 0];
}
