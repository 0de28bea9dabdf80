import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const client = (entityName: string | null) => [{ entityType: 'client-id', entityName }];
const set = (key: string, value: number) => ({ key, value, remove: false });
const all = { components: [], strict: false };

test.each(versionsOf('AlterClientQuotas'))('v%i sets quotas that DescribeClientQuotas tells', async (version) => {
  const broker = door();
  const entries = [
    { entity: client('c'), ops: [set('producer_byte_rate', 1_000), set('request_percentage', 12.5)] },
    { entity: client(null), ops: [set('consumer_byte_rate', 2_000)] },
  ];
  const altered = await ask(broker, 'AlterClientQuotas', version, { entries, validateOnly: false });
  expect(altered.entries).toEqual(entries.map(({ entity }) => ({ errorCode: 0, errorMessage: null, entity })));
  const described = await ask(broker, 'DescribeClientQuotas', version, all);
  expect(described).toMatchObject({ errorCode: 0, errorMessage: null });
  expect(described.entries).toEqual([
    {
      entity: client('c'),
      values: [
        { key: 'producer_byte_rate', value: 1_000 },
        { key: 'request_percentage', value: 12.5 },
      ],
    },
    { entity: client(null), values: [{ key: 'consumer_byte_rate', value: 2_000 }] },
  ]);
  const ops = [{ key: 'consumer_byte_rate', value: 0, remove: true }];
  await ask(broker, 'AlterClientQuotas', version, { entries: [{ entity: client(null), ops }], validateOnly: false });
  const components = [{ entityType: 'client-id', matchType: 1, match: null }];
  expect(await ask(broker, 'DescribeClientQuotas', version, { components, strict: true })).toMatchObject({
    entries: [],
  });
});

test('an entity that is wrong or named twice is refused by itself', async () => {
  const broker = door();
  const ops = [set('producer_byte_rate', 1)];
  const entries = [
    { entity: client('twice'), ops },
    { entity: client('good'), ops },
    { entity: client('twice'), ops },
    { entity: [], ops },
    { entity: client('c'), ops: [set('no_such', 1)] },
  ];
  const { entries: results } = await ask(broker, 'AlterClientQuotas', 1, { entries, validateOnly: false });
  const refused = ERRORS.INVALID_REQUEST.code;
  expect(results.map(({ errorCode }) => errorCode)).toEqual([refused, 0, refused, refused, refused]);
  expect((await ask(broker, 'DescribeClientQuotas', 1, all)).entries).toHaveLength(1);
});

test('validateOnly changes nothing', async () => {
  const broker = door();
  const entries = [{ entity: client('c'), ops: [set('producer_byte_rate', 1)] }];
  const { entries: results } = await ask(broker, 'AlterClientQuotas', 1, { entries, validateOnly: true });
  expect(results[0]?.errorCode).toBe(0);
  expect((await ask(broker, 'DescribeClientQuotas', 1, all)).entries).toEqual([]);
});

test('a filter that is wrong fails the whole request', async () => {
  const components = [{ entityType: 'host', matchType: 2, match: null }];
  const answer = await ask(door(), 'DescribeClientQuotas', 1, { components, strict: false });
  expect(answer).toMatchObject({ errorCode: ERRORS.UNSUPPORTED_VERSION.code, entries: null });
});
