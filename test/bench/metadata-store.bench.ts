/**
 * What does one durable put of 1 KiB cost in the embedded metadata store, and what would it cost in SQLite?
 *
 * Sketch: a record on an idle broker should be acknowledged in 0.6 ms. One write of a 4 KiB block that returns when the
 * drive has it takes 0.13 ms here when the event loop waits for it, 0.2 ms through libuv's pool: the put should take no
 * more than 0.1 ms beyond that. 25,000 records a second over 64 connections leave 40 µs each, of which the store may take
 * 15, so 64 writers together must reach 60,000 puts a second. SQLite commits through two files and a worker thread.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onTestFinished, test } from 'vitest';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openEmbeddedStores } from '../../src/storage/embedded/open.ts';
import { ABSENT } from '../../src/storage/metadata-store.ts';

// CI runs every benchmark once, so that none rots; `BENCH=1` measures.
const options = process.env['BENCH'] ? { time: 2_000 } : { time: 0, iterations: 1, warmup: false };

type Put = (sortKey: string, body: Buffer) => Promise<unknown>;

async function openLog(directory: string): Promise<Put> {
  const { metadata, close } = await openEmbeddedStores({ directory, runtime: systemRuntime(silentLogger) });
  onTestFinished(close);
  const attributes = { id: 'AAECAwQFBgcICQoLDA0ODw', epoch: 7 };
  return (sortKey, body) =>
    metadata.put({ partitionKey: 'millrace/journal/0', sortKey, attributes, body }, ABSENT, { cause: 'tool' });
}

/** Group commit in a worker thread: all that came in since the last commit becomes the next one. */
const SQLITE_WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(workerData);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec('CREATE TABLE items (pk TEXT, sk TEXT, attributes TEXT, body BLOB, PRIMARY KEY (pk, sk)) WITHOUT ROWID');
  const insert = database.prepare('INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?)');
  parentPort.on('message', (puts) => {
    database.exec('BEGIN IMMEDIATE');
    for (const { sortKey, body } of puts) insert.run('millrace/journal/0', sortKey, '{"epoch":7}', body);
    database.exec('COMMIT');
    parentPort.postMessage(puts.length);
  });
`;

async function openSqlite(directory: string): Promise<Put> {
  const worker = new Worker(SQLITE_WORKER, { eval: true, workerData: join(directory, 'sqlite') });
  onTestFinished(async () => void (await worker.terminate()));
  let waiting: { sortKey: string; body: Buffer; resolve: () => void }[] = [];
  let committing: typeof waiting = [];
  const commit = (): void => {
    if (committing.length > 0 || waiting.length === 0) return;
    committing = waiting;
    waiting = [];
    worker.postMessage(committing.map(({ sortKey, body }) => ({ sortKey, body })));
  };
  worker.on('message', () => {
    const committed = committing;
    committing = [];
    commit();
    for (const { resolve } of committed) resolve();
  });
  return (sortKey, body) =>
    new Promise<void>((resolve) => {
      waiting.push({ sortKey, body, resolve });
      queueMicrotask(commit);
    });
}

test.for([1, 64])('durable puts of 1 KiB, %i at a time', async (count, { bench }) => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const body = Buffer.alloc(1_024, 7);
  let next = 0;
  const round = (put: Put) => async () => {
    const puts: Promise<unknown>[] = [];
    for (let n = 0; n < count; n += 1) {
      puts.push(put(String(next).padStart(16, '0'), body));
      next += 1;
    }
    await Promise.all(puts);
  };
  const log = await openLog(join(directory, 'log'));
  const sqlite = await openSqlite(directory);
  await bench.compare(bench('append-only log', round(log)), bench('node:sqlite in a worker', round(sqlite)), options);
});
