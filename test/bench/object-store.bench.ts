/**
 * How fast do segments become durable in the embedded object store?
 *
 * Sketch: 500 MB/s of produce are 60 segments of 8 MiB a second. Writing 8 MiB into the page cache takes about 2 ms of a
 * core, syncing it what the drive takes; open, rename and the sync of the directory add a handful of trips to the thread
 * pool, 0.1 ms each. So 8 MiB should take under 15 ms, and with six in flight the drive is the limit, not the event loop.
 * Reading 1 MiB of a cached file is one trip and one copy: 0.2 ms.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openEmbeddedStores } from '../../src/storage/embedded/open.ts';
import { objectKey } from '../../src/storage/object-store.ts';

const MIB = 1024 * 1024;
// CI runs every benchmark once, so that none rots; `BENCH=1` measures.
const options = process.env['BENCH'] ? { time: 2_000 } : { time: 0, iterations: 1, warmup: false };
const request = { cause: 'tool' } as const;

async function openStore() {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const { objects, close } = await openEmbeddedStores({ directory, runtime: systemRuntime(silentLogger) });
  onTestFinished(close);
  return objects;
}

test.for([
  { mib: 8, inFlight: 1 },
  { mib: 8, inFlight: 6 },
  { mib: 0.0625, inFlight: 6 },
])('create $inFlight × $mib MiB, and delete them', async ({ mib, inFlight }, { bench }) => {
  const objects = await openStore();
  const half = Buffer.alloc((mib * MIB) / 2, 7);
  let next = 0;
  await bench('create and delete', async () => {
    const keys = Array.from({ length: inFlight }, () => {
      next += 1;
      return objectKey(`millrace/segments/${((next * 2_654_435_761) >>> 0).toString(36)}`);
    });
    await Promise.all(keys.map((key) => objects.create(key, [half, half], request)));
    await objects.delete(keys, request);
  }).run(options);
});

test('read 1 MiB of a segment', async ({ bench }) => {
  const objects = await openStore();
  const key = objectKey('millrace/segments/a');
  await objects.create(key, [Buffer.alloc(8 * MIB, 7)], request);
  let start = 0;
  await bench('read', async () => {
    start = (start + MIB) % (8 * MIB);
    await objects.read(key, { start, end: start + MIB }, request);
  }).run(options);
});
