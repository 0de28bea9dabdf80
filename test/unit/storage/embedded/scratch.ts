import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../../src/runtime/runtime.ts';
import type { Disk } from '../../../../src/storage/embedded/disk.ts';
import { type EmbeddedStores, openEmbeddedStores } from '../../../../src/storage/embedded/open.ts';
import type { AttributeValue, Item, MetadataStore } from '../../../../src/storage/metadata-store.ts';

export const options = { cause: 'tool' } as const;
export const runtime = systemRuntime(silentLogger);

/** In memory where the system has such a place: a kill loses nothing there either, and the tests sync a lot. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A directory that goes when the test ends. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(SCRATCH, 'millrace-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const open = (directory: string, logFileBytes = 256 * 1024, disk?: Disk): Promise<EmbeddedStores> =>
  openEmbeddedStores({ directory, runtime, logFileBytes, ...(disk && { disk }) });

export const item = (
  sortKey: string,
  body: string | Uint8Array = '',
  attributes: Record<string, AttributeValue> = {},
): Item => ({ partitionKey: 'p', sortKey, body: Buffer.from(body), attributes });

export async function allItems(store: MetadataStore, partitionKey = 'p'): Promise<Item[]> {
  const items: Item[] = [];
  for (let from = '', more = true; more; ) {
    const page = await store.query({ partitionKey, from, to: '\u{10ffff}', limit: 1_000 }, options);
    items.push(...page.items);
    more = page.more;
    from = `${items.at(-1)?.sortKey}\0`;
  }
  return items;
}
