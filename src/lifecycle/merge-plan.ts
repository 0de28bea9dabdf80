/**
 * Which extents to rewrite into larger ones: pure decisions over one version of the state.
 *
 * Extents are graded by length in steps of `FANOUT`. A run of at least `FANOUT` neighbours of one grade or below becomes
 * one extent when that at least doubles the longest of them: so a byte is rewritten at most log2(final size / first size)
 * times, and a partition keeps a few extents per grade, whatever the age of the log. Inline extents pin journal entries, so beyond an age, or
 * when the journal holds many of them, they are rewritten whatever their number.
 *
 * Runs of many partitions share one output segment when their topics keep records equally long, so that the segment
 * becomes garbage as a whole.
 */
import type { Extent, PartitionState } from '../journal/partition-state.ts';

export const FANOUT = 16;
/** Longest extent of grade 0. */
const GRADE_BYTES_MIN = 64 * 1024;
/** More extents than this never enter one run: bounds the memory and the entry of one job. */
const RUN_COUNT_MAX = 4_096;

export interface MergeLimits {
  /** Runs grow up to this, and so do output segments. */
  readonly segmentBytesMax: number;
  readonly inlineAgeMsMax: number;
  /** A job below both of these waits for company unless it is urgent: each costs a create and an entry. */
  readonly jobBytesMin: number;
  readonly jobExtentsMin: number;
  /** Partitions in one job: each takes a part of one journal entry. */
  readonly jobPartitionsMax: number;
}

export interface MergeRun {
  readonly partition: PartitionState;
  readonly extents: readonly Extent[];
  readonly bytes: number;
  /** Must not wait for company: old inline data, or a journal that is full of it. */
  readonly urgent: boolean;
}

/** 0 for up to 64 KiB, 1 for up to 1 MiB, 2 for up to 16 MiB, … */
export function gradeOf(length: number): number {
  let grade = 0;
  for (let bound = GRADE_BYTES_MIN; length > bound; bound *= FANOUT) grade++;
  return grade;
}

/** What a pass over the extents of one partition tells; kept while the partition does not change. */
export interface PartitionSummary {
  readonly inlineCount: number;
  readonly inlineBytes: number;
  /** `appendedAt` of the oldest inline extent, Infinity when none. */
  readonly oldestInlineAt: number;
}

export function summarize(partition: PartitionState): PartitionSummary {
  let inlineCount = 0;
  let inlineBytes = 0;
  let oldestInlineAt = Infinity;
  for (const extent of partition.extents) {
    if (extent.source.type !== 'inline') continue;
    inlineCount++;
    inlineBytes += extent.length;
    oldestInlineAt = Math.min(oldestInlineAt, extent.appendedAt);
  }
  return { inlineCount, inlineBytes, oldestInlineAt };
}

/**
 * The next run to rewrite in a partition, or null. `flushInline` asks for all inline data, as a full journal does.
 * `now` is the clock that stamped `appendedAt`.
 */
export function nextRun(
  partition: PartitionState,
  summary: PartitionSummary,
  flushInline: boolean,
  now: number,
  limits: MergeLimits,
): MergeRun | null {
  if (summary.inlineCount > 0 && (flushInline || now - summary.oldestInlineAt >= limits.inlineAgeMsMax)) {
    return inlineRun(partition, limits);
  }
  return gradedRun(partition, limits);
}

/** From the oldest inline extent onwards, with small neighbours in between. */
function inlineRun(partition: PartitionState, limits: MergeLimits): MergeRun {
  const extents: Extent[] = [];
  let bytes = 0;
  for (const extent of partition.extents) {
    const inline = extent.source.type === 'inline';
    if (extents.length === 0 && !inline) continue;
    if (!inline && gradeOf(extent.length) > 0) break;
    if (extents.length > 0 && bytes + extent.length > limits.segmentBytesMax) break;
    extents.push(extent);
    bytes += extent.length;
    if (extents.length === RUN_COUNT_MAX) break;
  }
  return { partition, extents, bytes, urgent: true };
}

function gradedRun(partition: PartitionState, limits: MergeLimits): MergeRun | null {
  const all = [...partition.extents];
  const gradeMax = gradeOf(limits.segmentBytesMax / FANOUT);
  const grades = all.map(({ length }) => gradeOf(length));
  for (let grade = 0; grade <= gradeMax; grade++) {
    let start = 0;
    for (let index = 0; index <= all.length; index++) {
      if (index < all.length && grades[index]! <= grade) continue;
      const run = index - start >= FANOUT ? cut(partition, all, start, index, limits) : null;
      if (run) return run;
      start = index + 1;
    }
  }
  return null;
}

/** The oldest part of `[start, end)` that fits one segment, when it is still worth it. */
function cut(
  partition: PartitionState,
  all: readonly Extent[],
  start: number,
  end: number,
  limits: MergeLimits,
): MergeRun | null {
  const extents: Extent[] = [];
  let bytes = 0;
  let longest = 0;
  for (let index = start; index < end && extents.length < RUN_COUNT_MAX; index++) {
    const extent = all[index]!;
    if (extents.length > 0 && bytes + extent.length > limits.segmentBytesMax) break;
    extents.push(extent);
    bytes += extent.length;
    longest = Math.max(longest, extent.length);
  }
  const worthIt = extents.length >= FANOUT && bytes >= 2 * longest;
  return worthIt ? { partition, extents, bytes, urgent: false } : null;
}

/** Runs that become one segment. */
export interface MergeJob {
  readonly runs: readonly MergeRun[];
  readonly bytes: number;
  readonly urgent: boolean;
}

/** Packs runs of one retention class into jobs, urgent ones first; a job too small to pay for its requests waits. */
export function planJobs(
  runs: readonly MergeRun[],
  classOf: (run: MergeRun) => string,
  limits: MergeLimits,
): MergeJob[] {
  const classes = new Map<string, MergeRun[]>();
  for (const run of runs) {
    const key = classOf(run);
    const members = classes.get(key);
    if (members) members.push(run);
    else classes.set(key, [run]);
  }
  const jobs: MergeJob[] = [];
  for (const members of classes.values()) {
    members.sort((a, b) => Number(b.urgent) - Number(a.urgent));
    let open: MergeRun[] = [];
    let bytes = 0;
    let extents = 0;
    const close = () => {
      const worthIt = bytes >= limits.jobBytesMin || extents >= limits.jobExtentsMin;
      if (open.length > 0 && (worthIt || open[0]!.urgent)) jobs.push({ runs: open, bytes, urgent: open[0]!.urgent });
      open = [];
      bytes = 0;
      extents = 0;
    };
    for (const run of members) {
      if (open.length === limits.jobPartitionsMax || (open.length > 0 && bytes + run.bytes > limits.segmentBytesMax)) {
        close();
      }
      open.push(run);
      bytes += run.bytes;
      extents += run.extents.length;
    }
    close();
  }
  return jobs.sort((a, b) => Number(b.urgent) - Number(a.urgent));
}
