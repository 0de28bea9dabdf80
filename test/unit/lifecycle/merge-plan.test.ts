import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SharedExtentList } from '../../../src/journal/extent-list.ts';
import type { Extent, PartitionState } from '../../../src/journal/partition-state.ts';
import { FANOUT, gradeOf, type MergeLimits, nextRun, planJobs, summarize } from '../../../src/lifecycle/merge-plan.ts';
import { retainedFrom } from '../../../src/lifecycle/retention.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const limits: MergeLimits = {
  segmentBytesMax: 64 * MIB,
  inlineAgeMsMax: 120_000,
  jobBytesMin: 4 * MIB,
  jobExtentsMin: 100,
  jobPartitionsMax: 500,
};

const extent = (baseOffset: number, length: number, more: Partial<Extent> = {}): Extent => ({
  baseOffset,
  endOffset: baseOffset + 10,
  source: { type: 'segment', segmentId: `s${baseOffset}` },
  position: 0,
  length,
  batchCount: 1,
  maxTimestamp: 1_000,
  leaderEpoch: 1,
  absolute: false,
  appendedAt: 1_000,
  ...more,
});

const inline = (baseOffset: number, length: number, appendedAt = 1_000) =>
  extent(baseOffset, length, { source: { type: 'inline', seq: baseOffset, entryId: 'e' }, appendedAt });

const partition = (extents: readonly Extent[], index = 0): PartitionState => ({
  topicId: 't',
  partition: index,
  logStartOffset: extents[0]?.baseOffset ?? 0,
  nextOffset: extents.at(-1)?.endOffset ?? 0,
  extents: SharedExtentList.of(extents),
  bytes: extents.reduce((sum, { length }) => sum + length, 0),
  lastStableOffset: 0,
  unstable: [],
  abortedTransactions: [],
  epochs: [],
});

const run = (state: PartitionState, now = 2_000, flushInline = false) =>
  nextRun(state, summarize(state), flushInline, now, limits);

const row = (count: number, length: number) => Array.from({ length: count }, (_, index) => extent(index * 10, length));

describe('the next run of a partition', () => {
  test('few neighbours of one grade stay, enough are rewritten', () => {
    expect(run(partition(row(FANOUT - 1, 8 * KIB)))).toBeNull();
    expect(run(partition(row(FANOUT, 8 * KIB)))?.extents).toHaveLength(FANOUT);
  });

  test('a long extent is not rewritten for the sake of a few short ones', () => {
    const extents = [
      ...row(4, 8 * KIB),
      extent(40, 1 * MIB),
      ...row(4, 8 * KIB).map((e) => ({ ...e, baseOffset: e.baseOffset + 50 })),
    ];
    expect(run(partition(extents))).toBeNull();
  });

  test('inline data goes when it is old, whatever its size', () => {
    const state = partition([extent(0, 10 * MIB), inline(10, 100)]);
    expect(run(state, 1_000 + limits.inlineAgeMsMax - 1)).toBeNull();
    expect(run(state, 1_000 + limits.inlineAgeMsMax)).toMatchObject({ urgent: true, bytes: 100 });
  });

  test('inline data goes when the journal is full of it', () => {
    expect(run(partition([inline(0, 100), inline(10, 100)]), 1_001, true)?.extents).toHaveLength(2);
  });

  test('extents of the final size are never touched again', () => {
    expect(run(partition(row(100, 64 * MIB)))).toBeNull();
  });

  test('whatever was appended, repeated merging ends, keeps the order and leaves few extents per grade', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 60, max: 4 * MIB }), { maxLength: 300 }), (lengths) => {
        let extents = lengths.map((length, index) => extent(index * 10, length));
        for (let round = 0; ; round++) {
          expect(round).toBeLessThan(1_000);
          const found = run(partition(extents));
          if (!found) break;
          const from = extents.indexOf(found.extents[0]!);
          expect(extents.slice(from, from + found.extents.length)).toEqual(found.extents);
          const merged = extent(found.extents[0]!.baseOffset, found.bytes, {
            endOffset: found.extents.at(-1)!.endOffset,
          });
          extents = [...extents.slice(0, from), merged, ...extents.slice(from + found.extents.length)];
        }
        const grades = gradeOf(limits.segmentBytesMax) + 1;
        expect(extents.length).toBeLessThan(2 * FANOUT * grades);
      }),
      { numRuns: 50 },
    );
  });
});

describe('jobs', () => {
  test('small runs wait for company, urgent ones do not', () => {
    const calm = run(partition(row(FANOUT, 8 * KIB)))!;
    const urgent = run(partition([inline(0, 100)]), 2_000, true)!;
    expect(planJobs([calm], () => 'week', limits)).toEqual([]);
    expect(planJobs([calm, urgent], () => 'week', limits)).toEqual([
      { runs: [urgent, calm], bytes: calm.bytes + 100, urgent: true },
    ]);
  });

  test('many short extents are company enough', () => {
    const calm = run(partition(row(100, 100)))!;
    expect(planJobs([calm], () => 'week', limits)).toEqual([{ runs: [calm], bytes: 10_000, urgent: false }]);
  });

  test('partitions of different retention never share a segment', () => {
    const runs = [0, 1].map((index) => run(partition(row(FANOUT, 1 * MIB), index))!);
    const jobs = planJobs(runs, ({ partition: { partition } }) => String(partition), limits);
    expect(jobs.map((job) => job.runs.length)).toEqual([1, 1]);
  });

  test('a job ends at the segment size', () => {
    const runs = [0, 1, 2].map((index) => run(partition(row(FANOUT, 2 * MIB), index))!);
    expect(planJobs(runs, () => 'week', limits).map((job) => job.bytes)).toEqual([64 * MIB, 32 * MIB]);
  });
});

describe('retention', () => {
  const state = partition([
    extent(0, 100, { maxTimestamp: 1_000 }),
    extent(10, 100, { maxTimestamp: 5_000 }),
    extent(20, 100, { maxTimestamp: 2_000 }),
  ]);

  test('records go by age in order, never past one that is young', () => {
    expect(retainedFrom(state, { retentionMs: 3_000, retentionBytes: Infinity }, 4_000)).toBe(0);
    expect(retainedFrom(state, { retentionMs: 3_000, retentionBytes: Infinity }, 4_001)).toBe(10);
    expect(retainedFrom(state, { retentionMs: 3_000, retentionBytes: Infinity }, 8_001)).toBe(30);
  });

  test('records go by size while what remains is enough', () => {
    expect(retainedFrom(state, { retentionMs: Infinity, retentionBytes: 200 }, 0)).toBe(10);
    expect(retainedFrom(state, { retentionMs: Infinity, retentionBytes: 201 }, 0)).toBe(0);
    expect(retainedFrom(state, { retentionMs: Infinity, retentionBytes: 0 }, 0)).toBe(30);
  });

  test('records without a timestamp are judged by when they were appended', () => {
    const untimed = partition([extent(0, 100, { maxTimestamp: -1, appendedAt: 1_000 })]);
    expect(retainedFrom(untimed, { retentionMs: 500, retentionBytes: Infinity }, 1_501)).toBe(10);
  });
});
