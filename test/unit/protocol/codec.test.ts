import { describe, expect, expectTypeOf, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import { ELEMENTS_PER_MESSAGE_MAX } from '../../../src/protocol/buffer.ts';
import { codec } from '../../../src/protocol/codec.ts';
import {
  array,
  bool,
  bytes,
  type Fields,
  float64,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  int64,
  list,
  type Message,
  message,
  records,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from '../../../src/protocol/schema.ts';
import { AssertionError } from '../../../src/runtime/assert.ts';

/** A message of versions 0 and 1, flexible from 1. */
const of = <F extends Fields>(fields: F) =>
  message({ name: 'Probe', apiKey: 99, versions: [0, 1], flexibleSince: 1, fields });

const encoded = <F extends Fields>(probe: Message<F>, version: number, value: Input<Message<F>>) =>
  Buffer.concat(codec(probe, version).encode(value)).toString('hex');
const decoded = <F extends Fields>(probe: Message<F>, version: number, hex: string) =>
  codec(probe, version).decode(Buffer.from(hex, 'hex'));

describe('primitives', () => {
  test.each([
    ['bool', bool(), true, '01'],
    ['int8', int8(), -2, 'fe'],
    ['int16', int16(), -2, 'fffe'],
    ['uint16', uint16(), 65_534, 'fffe'],
    ['int32', int32(), -2, 'fffffffe'],
    ['uint32', uint32(), 4_294_967_294, 'fffffffe'],
    ['int64', int64(), -2, 'fffffffffffffffe'],
    ['int64', int64(), 1_763_683_200_000, '0000019aa3b5ec00'],
    ['int64', int64(), Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    ['int64', int64(), Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
    ['float64', float64(), -1.5, 'bff8000000000000'],
    ['uuid', uuid(), 'AAECAwQFBgcICQoLDA0ODw', '000102030405060708090a0b0c0d0e0f'],
  ])('%s %#: big-endian, the same in fixed and flexible versions', (_name, field, value, hex) => {
    const probe = of({ value: field });
    expect(encoded(probe, 0, { value } as never)).toBe(hex);
    expect(encoded(probe, 1, { value } as never)).toBe(`${hex}00`);
    expect(decoded(probe, 0, hex)).toEqual({ value });
  });

  test('int64 beyond 2^53 decodes to the nearest double and encodes saturating', () => {
    const probe = of({ value: int64() });
    expect(decoded(probe, 0, '7fffffffffffffff')).toEqual({ value: 2 ** 63 });
    expect(encoded(probe, 0, { value: 2 ** 63 })).toBe('7fffffffffffffff');
    expect(encoded(probe, 0, { value: -(2 ** 63) })).toBe('8000000000000000');
    expect(encoded(probe, 0, { value: -(2 ** 64) })).toBe('8000000000000000');
  });

  test.each([
    [int8(), 128],
    [int16(), -32_769],
    [uint16(), -1],
    [int32(), 2 ** 31],
    [int32(), 0.5],
    [uint32(), 2 ** 32],
    [int64(), 0.5],
    [int64(), Number.NaN],
    [int64(), Infinity],
    [uuid(), 'short'],
    [string(), 'x'.repeat(0x8000)],
  ])('a value out of range is a bug, not bytes: %#', (field, value) => {
    expect(() => encoded(of({ value: field }), 0, { value } as never)).toThrow(AssertionError);
  });
});

describe('lengths', () => {
  const probe = of({
    text: string({ nullableSince: 0 }),
    raw: bytes({ nullableSince: 0 }),
    batches: records({ nullableSince: 0 }),
    numbers: list(int8(), { nullableSince: 0 }),
    structs: array({ n: int8() }, { nullableSince: 0 }),
  });
  const value = {
    text: 'é',
    raw: Buffer.of(1),
    batches: [Buffer.of(2), Buffer.of(3)],
    numbers: [4, 5],
    structs: [{ n: 6 }],
  };
  const nulls = { text: null, raw: null, batches: null, numbers: null, structs: null };

  test('are int16 for strings and int32 for the rest in fixed versions', () => {
    expect(encoded(probe, 0, value)).toBe(
      ['0002c3a9', '0000000101', '000000020203', '000000020405', '0000000106'].join(''),
    );
    expect(encoded(probe, 0, nulls)).toBe(`ffff${'ffffffff'.repeat(4)}`);
  });

  test('are varints of one more in flexible versions, and structs end with their tags', () => {
    expect(encoded(probe, 1, value)).toBe(['03c3a9', '0201', '030203', '030405', '020600', '00'].join(''));
    expect(encoded(probe, 1, nulls)).toBe('000000000000');
  });

  test('of more than 126 take two bytes in flexible versions', () => {
    const long = of({ text: string() });
    expect(encoded(long, 1, { text: 'x'.repeat(127) })).toBe(`8001${'78'.repeat(127)}00`);
    expect(decoded(long, 1, `8001${'78'.repeat(127)}00`)).toEqual({ text: 'x'.repeat(127) });
  });

  test('of null come back as null', () => {
    for (const version of [0, 1]) expect(decoded(probe, version, encoded(probe, version, nulls))).toEqual(nulls);
  });

  test('below -1, or null where that is not allowed, are refused', () => {
    const strict = of({ text: string() });
    expect(() => decoded(strict, 0, 'ffff')).toThrow(/null/);
    expect(() => decoded(strict, 0, 'fffe')).toThrow(/length -2/);
    expect(() => decoded(strict, 1, '0000')).toThrow(/null/);
    expect(() => encoded(strict, 0, { text: null } as never)).toThrow(AssertionError);
  });

  test('of strings end at 32,767 bytes in flexible versions too', () => {
    const hex = `808002${'78'.repeat(0x7fff)}00`;
    expect(decoded(of({ text: string() }), 1, hex)).toEqual({ text: 'x'.repeat(0x7fff) });
    expect(() => decoded(of({ text: string() }), 1, `818002${'78'.repeat(0x8000)}00`)).toThrow(/string of 32768/);
  });

  test('of more bytes than there are are refused before anything is allocated', () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => decoded(of({ raw: bytes() }), 0, '7fffffff00')).toThrow(/2147483647 bytes needed, 1 left/);
    expect(() => decoded(of({ raw: bytes() }), 1, 'ffffffff0f00')).toThrow(/4294967294 bytes needed, 1 left/);
    expect(() => decoded(of({ numbers: list(int32()) }), 0, '7fffffff00000000')).toThrow(/array of 2147483647 in 4/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });

  test('of arrays are checked against the smallest size of their elements', () => {
    const probes = of({ structs: array({ id: uuid(), text: string(), none: int32({ since: 5 }) }) });
    expect(() => decoded(probes, 0, `00000002${'00'.repeat(35)}`)).toThrow(/array of 2 in 35/);
    expect(decoded(probes, 0, `00000002${'00'.repeat(36)}`).structs).toHaveLength(2);
  });

  test('of all arrays together are bounded, nested ones included', () => {
    const nested = of({ outer: array({ inner: list(int8()) }) });
    const inner = Buffer.concat([Buffer.from('0007a120', 'hex'), Buffer.alloc(500_000)]);
    const claim = (count: number) => Buffer.from(count.toString(16).padStart(8, '0'), 'hex');
    const two = Buffer.concat([claim(2), inner, inner]);
    expect(500_000 * 2 + 2).toBeGreaterThan(ELEMENTS_PER_MESSAGE_MAX);
    expect(() => codec(nested, 0).decode(two)).toThrow(/array of 500000 where 499998 more are allowed/);
  });
});

describe('varints', () => {
  const probe = of({ numbers: list(int8()) });

  test('of more than 32 bits are refused', () => {
    expect(() => decoded(probe, 1, 'ffffffff1f00')).toThrow(/varint/);
    expect(() => decoded(probe, 1, 'ffffffffff0100')).toThrow(/varint/);
  });

  test('that spell a number longer than needed are read, as Kafka does', () => {
    expect(decoded(probe, 1, '82000700')).toEqual({ numbers: [7] });
  });
});

describe('versions', () => {
  const probe = of({
    old: int8({ until: 0 }),
    fresh: int8({ since: 1, fallback: -1 }),
    name: string({ nullableSince: 1 }),
  });

  test('carry a field from its first to its last', () => {
    expect(encoded(probe, 0, { old: 1, fresh: 2, name: 'a' })).toBe('01000161');
    expect(encoded(probe, 1, { old: 1, fresh: 2, name: 'a' })).toBe('02026100');
  });

  test('that lack a field decode it to its default', () => {
    expect(decoded(probe, 0, '01000161')).toEqual({ old: 1, fresh: -1, name: 'a' });
    expect(decoded(probe, 1, '02026100')).toEqual({ old: 0, fresh: 2, name: 'a' });
  });

  test('that have a field which was left out get its default', () => {
    expect(encoded(probe, 1, { name: null })).toBe('ff0000');
  });

  test('outside the range of the message are a bug', () => {
    expect(() => codec(probe, 2)).toThrow(AssertionError);
  });

  test('keep one order of keys, whatever is on the wire', () => {
    const keys = ['old', 'fresh', 'name'];
    expect(Object.keys(decoded(probe, 0, '01000161'))).toEqual(keys);
    expect(Object.keys(decoded(probe, 1, '02026100'))).toEqual(keys);
  });
});

describe('tagged fields', () => {
  const probe = of({
    last: string({ since: 1, tag: 5, fallback: 'x' }),
    plain: int8(),
    first: int32({ since: 1, tag: 0, fallback: -1 }),
    leader: struct({ id: int32({ fallback: -1 }), name: string({ fallback: '' }) }, { since: 1, tag: 1 }),
    nodes: array({ id: int8() }, { since: 1, tag: 2 }),
  });
  const defaults = { last: 'x', plain: 7, first: -1, leader: { id: -1, name: '' }, nodes: [] };

  test('are not written in fixed versions, nor when they equal their default', () => {
    expect(encoded(probe, 0, { plain: 7, first: 9 })).toBe('07');
    expect(encoded(probe, 1, { plain: 7 })).toBe('0700');
    expect(encoded(probe, 1, defaults)).toBe('0700');
    expect(decoded(probe, 1, '0700')).toEqual(defaults);
  });

  test('follow the others, by tag, each with its size', () => {
    const value = { plain: 7, last: 'é', first: 1, leader: { id: 2, name: 'a' }, nodes: [{ id: 3 }] };
    const hex = ['07', '04', '000400000001', '0107000000020261' + '00', '0203020300', '050303c3a9'].join('');
    expect(encoded(probe, 1, value)).toBe(hex);
    expect(decoded(probe, 1, hex)).toEqual(value);
  });

  test('of unknown number are skipped', () => {
    expect(decoded(probe, 1, ['07', '02', '6303aabbcc', 'ff0100'].join(''))).toEqual(defaults);
  });

  test('whose size is not that of their content are refused', () => {
    expect(() => decoded(probe, 1, '0701' + '00050000000100')).toThrow(/1 bytes too many/);
    expect(() => decoded(probe, 1, '0701' + '0003000000')).toThrow(/4 bytes needed, 3 left/);
    expect(() => decoded(probe, 1, '0701' + '00ffffffff0f')).toThrow(/bytes needed/);
    expect(() => decoded(probe, 1, '0701' + '63ffffffff0f')).toThrow(/bytes needed/);
    expect(() => decoded(probe, 1, '07ffffffff0f')).toThrow(KafkaError);
  });

  test('of a default that is null are written when they are not null', () => {
    const nullable = of({ id: string({ since: 1, nullableSince: 1, tag: 0 }) });
    expect(encoded(nullable, 1, { id: null })).toBe('00');
    expect(encoded(nullable, 1, { id: '' })).toBe('01000101');
    expect(decoded(nullable, 1, '01000101')).toEqual({ id: '' });
  });
});

describe('structs', () => {
  const probe = of({ cursor: struct({ at: int8() }, { nullableSince: 0 }), place: struct({ x: int8() }) });

  test('that may be null are preceded by a byte', () => {
    expect(encoded(probe, 0, { cursor: { at: 3 }, place: { x: 4 } })).toBe('010304');
    expect(encoded(probe, 1, { cursor: { at: 3 }, place: { x: 4 } })).toBe('010300' + '0400' + '00');
    expect(encoded(probe, 0, { cursor: null, place: { x: 4 } })).toBe('ff04');
    expect(decoded(probe, 0, 'ff04')).toEqual({ cursor: null, place: { x: 4 } });
    expect(decoded(probe, 1, '010300040000')).toEqual({ cursor: { at: 3 }, place: { x: 4 } });
  });

  test('with another byte before them are refused', () => {
    expect(() => decoded(probe, 0, 'fe04')).toThrow(/-2 where a struct or null/);
  });
});

describe('memory', () => {
  const probe = of({ raw: bytes(), batches: records({ nullableSince: 0 }) });
  const frame = Buffer.from('00000001aa' + '00000002bbcc', 'hex');

  test('of records is that of the frame, of bytes its own', () => {
    const copy = Buffer.from(frame);
    const { raw, batches } = codec(probe, 0).decode(copy);
    copy.fill(0);
    expect(raw.toString('hex')).toBe('aa');
    expect(batches?.toString('hex')).toBe('0000');
  });

  test('of records reaches the gather list uncopied', () => {
    const first = Buffer.of(1, 2);
    const second = new Uint8Array([3]);
    const parts = codec(probe, 0).encode({ raw: Buffer.of(9), batches: [first, second] });
    expect(parts).toHaveLength(3);
    expect(parts[1]).toBe(first);
    expect(parts[2]).toBe(second);
    expect(codec(probe, 0).encode({ raw: Buffer.of(9), batches: first })[1]).toBe(first);
  });
});

test('invalid UTF-8 becomes U+FFFD, as in Kafka', () => {
  expect(decoded(of({ text: string() }), 0, '0003' + '61ff62')).toEqual({ text: 'a\ufffdb' });
});

test('the default of a list of structs is shared and cannot be changed', () => {
  const probe = of({ nodes: array({ id: int8() }, { since: 1 }) });
  expect(Object.isFrozen(decoded(probe, 0, '').nodes)).toBe(true);
});

test('types follow from the declaration', () => {
  const probe = of({
    name: string({ nullableSince: 1 }),
    old: int64({ until: 3 }),
    batches: records({ nullableSince: 0 }),
    nodes: array({ id: int32(), rack: string({ fallback: '' }) }),
    at: struct({ x: int8() }, { tag: 0, since: 1 }),
  });
  expectTypeOf<Infer<typeof probe>>().toEqualTypeOf<{
    readonly name: string | null;
    readonly old: number;
    readonly batches: Buffer | null;
    readonly nodes: readonly { readonly id: number; readonly rack: string }[];
    readonly at: { readonly x: number };
  }>();
  expectTypeOf<{
    name: null;
    batches: Buffer[];
    nodes: { id: number }[];
  }>().toExtend<Input<typeof probe>>();
  expectTypeOf<Infer<typeof probe>>().toExtend<Input<typeof probe>>();
});
