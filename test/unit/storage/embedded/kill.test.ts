/** A real process on real files, killed at random moments: what it said was acknowledged is there. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { objectKey } from '../../../../src/storage/object-store.ts';
import { allItems, open, options, scratchDirectory } from './scratch.ts';

const WRITER = new URL('./writer.ts', import.meta.url).pathname;
const RUNS = 3;

/** The lines that a writer printed before it was killed, some time after it began. */
async function runAndKill(directory: string, run: number, afterMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, directory, String(run)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'open') setTimeout(() => child.kill('SIGKILL'), afterMs);
    lines.push(line);
  }
  return lines;
}

test('whatever a broker acknowledged before SIGKILL is there when it starts again', { timeout: 60_000 }, async () => {
  const directory = await scratchDirectory();
  /** Per key: the acknowledged version, or those that were asked for since. */
  const possible = new Map<string, Set<string>>();
  const objects: [key: string, bytes: number][] = [];
  for (let run = 1; run <= RUNS; run += 1) {
    for (const line of await runAndKill(directory, run, 100 + Math.random() * 300)) {
      const [what, key = '', value = ''] = line.split(' ');
      if (what === 'try') possible.set(key, (possible.get(key) ?? new Set(['none'])).add(value));
      if (what === 'done') possible.set(key, new Set([value]));
      if (what === 'object') objects.push([key, Number(value)]);
    }
    const stores = await open(directory, 512 * 1024);
    const found = new Map<string, string>();
    for (const { sortKey, attributes, body } of await allItems(stores.metadata)) {
      const version = attributes['version'] as string;
      found.set(sortKey, version);
      expect(Buffer.alloc(body.length, version).equals(body), `${sortKey} at ${version}`).toBe(true);
    }
    for (const key of new Set([...possible.keys(), ...found.keys()])) {
      const version = found.get(key) ?? 'none';
      expect(possible.get(key) ?? new Set(['none']), `${key} is ${version} after run ${run}`).toContain(version);
      possible.set(key, new Set([version]));
    }
    for (const [key, bytes] of objects.slice(-200)) {
      const tail = await stores.objects.readLast(objectKey(key), 1_000_000, options);
      expect(tail?.bytes.equals(Buffer.alloc(bytes, key)), key).toBe(true);
    }
    await stores.close();
  }
  expect(possible.size).toBeGreaterThan(20);
  expect(objects.length).toBeGreaterThan(10);
});
