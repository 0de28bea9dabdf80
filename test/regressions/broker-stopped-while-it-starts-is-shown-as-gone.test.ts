/**
 * A broker that was stopped before it was ready, or could not go on, stayed in the table as one that starts: the others looked for
 * it, warned that it does not answer, and showed it as gone for a day.
 */
import { expect, test } from 'vitest';
import { readClusterItems } from '../../src/cluster/cluster-items.ts';
import { parseConfig } from '../../src/config.ts';
import { ConnectError, type Transport } from '../../src/rpc/transport.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openCore } from '../../src/server.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../src/storage/metadata-store.ts';
import { openGivenStores } from '../../src/stores.ts';

const address = { host: '127.0.0.1', port: 7_070 };

const transport: Transport = {
  listen: async () => ({ address, close: async () => {} }),
  async connect() {
    throw new ConnectError('refused', 'nobody listens');
  },
};

/** Opens a broker that is stopped when it was asked for so many items; tells what it left in the table. */
async function stoppedAfter(gets: number) {
  const runtime = systemRuntime(silentLogger);
  const config = parseConfig({ cluster: 'c', store: 's3://b', table: 't', 'broker.id': '2' });
  const memory = new MemoryMetadataStore();
  const stores = await openGivenStores({ objects: new MemoryObjectStore(), metadata: memory }, 'c', runtime);
  const stop = new AbortController();
  let left = gets;
  const metadata = new Proxy<MetadataStore>(memory, {
    get(target, name: keyof MetadataStore) {
      const member = target[name];
      if (typeof member !== 'function') return member;
      if (name === 'get' && left-- === 0) stop.abort(new Error('SIGTERM'));
      return member.bind(target);
    },
  });
  const sharing = { transport, incarnation: stores.incarnation, host: 'here' };
  const opening = openCore({ config, runtime, stores: { ...stores, metadata }, sharing, signal: stop.signal });
  const outcome = await opening.then(
    (core) => core.close(),
    (cause: Error) => cause.message,
  );
  const { brokers } = await readClusterItems(memory, 'c', { cause: 'startup' });
  return { outcome, state: brokers.get(2)?.state };
}

test('a broker that is stopped while it starts says goodbye', async () => {
  const found = [];
  for (let gets = 0; gets < 12; gets++) found.push(await stoppedAfter(gets));
  const registered = found.filter(({ state }) => state !== undefined);
  expect(registered.some(({ outcome }) => outcome === 'SIGTERM')).toBe(true);
  for (const { outcome, state } of registered) if (outcome === 'SIGTERM') expect(state).toBe('stopped');
});
