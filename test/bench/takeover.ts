/**
 * How long a journal has no leader when the one that led it dies: from the first read to leading. The state is that of a
 * large journal that was bulk-loaded for weeks: many partitions, extents of fresh and of merged segments, producers, lanes.
 *
 * Expected, before it was measured: a million extents at 25 bytes are 25 MB of snapshot, 0.3 s from S3 at 100 MB/s;
 * decoding them at 1 µs each 1 s; 4 MiB of entries in 4 pages of a table at 20 ms each 0.1 s; 1,000 footers at 50 ms with
 * 48 under way 1.1 s, beside the decoding.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fixed, print } from './report.ts';

const PARTITIONS = 10_000;
/** As `npm start` has it; and garbage of the preparations is none of the takeover's. */
const FLAGS = ['--max-semi-space-size=8', '--expose-gc'];

export interface TakeoverFigures {
  readonly snapshotBytes: number;
  /** Behind the snapshot, one footer each. */
  readonly entries: number;
  readonly entryBytes: number;
  readonly extentsPerPartition: number;
  readonly inMemory: TakeoverRun;
  readonly away: TakeoverRun;
}

export interface TakeoverRun {
  readonly ms: number;
  readonly cpuMs: number;
  /** The longest turn of the event loop, and the longest pause for garbage collection. */
  readonly turnMs: number;
  readonly pauseMs: number;
}

export async function measureTakeover(share: number): Promise<void> {
  const partitions = Math.round(PARTITIONS * share);
  const child = fork(join(import.meta.dirname, 'takeover-process.ts'), [String(partitions)], { execArgv: FLAGS });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the broker ended with ${code}`);
  });
  const [figures] = (await Promise.race([once(child, 'message'), ended])) as [TakeoverFigures];
  const { snapshotBytes, entries, entryBytes, extentsPerPartition, inMemory, away } = figures;
  const megabytes = (bytes: number) => `${fixed(bytes / 1e6, 1)} MB`;
  const milliseconds = (ms: number) => `${fixed(ms)} ms`;
  const seconds = (ms: number) => `${fixed(ms / 1_000, 2)} s`;
  const none = { budget: '', aim: '' };
  print(
    `takeover of a journal with ${fixed(partitions)} partitions and ${fixed(partitions * extentsPerPartition)} extents`,
    [
      { what: 'snapshot', measured: megabytes(snapshotBytes), ...none },
      { what: `entries behind it, ${fixed(entries)} footers`, measured: megabytes(entryBytes), ...none },
      {
        what: 'stores at 50 ms and 5 ms (p50)',
        measured: seconds(away.ms),
        budget: '< 5 s',
        aim: '< 2 s',
        met: away.ms < 5_000,
      },
      { what: '  longest turn of the event loop', measured: milliseconds(away.turnMs), budget: '', aim: '< 20 ms' },
      { what: '  longest garbage collection', measured: milliseconds(away.pauseMs), ...none },
      { what: 'stores that answer at once', measured: seconds(inMemory.ms), ...none },
      { what: '  CPU', measured: seconds(inMemory.cpuMs), ...none },
    ],
    share,
  );
}
