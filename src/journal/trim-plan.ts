/**
 * Which entries may be deleted (rule 4). Pure. An entry below the durable floor goes, unless an extent points into its
 * body, or it is a fence, or the one directly before a fence: a deposed leader that slept must find its slot taken when
 * it wakes up, be it the one it wants to write or the one it does not know whether it wrote.
 */
export interface TrimView {
  /** Of the state that knows the fences: who was deposed meanwhile does not know the newest ones. */
  readonly lastSeq: number;
  readonly fences: readonly number[];
  readonly inlineUses: { has(seq: number): boolean };
}

export function mayTrim(seq: number, floor: number, { lastSeq, fences, inlineUses }: TrimView): boolean {
  return seq < floor && seq < lastSeq && !inlineUses.has(seq) && !isFenceOrBefore(seq, fences);
}

function isFenceOrBefore(seq: number, fences: readonly number[]): boolean {
  let low = 0;
  let high = fences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (fences[middle]! < seq) low = middle + 1;
    else high = middle;
  }
  // The first fence at or behind `seq`.
  return fences[low] === seq || fences[low] === seq + 1;
}
