import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { ABSENT } from '../../../../src/storage/metadata-store.ts';
import { item, open, options, scratchDirectory } from './scratch.ts';

const HOLDER = new URL('./holder.ts', import.meta.url).pathname;

/** Another process that has the directory open. */
async function startHolder(directory: string): Promise<{ pid: number; kill: () => Promise<void> }> {
  const child = spawn(process.execPath, [HOLDER, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) if (line === 'open') break;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = () => {
    child.kill('SIGKILL');
    return exited;
  };
  return { pid: child.pid!, kill };
}

test('a directory that another broker has open is refused, naming directory and pid, and is free once that one was killed', async () => {
  const directory = await scratchDirectory();
  const holder = await startHolder(directory);
  const opening = open(directory);
  await expect(opening).rejects.toMatchObject({ name: 'StartupError' });
  await expect(opening).rejects.toThrow(`${directory} is open in another broker (pid ${holder.pid})`);
  await holder.kill();
  const stores = await open(directory);
  expect(await readFile(join(directory, 'owner'), 'utf8')).toBe(`${process.pid}\n`);
  await stores.close();
});

test('a directory is refused while the same process has it open, and free once it closed it', async () => {
  const directory = await scratchDirectory();
  const first = await open(directory);
  await expect(open(directory)).rejects.toThrow(`is open in another broker (pid ${process.pid})`);
  await expect(open(`${directory}/../${directory.split('/').at(-1)}`)).rejects.toThrow('is open in another broker');
  await first.metadata.put(item('a'), ABSENT, options);
  await first.close();
  const second = await open(directory);
  await second.close();
});

test('of many that open one directory at once exactly one gets it', async () => {
  const directory = await scratchDirectory();
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => open(directory)));
  const opened = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  expect(opened).toHaveLength(1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason.name).toBe('StartupError');
  await opened[0]!.value.close();
});

test('directories above the data directory are made', async () => {
  const directory = join(await scratchDirectory(), 'a/b/c');
  const stores = await open(directory);
  await stores.metadata.put(item('a'), ABSENT, options);
  await stores.close();
});

test('a directory that holds something else is refused and left alone', async () => {
  const directory = await scratchDirectory();
  await writeFile(join(directory, 'thesis.doc'), 'precious');
  await expect(open(directory)).rejects.toThrow(`${directory} holds thesis.doc but no Millrace data`);
  expect(await readFile(join(directory, 'thesis.doc'), 'utf8')).toBe('precious');
});

test('a fresh file system with lost+found is taken', async () => {
  const directory = await scratchDirectory();
  await mkdir(join(directory, 'lost+found'));
  await (await open(directory)).close();
});

test('a format of another version is refused by name', async () => {
  const directory = await scratchDirectory();
  await (await open(directory)).close();
  await writeFile(join(directory, 'format'), 'millrace data 2\n');
  await expect(open(directory)).rejects.toThrow('has format "millrace data 2"; this version of Millrace reads');
  await writeFile(join(directory, 'format'), 'millrace data 1\n');
  await (await open(directory)).close();
});

test('a path that is a file is refused with a StartupError', async () => {
  const directory = await scratchDirectory();
  await writeFile(join(directory, 'file'), '');
  await expect(open(join(directory, 'file'))).rejects.toMatchObject({ name: 'StartupError' });
});
