/** Chance from a seed, for faults and schedules that can be repeated. */
export interface Chance {
  /** In [0, 1). */
  float(): number;
  /** A whole number in [from, to). */
  within(from: number, to: number): number;
  pick<Value>(values: readonly Value[]): Value;
  /** Lognormal with this median and 99th percentile. */
  lognormal(median: number, p99: number): number;
}

/** The 99th percentile of the standard normal distribution. */
const Z99 = 2.3263;

/** mulberry32 */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    float,
    within: (from, to) => from + Math.floor(float() * (to - from)),
    pick: (values) => values[Math.floor(float() * values.length)]!,
    lognormal(median, p99) {
      const normal = Math.sqrt(-2 * Math.log(1 - float())) * Math.cos(2 * Math.PI * float());
      return median * Math.exp((Math.log(p99 / median) / Z99) * normal);
    },
  };
}
