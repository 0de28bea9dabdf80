import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RECORD_FORMATS, type RecordFormat } from '../../../src/http/record-format.ts';
import { parseRecords } from '../../../src/http/record-parser.ts';
import { RecordWriter } from '../../../src/http/record-writer.ts';
import { Record, RecordsPage } from '../../../src/http/schemas.ts';
import type { DecodedRecord } from '../../../src/record/records.ts';

const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));

const record = (fields: Partial<DecodedRecord>): DecodedRecord => ({
  offset: 0,
  timestamp: 1,
  key: null,
  value: null,
  headers: [],
  ...fields,
});

function written(records: readonly DecodedRecord[], format: RecordFormat = 'json', lines = false): string {
  const writer = new RecordWriter(format, lines);
  for (const each of records) writer.write(each);
  return writer.finish(7, 9).toString();
}

test('a page is records, where to read on, and the high watermark', () => {
  const records = [record({ offset: 5, key: bytes('k'), value: bytes('{"a":1}'), headers: [['h', bytes('v')]] })];
  expect(written(records)).toBe(
    '{"records":[{"offset":5,"timestamp":1,"key":"k","value":{"a":1},"headers":[["h","v"]]}],"next":7,"high_watermark":9}',
  );
  expect(written([])).toBe('{"records":[],"next":7,"high_watermark":9}');
  expect(written([...records, record({ offset: 6 })], 'json', true)).toBe(
    '{"offset":5,"timestamp":1,"key":"k","value":{"a":1},"headers":[["h","v"]]}\n' +
      '{"offset":6,"timestamp":1,"key":null,"value":null,"headers":[]}\n',
  );
});

describe('reading in json', () => {
  const writtenValue = (value: Buffer, lines = false) => {
    const text = written([record({ value })], 'json', lines);
    return /"timestamp":1,"key":null,(.*),"headers"/s.exec(text)![1];
  };

  test.each([
    '12345678901234567890',
    '1.0',
    '-0',
    '{"a":1,"a":2}',
    '{ "a" : 1 }',
    '"text"',
    'null',
    '[]',
  ])('the value %s comes back digit for digit', (json) => {
    expect(writtenValue(Buffer.from(json))).toBe(`"value":${json}`);
  });

  test.each([
    '',
    'plain',
    '{"a":1',
    '1 2',
    "{'a':1}",
    'é "quoted"\n',
    'NaN',
  ])('the value %j is not JSON and comes back as a string', (text) => {
    expect(writtenValue(Buffer.from(text))).toBe(`"value":${JSON.stringify(text)}`);
  });

  test('bytes that are not UTF-8 come back in base64', () => {
    const notUtf8 = Buffer.from([0x22, 0xff, 0x22]);
    const [page] = [JSON.parse(written([record({ key: notUtf8, value: notUtf8, headers: [['h', notUtf8]] })]))];
    expect(page.records[0]).toEqual({
      offset: 0,
      timestamp: 1,
      key_base64: 'Iv8i',
      value_base64: 'Iv8i',
      headers: [['h', { base64: 'Iv8i' }]],
    });
  });

  test('line breaks between the tokens of a value do not break the lines of NDJSON', () => {
    const pretty = Buffer.from('\n{\r\n  "a": "b\\n"\n}\n');
    expect(writtenValue(pretty)).toBe('"value":{\r\n  "a": "b\\n"\n}');
    expect(writtenValue(pretty, true)).toBe('"value":{    "a": "b\\n" }');
  });

  test('a key always comes back as a string of its text', () => {
    expect(written([record({ key: bytes('7') })])).toContain('"key":"7"');
    expect(written([record({ key: bytes('{"id":1}') })])).toContain('"key":"{\\"id\\":1}"');
  });
});

const anyBytes = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => Buffer.from(text)),
  fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)),
);
const anyName = fc.string({ unit: 'grapheme', maxLength: 5 }).filter((name) => name.isWellFormed());
const anyRecord: fc.Arbitrary<DecodedRecord> = fc.record({
  offset: fc.nat(),
  timestamp: fc.nat(),
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(fc.tuple(anyName, anyBytes), { maxLength: 3 }),
});

describe.each(RECORD_FORMATS)('in %s, whatever is stored', (format) => {
  test('is written as the schema of /openapi.json says', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 4 }), (records) => {
        const page = RecordsPage.safeParse(JSON.parse(written(records, format)));
        expect(page.error?.issues).toBeUndefined();
        const lines = written(records, format, true).split('\n');
        expect(lines.pop()).toBe('');
        expect(lines).toHaveLength(records.length);
        for (const line of lines) expect(Record.safeParse(JSON.parse(line)).error?.issues).toBeUndefined();
      }),
    );
  });

  test('can be sent back and is stored as the same bytes, but for what json cannot tell apart', () => {
    fc.assert(
      fc.property(anyRecord, (original) => {
        const { offset: _, ...line } = JSON.parse(written([original], format, true));
        const [again] = parseRecords(Buffer.from(JSON.stringify(line)), { format, lines: true, now: 0 });
        expect(again!.key).toEqual(original.key);
        expect(again!.headers).toEqual(original.headers);
        if (format !== 'json') expect(again!.value).toEqual(original.value);
      }),
    );
  });
});
