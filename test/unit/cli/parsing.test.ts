import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unescapeBytes } from '../../../src/cli/escapes.ts';
import { InputError, UsageError } from '../../../src/cli/exit-code.ts';
import { compileFormat, joinOutput, plainFormat } from '../../../src/cli/format.ts';
import { jsonFormat, parseJsonLine } from '../../../src/cli/json-lines.ts';
import { type Output, renderRows } from '../../../src/cli/output.ts';
import { RecordSplitter } from '../../../src/cli/record-splitter.ts';
import { parseStartAndEnd } from '../../../src/cli/start-offset.ts';
import type { ConsumedRecord } from '../../../src/client/client.ts';

describe('escapes', () => {
  test.each([
    ['\\n', '0a'],
    ['a\\tb', '610962'],
    ['\\x00\\xfF\\0', '00ff00'],
    ['\\\\n', '5c6e'],
    ['ü', 'c3bc'],
    ['', ''],
  ])('%j', (text, hex) => expect(unescapeBytes(text).toString('hex')).toBe(hex));

  test.each(['\\q', '\\', '\\x'])('%j is refused', (text) => expect(() => unescapeBytes(text)).toThrow(UsageError));
});

describe('the record splitter', () => {
  test('gives the same records however the input is cut into chunks', () => {
    const record = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes.map((byte) => byte % 3)));
    const delimiters = fc.constantFrom('03', '0304', '030303').map((hex) => Buffer.from(hex, 'hex'));
    fc.assert(
      fc.property(
        fc.array(record),
        delimiters,
        fc.array(fc.nat(9)),
        fc.boolean(),
        (records, delimiter, cuts, ended) => {
          const last = records.at(-1);
          const whole = Buffer.concat(records.flatMap((bytes) => [bytes, delimiter]));
          const input = ended || !last?.length ? whole : whole.subarray(0, whole.length - delimiter.length);
          const splitter = new RecordSplitter(delimiter, 1_000);
          const found: Buffer[] = [];
          let at = 0;
          for (const cut of [...cuts, input.length]) {
            found.push(...splitter.push(input.subarray(at, at + cut)).map((bytes) => Buffer.from(bytes)));
            at += cut;
          }
          found.push(...splitter.end());
          expect(found).toEqual(records);
        },
      ),
    );
  });

  test('gives up on a record without end', () => {
    const splitter = new RecordSplitter(Buffer.from('\n'), 100);
    expect(() => [...splitter.push(Buffer.alloc(101, 'x'))]).toThrow('a record of more than 100 bytes');
  });
});

describe('where to start', () => {
  test.each([
    [[], 'earliest', null],
    [['beginning'], 'earliest', null],
    [['end'], 'latest', null],
    [['0'], 0, null],
    [['12345'], 12345, null],
    [['-10'], '-10', null],
    [['s@1763683200000'], '@1763683200000', null],
    [['s@5', 'e@9'], '@5', 9],
    [['e@9'], 'earliest', 9],
  ])('%j', (texts, from, until) => expect(parseStartAndEnd(texts)).toEqual({ from, until }));

  test.each([['middle'], ['1.5'], ['s@yesterday'], ['--5'], ['0', '1']])('%s is refused', (...texts) => {
    expect(() => parseStartAndEnd(texts)).toThrow(UsageError);
  });
});

const record: ConsumedRecord = {
  offset: 42,
  timestamp: 1_763_683_200_000,
  key: Buffer.from('key'),
  value: Buffer.from('{"a":1.0}'),
  headers: [
    ['h', Buffer.from('v')],
    ['n', null],
  ],
};
const nulls: ConsumedRecord = { offset: 43, timestamp: -1, key: null, value: null, headers: [] };
const place = { topic: 'orders', partition: 3 };
const print = (formatter: ReturnType<typeof plainFormat>, ...records: ConsumedRecord[]) => {
  const output: (string | Uint8Array)[] = [];
  for (const each of records) formatter(each, place, output);
  return joinOutput(output).toString();
};

describe('the format of consume', () => {
  test('knows the fields of kcat', () => {
    const format = compileFormat('%t [%p] at %o %T: key %k (%K) %s (%S) %h 100%%\\n', '');
    expect(print(format, record)).toBe('orders [3] at 42 1763683200000: key key (3) {"a":1.0} (9) h=v,n= 100%\n');
  });

  test('prints what stands for null, and its length as -1', () => {
    expect(print(compileFormat('%k %K %s %S|%R', 'NULL'), nulls)).toBe(
      `NULL -1 NULL -1|${Buffer.from('ffffffff', 'hex')}`,
    );
  });

  test.each(['%x', '100%'])('%s is refused', (format) => expect(() => compileFormat(format, '')).toThrow(UsageError));

  test('is the value and the delimiter when nothing is given, the key in front with -K', () => {
    expect(print(plainFormat(null, Buffer.from('\n'), ''), record, nulls)).toBe('{"a":1.0}\n\n');
    expect(print(plainFormat(Buffer.from(': '), Buffer.from(';'), '-'), record, nulls)).toBe('key: {"a":1.0};-: -;');
  });

  test('keeps bytes that are no text', () => {
    const output: (string | Uint8Array)[] = [];
    plainFormat(null, Buffer.of(0), '')({ ...record, value: Buffer.from('ff00fe', 'hex') }, place, output);
    expect(joinOutput(output).toString('hex')).toBe('ff00fe00');
  });
});

