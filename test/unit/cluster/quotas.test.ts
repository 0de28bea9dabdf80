import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkQuota, entityKey, entityMatcher, entityOfKey, parseEntity } from '../../../src/cluster/quota-entity.ts';
import { ClientQuotas } from '../../../src/cluster/quotas.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';

const entity = (...parts: [entityType: string, entityName: string | null][]) =>
  parseEntity(parts.map(([entityType, entityName]) => ({ entityType, entityName })));

describe('an entity', () => {
  test('is one text, and the text is one entity', () => {
    const name = fc.option(fc.string({ unit: 'binary', minLength: 1 }), { nil: null });
    const entities = fc.record({ user: name, 'client-id': name }, { requiredKeys: [] });
    fc.assert(
      fc.property(entities, (given) => {
        fc.pre(Object.keys(given).length > 0);
        expect(entityOfKey(entityKey(given))).toEqual(given);
      }),
    );
    expect(entityKey(entity(['client-id', 'c'], ['user', null]))).toBe('user=<default>/client-id=c');
  });

  test.each<[string, [string, string | null][], RegExp]>([
    ['nothing', [], /empty client quota entity/],
    ['an unknown type', [['host', 'h']], /Unhandled client quota entity type: host/],
    [
      'a type twice',
      [
        ['user', 'a'],
        ['user', 'b'],
      ],
      /duplicate entity entry user/,
    ],
    ['an empty name', [['user', '']], /Empty user not supported/],
    [
      'an address with a user',
      [
        ['ip', '10.0.0.1'],
        ['user', 'a'],
      ],
      /should not be combined/,
    ],
    ['a name where an address is needed', [['ip', 'localhost']], /localhost is not a valid IP/],
  ])('%s is none', (_what, parts, message) => {
    expect(() => entity(...parts)).toThrow(expect.objectContaining({ error: 'INVALID_REQUEST' }));
    expect(() => entity(...parts)).toThrow(message);
  });
});

describe('a quota', () => {
  const client = entity(['client-id', 'c']);
  const ip = entity(['ip', '::1']);
  test.each([
    [client, 'producer_byte_rate', 1],
    [client, 'request_percentage', 0.5],
    [client, 'controller_mutation_rate', 1.5],
    [ip, 'connection_creation_rate', 10],
  ])('%j has %s of %d', (of, name, value) => expect(() => checkQuota(of, name, value)).not.toThrow());

  test.each([
    [client, 'no_such', 1, /Invalid configuration key no_such/],
    [client, 'toString', 1, /Invalid configuration key/],
    [client, 'connection_creation_rate', 1, /Invalid configuration key/],
    [ip, 'producer_byte_rate', 1, /Invalid configuration key/],
    [client, 'producer_byte_rate', 0, /greater than 0/],
    [client, 'request_percentage', Number.NaN, /greater than 0/],
    [client, 'producer_byte_rate', 1.5, /fractional/],
    [ip, 'connection_creation_rate', 3e9, /too large/],
  ])('%j has no %s of %d', (of, name, value, message) => {
    expect(() => checkQuota(of, name, value)).toThrow(expect.objectContaining({ error: 'INVALID_REQUEST' }));
    expect(() => checkQuota(of, name, value)).toThrow(message);
  });
});

describe('a filter', () => {
  const entities = {
    alice: entity(['user', 'alice']),
    anyUser: entity(['user', null]),
    aliceOnC: entity(['user', 'alice'], ['client-id', 'c']),
    c: entity(['client-id', 'c']),
  };
  const found = (filters: [string, number, string | null][], strict = false) => {
    const matches = entityMatcher(
      filters.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
      strict,
    );
    return Object.entries(entities).flatMap(([name, of]) => (matches(of) ? [name] : []));
  };

  test('finds exactly, the default, any, and all', () => {
    expect(found([['user', 0, 'alice']])).toEqual(['alice', 'aliceOnC']);
    expect(found([['user', 0, 'alice']], true)).toEqual(['alice']);
    expect(found([['user', 1, null]])).toEqual(['anyUser']);
    expect(found([['user', 2, null]])).toEqual(['alice', 'anyUser', 'aliceOnC']);
    expect(
      found(
        [
          ['user', 2, null],
          ['client-id', 2, null],
        ],
        true,
      ),
    ).toEqual(['aliceOnC']);
    expect(found([])).toEqual(Object.keys(entities));
  });

  test.each<[string, [string, number, string | null][], string]>([
    ['an unknown type', [['host', 2, null]], 'UNSUPPORTED_VERSION'],
    ['an empty type', [['', 2, null]], 'INVALID_REQUEST'],
    [
      'a type twice',
      [
        ['user', 2, null],
        ['user', 1, null],
      ],
      'INVALID_REQUEST',
    ],
    ['exactly nothing', [['user', 0, null]], 'INVALID_REQUEST'],
    ['a name for the default', [['user', 1, 'a']], 'INVALID_REQUEST'],
    ['an unknown way to match', [['user', 3, null]], 'INVALID_REQUEST'],
    [
      'addresses with users',
      [
        ['ip', 2, null],
        ['user', 2, null],
      ],
      'INVALID_REQUEST',
    ],
  ])('of %s is refused', (_what, filters, error) => {
    expect(() => found(filters)).toThrow(expect.objectContaining({ error }));
  });
});

describe('client quotas', () => {
  const opened = async (metadata = new MemoryMetadataStore()) => {
    const quotas = new ClientQuotas({ clusterId: 'test', metadata, runtime: systemRuntime(silentLogger) });
    await quotas.recover();
    return { quotas, metadata };
  };
  const c = entity(['client-id', 'c']);

  test('are set, changed and removed, and survive a restart', async () => {
    const { quotas, metadata } = await opened();
    await quotas.alter(c, [
      { name: 'producer_byte_rate', value: 10 },
      { name: 'request_percentage', value: 1.5 },
    ]);
    await quotas.alter(c, [{ name: 'producer_byte_rate', value: 20 }]);
    const again = (await opened(metadata)).quotas;
    expect([...again.entries()]).toEqual([[c, { producer_byte_rate: 20, request_percentage: 1.5 }]]);
    await again.alter(c, [
      { name: 'producer_byte_rate', value: null },
      { name: 'request_percentage', value: null },
      { name: 'consumer_byte_rate', value: null },
    ]);
    expect(again.empty).toBe(true);
    expect((await opened(metadata)).quotas.empty).toBe(true);
  });

  test('change as a whole or not at all', async () => {
    const { quotas } = await opened();
    const wrong = [
      { name: 'producer_byte_rate', value: 10 },
      { name: 'consumer_byte_rate', value: -1 },
    ];
    await expect(quotas.alter(c, wrong)).rejects.toThrow(/greater than 0/);
    const twice = [
      { name: 'producer_byte_rate', value: 10 },
      { name: 'producer_byte_rate', value: null },
    ];
    await expect(quotas.alter(c, twice)).rejects.toThrow(/Duplicate quota key/);
    await quotas.alter(c, [{ name: 'producer_byte_rate', value: 10 }], { validateOnly: true });
    expect(quotas.empty).toBe(true);
  });
});
