/**
 * A broker alone that stopped before it led the journals that an administrator added answered with an error that no client
 * can be told: it was logged as a bug.
 */
import { expect, test } from 'vitest';
import { openClusterOfOne } from '../../src/cluster/open-cluster.ts';
import { parseConfig } from '../../src/config.ts';
import { StorageUnavailableError } from '../../src/errors.ts';
import { journalPartitionKey } from '../../src/storage/keys.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import type { ItemRange, MetadataOptions } from '../../src/storage/metadata-store.ts';
import { testRuntime } from '../unit/journal/harness.ts';

/** Never tells what the second journal has. */
class ForgetfulStore extends MemoryMetadataStore {
  override query(range: ItemRange, options: MetadataOptions) {
    if (range.partitionKey !== journalPartitionKey('c', 1)) return super.query(range, options);
    return Promise.reject(new StorageUnavailableError('query: no answer'));
  }
}

test('an administrator is told that the broker stops before the new journals are led', async () => {
  const cluster = await openClusterOfOne({
    config: parseConfig({ cluster: 'c' }),
    runtime: testRuntime(),
    metadata: new ForgetfulStore(),
    objects: new MemoryObjectStore(),
    version: '1.0.0',
  });
  await cluster.join(undefined);
  const adding = cluster.operations.addJournals(1);
  const refused = expect(adding).rejects.toMatchObject({ error: 'LEADER_NOT_AVAILABLE', noSideEffects: false });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await cluster.close();
  await refused;
});
