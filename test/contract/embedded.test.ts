import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { type EmbeddedStores, openEmbeddedStores } from '../../src/storage/embedded/open.ts';
import { metadataStoreContract } from './metadata-store.contract.ts';
import { objectStoreContract } from './object-store.contract.ts';

const opened: { directory: string; stores: EmbeddedStores }[] = [];

async function open(logFileBytes?: number): Promise<EmbeddedStores> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-contract-'));
  const stores = await openEmbeddedStores({
    directory,
    runtime: systemRuntime(silentLogger),
    ...(logFileBytes !== undefined && { logFileBytes }),
  });
  opened.push({ directory, stores });
  return stores;
}

afterAll(async () => {
  for (const { directory, stores } of opened) {
    await stores.close();
    await rm(directory, { recursive: true });
  }
});

objectStoreContract('EmbeddedObjectStore', async () => (await open()).objects);
metadataStoreContract('EmbeddedMetadataStore', async () => (await open()).metadata);
// Files this small are left, cleaned and reused again and again while the suite runs.
metadataStoreContract('EmbeddedMetadataStore with small log files', async () => (await open(2 * 1024 * 1024)).metadata);