describe('JSON lines', () => {
  const parse = (text: string, format: 'json' | 'text' | 'base64' = 'json') => parseJsonLine(Buffer.from(text), format);

  test('a record is sent as it was written', () => {
    const text = ' {"key":"k", "value":{"n":12345678901234567890, "n":1.0}, "headers":[["h","v"]], "partition":2}';
    expect(parse(text)).toMatchObject({ line: text, key: Buffer.from('k'), partition: 2 });
  });

  test('where it came from is left aside and numbers keep their digits', () => {
    const text = '{"topic":"t","offset":7,"partition":1,"timestamp":-1,"value":{"n":12345678901234567890,"f":1.0}}';
    expect(parse(text)).toMatchObject({
      line: '{"partition":1,"value":{"n":12345678901234567890,"f":1.0}}',
      key: null,
      partition: 1,
    });
  });

  test.each([
    ['{"key":5.0}', 'json', '5.0'],
    ['{"key":{"a": [1]}}', 'json', '{"a":[1]}'],
    ['{"key":"aGk="}', 'base64', 'hi'],
    ['{"key":"aGk="}', 'text', 'aGk='],
    ['{"key_base64":"aGk="}', 'json', 'hi'],
  ] as const)('the key of %s in %s is %s', (text, format, key) => {
    expect(parse(text, format).key?.toString()).toBe(key);
  });

  test('a key that is not text is sent as it is hashed', () => {
    expect(parse('{"key":{"a": [1]}, "value":1}').line).toBe('{"key":{"a":[1]},"value":1}');
  });

  test.each(['', '5', '[]', 'null', '{', '{"partition":"x"}', '{"partition":1.5}'])('%j is refused', (text) => {
    expect(() => parse(text)).toThrow(InputError);
  });

  test('bytes that are not UTF-8 are refused', () => {
    expect(() => parseJsonLine(Buffer.from('7b22ff22', 'hex'), 'json')).toThrow('not UTF-8');
  });

  test('are written as the HTTP interface spells records', () => {
    const bytes: ConsumedRecord = {
      ...nulls,
      key: Buffer.of(0xff),
      value: Buffer.of(0xfe),
      headers: [['h', Buffer.of(0xfd)]],
    };
    expect(print(jsonFormat('json'), record, nulls, bytes)).toBe(
      '{"topic":"orders","partition":3,"offset":42,"timestamp":1763683200000,"key":"key","value":{"a":1.0},"headers":[["h","v"],["n",null]]}\n' +
        '{"topic":"orders","partition":3,"offset":43,"timestamp":-1,"key":null,"value":null,"headers":[]}\n' +
        '{"topic":"orders","partition":3,"offset":43,"timestamp":-1,"key_base64":"/w==","value_base64":"/g==","headers":[["h",{"base64":"/Q=="}]]}\n',
    );
  });

  test('stay on one line whatever the value', () => {
    const pretty = { ...record, value: Buffer.from('{\r\n  "a": "b\\n"\n}') };
    const line = print(jsonFormat('json'), pretty);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toMatchObject({ value: { a: 'b\n' } });
    expect(print(jsonFormat('text'), pretty)).toContain('"value":"{\\r\\n  \\"a\\": \\"b\\\\n\\"\\n}"');
  });

  test('written as text or base64 and read again, any record is what it was', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array)));
    fc.assert(
      fc.property(bytes, bytes, fc.constantFrom('text' as const, 'base64' as const), (key, value, format) => {
        const line = print(jsonFormat(format), { ...record, key, value });
        const parsed = parseJsonLine(Buffer.from(line), format);
        expect(parsed.key).toEqual(key);
        const sent = JSON.parse(parsed.line);
        const encoded = sent.value_base64 ?? (format === 'base64' ? sent.value : null);
        const again =
          encoded === null ? (sent.value === null ? null : Buffer.from(sent.value)) : Buffer.from(encoded, 'base64');
        expect(again).toEqual(value);
      }),
    );
  });
});

test.each<[Output, string]>([
  ['table', 'NAME    PARTITION COUNT\norders                3\nx                     -\n'],
  ['ndjson', '{"name":"orders","partition_count":3}\n{"name":"x","partition_count":null}\n'],
  [
    'json',
    '[\n  {\n    "name": "orders",\n    "partition_count": 3\n  },\n  {\n    "name": "x",\n    "partition_count": null\n  }\n]\n',
  ],
])('rows as %s', (output, text) => {
  const rows = [
    { name: 'orders', partition_count: 3 },
    { name: 'x', partition_count: null },
  ];
  expect(renderRows(['name', 'partition_count'], rows, output)).toBe(text);
});
