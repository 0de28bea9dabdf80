/**
 * A directory on a disk that can be filled and emptied: a small tmpfs where mounting is permitted. Elsewhere a limit on
 * the size of files, which the kernel lets a process have while it runs, does for writes what a full disk does.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.ts';

export interface SmallDisk {
  readonly what: string;
  readonly isReal: boolean;
  readonly directory: string;
  /** Leaves that much room for process `pid`, or none. */
  fill(pid: number, roomBytes?: number): Promise<void>;
  empty(pid: number): Promise<void>;
  close(): Promise<void>;
}

const TMPFS_BYTES = 96 * 1024 * 1024;

export async function smallDisk(): Promise<SmallDisk> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-small-disk-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${TMPFS_BYTES}`, 'tmpfs', directory]);
  if (mounted.status !== 0) {
    const why = String(mounted.stderr || mounted.error).trim();
    return {
      ...limitedFiles(directory),
      what: `files of limited size, for mounting is not permitted (${why})`,
      close: remove,
    };
  }
  const ballast = join(directory, 'ballast');
  const freeBytes = async () => {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  };
  return {
    isReal: true,
    what: `a tmpfs of ${TMPFS_BYTES / 1024 / 1024} MiB`,
    directory,
    async fill(_pid, roomBytes = 0) {
      const bytes = (await freeBytes()) - roomBytes;
      if (bytes > 0) await writeFile(ballast, Buffer.alloc(bytes), { flag: 'a' });
    },
    empty: () => rm(ballast, { force: true }),
    async close() {
      await run(['umount', directory]);
      await remove();
    },
  };
}

function limitedFiles(directory: string): Omit<SmallDisk, 'what' | 'close'> {
  const limit = (pid: number, bytes: number | 'unlimited') =>
    run(['prlimit', '--pid', String(pid), `--fsize=${bytes}:unlimited`]);
  return {
    isReal: false,
    directory,
    // Room for a few objects more, each of its own file, is not to be had this way.
    fill: async (pid) => void (await limit(pid, 4_096)),
    empty: async (pid) => void (await limit(pid, 'unlimited')),
  };
}
