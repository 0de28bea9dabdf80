import { expect, test } from 'vitest';
import { ConfigItems, type ConfigValues } from '../../../src/cluster/config-items.ts';
import { StorageUnavailableError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';

const add = (name: string, value: string) => (values: ConfigValues<string>) => ({ ...values, [name]: value });

async function opened(metadata: MetadataStore) {
  const options = { clusterId: 'test', metadata, runtime: systemRuntime(silentLogger) };
  const items = new ConfigItems<string>(options, 'g', () => {});
  await items.recover();
  return items;
}

test('a change is there at once, and after a restart', async () => {
  const metadata = new MemoryMetadataStore();
  const items = await opened(metadata);
  expect(items.get('a')).toBeNull();
  await items.change('a', add('x', '1'));
  await items.change('a', add('y', '2'));
  expect(items.get('a')).toEqual({ x: '1', y: '2' });
  expect((await opened(metadata)).get('a')).toEqual({ x: '1', y: '2' });
});

test('empty values leave no item', async () => {
  const metadata = new MemoryMetadataStore();
  const items = await opened(metadata);
  await items.change('a', add('x', '1'));
  await items.change('a', () => ({}));
  expect(items.get('a')).toBeNull();
  expect([...(await opened(metadata)).entries()]).toEqual([]);
});

test('changes of two brokers are both kept', async () => {
  const metadata = new MemoryMetadataStore();
  const [one, other] = [await opened(metadata), await opened(metadata)];
  await Promise.all([one.change('a', add('x', '1')), other.change('a', add('y', '2')), one.change('a', add('z', '3'))]);
  expect((await opened(metadata)).get('a')).toEqual({ x: '1', y: '2', z: '3' });
});

test('what a change throws changes nothing', async () => {
  const items = await opened(new MemoryMetadataStore());
  await items.change('a', add('x', '1'));
  await expect(
    items.change('a', () => {
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(items.get('a')).toEqual({ x: '1' });
});

test('a write whose answer was lost is repeated by the client without harm', async () => {
  const metadata = new MemoryMetadataStore();
  const items = await opened(metadata);
  const put = metadata.put.bind(metadata);
  metadata.put = async (...given) => {
    await put(...given);
    metadata.put = put;
    throw new StorageUnavailableError('the answer is lost');
  };
  await expect(items.change('a', add('x', '1'))).rejects.toThrow('lost');
  await items.change('a', add('x', '1'));
  expect(items.get('a')).toEqual({ x: '1' });
});

test('a name that fits no key is refused', async () => {
  const items = await opened(new MemoryMetadataStore());
  await expect(items.change('x'.repeat(901), add('x', '1'))).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
});

test('what another broker changed shows once it is read again, one item or all of them', async () => {
  const metadata = new MemoryMetadataStore();
  const [one, other] = [await opened(metadata), await opened(metadata)];
  await one.change('a', add('x', '1'));
  await one.change('b', add('x', '1'));
  expect(other.get('a')).toBeNull();
  await other.refresh('a');
  expect([other.get('a'), other.get('b')]).toEqual([{ x: '1' }, null]);
  await one.change('a', () => null);
  await other.recover();
  expect([other.get('a'), other.get('b')]).toEqual([null, { x: '1' }]);
});

test('a change made while everything is read again is not hidden by what was read before it', async () => {
  const metadata = new MemoryMetadataStore();
  const items = await opened(metadata);
  await items.change('a', add('x', '1'));
  const query = metadata.query.bind(metadata);
  metadata.query = async (...given) => {
    const page = await query(...given);
    await items.change('a', add('x', '2'));
    await items.change('b', add('x', '2'));
    return page;
  };
  await items.recover();
  expect([items.get('a'), items.get('b')]).toEqual([{ x: '2' }, { x: '2' }]);
});

test('each change is announced once it is written, by kind and name', async () => {
  const announced: string[] = [];
  const items = new ConfigItems<string>(
    {
      clusterId: 'test',
      metadata: new MemoryMetadataStore(),
      runtime: systemRuntime(silentLogger),
      announce: async (item) => {
        announced.push(`${item} ${JSON.stringify(items.get('a'))}`);
      },
    },
    'g',
    () => {},
  );
  await items.change('a', add('x', '1'));
  await items.change('a', () => null);
  expect(announced).toEqual(['g/a {"x":"1"}', 'g/a null']);
});
