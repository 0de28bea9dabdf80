/** Numbers by index, 8 bytes each, growing; what was never set is NaN. */
export class Column {
  #values = new Float64Array(256).fill(Number.NaN);
  #length = 0;

  /** One more than the highest index that was set. */
  get length(): number {
    return this.#length;
  }

  get(index: number): number {
    return index < this.#length ? this.#values[index]! : Number.NaN;
  }

  set(index: number, value: number): void {
    if (index >= this.#values.length) {
      const larger = new Float64Array(Math.max(index + 1, this.#values.length * 2)).fill(Number.NaN);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[index] = value;
    this.#length = Math.max(this.#length, index + 1);
  }
}
