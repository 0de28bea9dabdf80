/** A broker with another secret, which watches for signs of life of those that refused it, did so for 20 s after SIGTERM. */
import { expect, test } from 'vitest';
import { encodeBroker } from '../../src/cluster/cluster-items.ts';
import { parseConfig } from '../../src/config.ts';
import { ConnectError, type Transport } from '../../src/rpc/transport.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openCore } from '../../src/server.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { ALWAYS } from '../../src/storage/metadata-store.ts';
import { openGivenStores } from '../../src/stores.ts';

const address = { host: '127.0.0.1', port: 7_070 };

test('a broker that the others do not take stops as soon as it is asked', async () => {
  const runtime = systemRuntime(silentLogger);
  const config = parseConfig({ cluster: 'c', store: 's3://b', table: 't', 'broker.id': '2' });
  const metadata = new MemoryMetadataStore();
  const other = encodeBroker('c', {
    ...{ brokerId: 1, brokerEpoch: 3, session: 's', state: 'running', revision: 1, startedAt: 0, counter: 7 },
    ...{ kafka: address, kafkaByZone: {}, http: address, internal: address, zone: '', version: '0.1.0' },
  });
  await metadata.put(other, ALWAYS, { cause: 'startup' });
  const stores = await openGivenStores({ objects: new MemoryObjectStore(), metadata }, 'c', runtime);
  const asked = Promise.withResolvers<void>();
  const transport: Transport = {
    listen: async () => ({ address, close: async () => {} }),
    async connect() {
      asked.resolve();
      throw new ConnectError('secret', 'it knows another secret');
    },
  };
  const stop = new AbortController();
  const sharing = { transport, incarnation: 'first', host: 'here' };
  const opening = openCore({ config, runtime, stores, sharing, signal: stop.signal });
  await asked.promise;
  stop.abort(new Error('SIGTERM'));
  await expect(opening).rejects.toThrow('SIGTERM');
});
