/**
 * A broker that stops knows no groups any more. Commits that were waiting for their entry then were not checked again, and a
 * member whose epoch had gone on in an entry before committed with the old one.
 */
import { expect, test } from 'vitest';
import { groupOwner } from '../../src/coordinator/owner.ts';
import type { MetadataStore } from '../../src/storage/metadata-store.ts';
import { memoryStores, openOffsets } from '../unit/coordinator/group/offsets/offsets-world.ts';
import { turns } from '../unit/log/manual-runtime.ts';

test('no commit counts whose group is not known any more', async () => {
  const { metadata, objects } = memoryStores();
  const gate = { opened: Promise.resolve() };
  const put: MetadataStore['put'] = async (...args) => {
    await gate.opened;
    return metadata.put(...args);
  };
  const slow = new Proxy(metadata, { get: (store, name) => (name === 'put' ? put : bound(store, name)) });
  const world = await openOffsets({ stores: { metadata: slow, objects } });
  expect(await world.commit('g', 1)).toBe('NONE');
  const group = world.group('g');
  group.type = 'consumer';
  group.generation = 5;

  const { promise, resolve } = Promise.withResolvers<void>();
  gate.opened = promise;
  const written = world.commit('g', 2, { generation: 5 });
  await turns();
  const waiting = world.commit('g', 3, { generation: 5 });
  await turns();
  group.generation = 7;
  world.offsets.close();
  world.groups.close();
  resolve();
  expect(await written).toBe('NONE');
  expect(await waiting).toBe('NOT_COORDINATOR');
  const records = world.journals[0]!.state.records(groupOwner('g'));
  expect([...records.values()].map((text) => JSON.parse(text).offset)).toEqual([2]);
  await world.close();
});

function bound(store: MetadataStore, name: string | symbol): unknown {
  const value = Reflect.get(store, name);
  return typeof value === 'function' ? value.bind(store) : value;
}
