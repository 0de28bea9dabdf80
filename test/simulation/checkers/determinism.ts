/** Invariant 7: the same seed gives the same run, byte for byte. */
import { Violation } from '../history.ts';
import type { TraceSummary } from '../trace.ts';

/** Throws Violation when two runs of one seed differ. Two files of `--trace` show where: `diff` them. */
export function checkSameRun(first: TraceSummary, second: TraceSummary): void {
  if (first.hash === second.hash && first.lines === second.lines) return;
  const was = `${first.lines} lines, ${first.hash.slice(0, 16)}`;
  const is = `${second.lines} lines, ${second.hash.slice(0, 16)}`;
  throw new Violation('determinism', `the second run of a seed differs from the first: ${was}; ${is}`);
}
