/**
 * Brokers answer probes of whoever asks, also of those that they cannot work with. A broker that speaks another format of the internal
 * protocol took that for a welcome, started, could reach nobody, and led all journals of a cluster that was well.
 */
import { expect, test } from 'vitest';
import { encodeBroker, readClusterItems } from '../../src/cluster/cluster-items.ts';
import { parseConfig } from '../../src/config.ts';
import { PeerPool } from '../../src/rpc/peer-pool.ts';
import { TlsTransport } from '../../src/rpc/tls-transport.ts';
import { RPC_FORMAT } from '../../src/rpc/wire.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openCore } from '../../src/server.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { ALWAYS } from '../../src/storage/metadata-store.ts';
import { openGivenStores } from '../../src/stores.ts';

test('a broker of another format does not start beside one that lives', async () => {
  const runtime = systemRuntime(silentLogger);
  const metadata = new MemoryMetadataStore();
  const { incarnation, ...stores } = await openGivenStores(
    { objects: new MemoryObjectStore(), metadata },
    'c',
    runtime,
  );
  const transport = () => new TlsTransport({ secret: '', previousSecret: '', clusterId: 'c', runtime });
  const identity = { runtime, clusterId: 'c', incarnation, brokerId: 1, version: '9.0.0', format: RPC_FORMAT + 1 };
  const other = new PeerPool({ ...identity, transport: transport() });
  const address = await other.listen({ host: '127.0.0.1', port: 0 });
  let counter = 7;
  const beat = () =>
    metadata.put(
      encodeBroker('c', {
        ...{
          brokerId: 1,
          brokerEpoch: 3,
          session: 's',
          state: 'running',
          revision: 1,
          startedAt: 0,
          counter: counter++,
        },
        ...{ kafka: address, kafkaByZone: {}, http: address, internal: address, zone: '', version: '9.0.0' },
      }),
      ALWAYS,
      { cause: 'startup' },
    );
  await beat();
  const beating = setInterval(() => void beat(), 200);
  try {
    const config = parseConfig({
      cluster: 'c',
      store: 's3://b',
      table: 't',
      'broker.id': '2',
      internal: '127.0.0.1:0',
    });
    const sharing = { transport: transport(), incarnation, host: '127.0.0.1' };
    const opening = openCore({ config, runtime, stores: { ...stores, metadata }, sharing });
    await expect(opening.then((core) => core.close())).rejects.toThrow('share a format');
    expect((await readClusterItems(metadata, 'c', { cause: 'startup' })).brokers.has(2)).toBe(false);
  } finally {
    clearInterval(beating);
    await other.close();
  }
});
