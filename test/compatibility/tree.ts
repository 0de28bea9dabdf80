/** A copy of the sources as a clone has them, for what must not disturb the tree: packing, and the README's commands. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './broker.ts';
import { run } from './run.ts';

export interface Tree {
  readonly directory: string;
  remove(): Promise<void>;
}

/** Every file that git knows or would not ignore. Nothing is installed in it. */
export async function copyTree(): Promise<Tree> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-tree-'));
  const listed = await run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of listed.stdout.toString().split('\0').filter(Boolean)) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    // A file may be deleted and still be known.
    await cp(join(ROOT, file), join(directory, file)).catch((cause) => {
      if (cause.code !== 'ENOENT') throw cause;
    });
  }
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}
