import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import type { RecordFormat } from '../../../src/http/record-format.ts';
import { HEADERS_PER_REQUEST_MAX, parseRecords, RECORDS_PER_REQUEST_MAX } from '../../../src/http/record-parser.ts';
import { NewRecord, ProduceBody } from '../../../src/http/schemas.ts';

const NOW = 1_763_683_200_000;

const parse = (body: string | Buffer, format: RecordFormat = 'json', lines = false) =>
  parseRecords(Buffer.from(body), { format, lines, now: NOW });

/** What one record written as `json` is stored as, in text. */
function stored(json: string, format: RecordFormat = 'json') {
  const { key, value, headers, timestamp, partition } = parse(`{"records":[${json}]}`, format)[0]!;
  const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString());
  return {
    key: text(key),
    value: text(value),
    headers: headers.map(([name, bytes]) => [name, text(bytes as Uint8Array | null)]),
    timestamp,
    partition,
  };
}

function refusal(body: string | Buffer, format: RecordFormat = 'json', lines = false): string {
  try {
    parse(body, format, lines);
  } catch (error) {
    expect(error).toBeInstanceOf(KafkaError);
    return (error as KafkaError).message;
  }
  throw new Error('it was accepted');
}

const refusalOf = (json: string, format: RecordFormat = 'json') => refusal(`{"records":[${json}]}`, format);

describe('a value in json is stored as its JSON text', () => {
  test.each([
    '{"any":"json"}',
    '12345678901234567890',
    '1.0',
    '-0',
    '1e400',
    '{"a":1,"a":2}',
    '{ "a" : [ 1,\n2 ] }',
    '"text"',
    '"\\u00e9 \\ud800"',
    '"é"',
    'true',
    '[]',
    '""',
  ])('%s digit for digit, blank for blank', (json) => {
    expect(stored(`{"value": ${json} }`).value).toBe(json);
  });

  test('null and an absent value are null', () => {
    expect(stored('{"value":null}').value).toBeNull();
    expect(stored('{}').value).toBeNull();
  });
});

describe('a key in json', () => {
  test('that is a string is stored as its text, so that it hashes as with every other client', () => {
    expect(stored('{"key":"k"}').key).toBe('k');
    expect(stored('{"key":"\\u00e9\\n\\"\\ud83d\\ude00"}').key).toBe('é\n"😀');
    expect(stored('{"key":""}').key).toBe('');
  });

  test('that is not a string is stored as its JSON text', () => {
    expect(stored('{"key":{"id":1.0}}').key).toBe('{"id":1.0}');
    expect(stored('{"key":12345678901234567890}').key).toBe('12345678901234567890');
    expect(stored('{"key":null}').key).toBeNull();
  });

  test('with half of a surrogate pair is refused, because UTF-8 cannot hold it', () => {
    expect(refusalOf('{"key":"\\ud800"}')).toMatch(/^records\[0\]\.key: half of a surrogate pair/);
  });
});

test('in text, keys and values are strings that are stored as they are', () => {
  expect(stored('{"key":"k","value":"{\\"a\\":1}\\n","headers":[["h","v"]]}', 'text')).toMatchObject({
    key: 'k',
    value: '{"a":1}\n',
    headers: [['h', 'v']],
  });
  expect(refusalOf('{"value":1}', 'text')).toBe('records[0].value: expected a string or null');
  expect(refusalOf('{"key":{}}', 'text')).toBe('records[0].key: expected a string or null');
});

describe('in base64', () => {
  test('keys, values and header values are decoded, padding may be left out', () => {
    const { key, value, headers } = parse(
      '{"records":[{"key":"aw","value":"/+8A","headers":[["h","dg=="],["n",null]]}]}',
      'base64',
    )[0]!;
    expect(key).toEqual(Buffer.from('k'));
    expect(value).toEqual(Buffer.from([0xff, 0xef, 0]));
    expect(headers).toEqual([
      ['h', Buffer.from('v')],
      ['n', null],
    ]);
  });

  test.each(['a', 'ab=', 'abc==', 'a===', '====', 'ab c', '-_-_', 'abcde', 'ab\\u003d='])('%j is refused', (text) => {
    expect(refusalOf(`{"value":"${text}"}`, 'base64')).toBe('records[0].value: not base64 (RFC 4648, section 4)');
  });

  test('what is not a string is refused', () => {
    expect(refusalOf('{"value":1}', 'base64')).toBe('records[0].value: expected a string of base64 or null');
  });
});

test('bytes that text cannot hold can be given in base64 in every format', () => {
  const body = '{"records":[{"key_base64":"/w==","value_base64":"/g==","headers":[["h",{"base64":"/Q=="}]]}]}';
  for (const format of ['json', 'text'] as const) {
    const { key, value, headers } = parse(body, format)[0]!;
    expect([key, value, headers[0]![1]]).toEqual([Buffer.from([0xff]), Buffer.from([0xfe]), Buffer.from([0xfd])]);
  }
  expect(refusalOf('{"key":"a","key_base64":"YQ=="}')).toBe('records[0].key_base64: give this or key, not both');
  expect(refusalOf('{"value":"a","value_base64":null}')).toBe('records[0].value_base64: give this or value, not both');
});

test('headers keep their order and their repeats', () => {
  expect(stored('{"headers":[["b","1"],["a","2"],["b",null],["","é"]]}').headers).toEqual([
    ['b', '1'],
    ['a', '2'],
    ['b', null],
    ['', 'é'],
  ]);
});

test('timestamp and partition are taken when given, and are now and nowhere else', () => {
  expect(stored('{"timestamp":0,"partition":7}')).toMatchObject({ timestamp: 0, partition: 7 });
  expect(stored('{"timestamp":null,"partition":null}')).toMatchObject({ timestamp: NOW, partition: -1 });
  expect(stored('{}')).toMatchObject({ timestamp: NOW, partition: -1 });
});

describe('NDJSON', () => {
  test('has one record a line; blank lines and a missing last line break are fine', () => {
    const records = parse('{"value":1}\n\r\n  {"value":{"a":2}} \r\n{"value":3}', 'json', true);
    expect(records.map(({ value }) => Buffer.from(value!).toString())).toEqual(['1', '{"a":2}', '3']);
  });

  test('names the line that is wrong', () => {
    expect(refusal('{"value":1}\n{"value":2}}\n', 'json', true)).toMatch(
      /line 2, column 12\): expected the end of the/,
    );
    expect(refusal('{"value":1} {"value":2}\n', 'json', true)).toMatch(/line 1, column 13/);
    expect(refusal('{}\n\n[1]', 'json', true)).toBe('line 3: expected an object');
    expect(refusal('{}\n{"valeu":1}', 'json', true)).toMatch(/^line 2: unknown member "valeu"; known are key, value/);
    expect(refusal('{"value":\n1}', 'json', true)).toMatch(/one record a line/);
    expect(refusal('\n \n', 'json', true)).toBe('no records: send at least one');
  });
});

describe('what is wrong is named', () => {
  test.each([
    ['', 'invalid JSON at byte 0 (line 1, column 1): expected an object {"records": […]}'],
    ['[]', 'invalid JSON at byte 0 (line 1, column 1): expected an object {"records": […]}'],
    ['{', "invalid JSON at byte 1 (line 1, column 2): expected a member's name"],
    ['{}', "invalid JSON at byte 1 (line 1, column 2): expected a member's name"],
    ['{"records":5}', 'records: expected an array'],
    ['{"records":[]}', 'no records: send at least one'],
    ['{"record":[]}', 'the body has only one member: "records"'],
    ['{"records":[{}],"more":1}', 'the body has only one member: "records"'],
    ['{"records":[{}]', 'invalid JSON at byte 15 (line 1, column 16): expected "}"'],
    ['{"records":[{}]}x', 'invalid JSON at byte 16 (line 1, column 17): expected nothing after the object'],
    ['{"records":[{},]}', 'records[1]: expected an object'],
    ['{"records":[\n{"value":tru}]}', 'invalid JSON at byte 22 (line 2, column 10): expected a value'],
    ['{"records":[{"value":1', 'invalid JSON at byte 22 (line 1, column 23): expected "," or "}"'],
    [Buffer.from([0x7b, 0xff]), 'the body is not UTF-8'],
  ])('%s', (body, message) => {
    expect(refusal(body)).toBe(message);
  });

  test.each([
    ['{"valeu":1}', /^records\[0\]: unknown member "valeu"; known are key, value, headers, timestamp, partition, /],
    ['{"key":"a","key":"b"}', /^records\[0\]\.key: given twice$/],
    ['{"headers":{}}', /^records\[0\]\.headers: expected an array of pairs/],
    ['{},{"headers":[["a","b"],["c"]]}', /^records\[1\]\.headers\[1\]: expected a pair/],
    ['{"headers":[["a","b","c"]]}', /^records\[0\]\.headers\[0\]: expected a pair/],
    ['{"headers":[[1,"b"]]}', /^records\[0\]\.headers\[0\]\[0\]: expected a string$/],
    ['{"headers":[["a",1]]}', /^records\[0\]\.headers\[0\]\[1\]: expected a string, null or \{"base64": "…"\}$/],
    ['{"headers":[["a",{"base64":"!"}]]}', /^records\[0\]\.headers\[0\]\[1\]\.base64: not base64/],
    ['{"headers":[["a",{"base64":null}]]}', /^records\[0\]\.headers\[0\]\[1\]: expected/],
    ['{"timestamp":-1}', /^records\[0\]\.timestamp: expected a whole number from 0/],
    ['{"timestamp":1.5}', /^records\[0\]\.timestamp: expected a whole number/],
    ['{"timestamp":1e3}', /^records\[0\]\.timestamp: expected a whole number/],
    ['{"timestamp":"1"}', /^records\[0\]\.timestamp: expected a whole number/],
    ['{"timestamp":9007199254740992}', /^records\[0\]\.timestamp: expected a whole number/],
    ['{"partition":{}}', /^records\[0\]\.partition: expected a whole number/],
  ])('%s', (json, message) => {
    expect(refusalOf(json)).toMatch(message);
  });

  test('every cut of a body is refused', () => {
    const body = Buffer.from(
      '{"records":[{"key":"k","value":{"a":[1.5,"é\\n"]},"headers":[["h",null]],"timestamp":12}]}',
    );
    expect(parse(body)).toHaveLength(1);
    for (let length = 0; length < body.length; length++) refusal(body.subarray(0, length));
  });
});

test('a member whose name is spelled with escapes is still that member', () => {
  expect(stored('{"\\u006bey":"a"}').key).toBe('a');
  expect(refusalOf('{"\\u006bey":"a","key":"b"}')).toBe('records[0].key: given twice');
});

test('more records or headers than one request may have are refused', () => {
  expect(refusal(`{"records":[${'{},'.repeat(RECORDS_PER_REQUEST_MAX)}{}]}`)).toMatch(/^more than 100000 records/);
  expect(refusalOf(`{"headers":[${'["",""],'.repeat(HEADERS_PER_REQUEST_MAX)}["",""]]}`)).toMatch(
    /^more than 100000 h/,
  );
});

describe('the parser and the schema of /openapi.json accept the same', () => {
  const accepted = (body: unknown) => {
    try {
      parse(JSON.stringify(body));
      return true;
    } catch {
      return false;
    }
  };
  const scalar = fc.oneof(
    fc.constantFrom(null, true, '', 'a', 'YQ==', 'YQ', 'not base64!', -1, 0, 1, 1.5, 2 ** 53),
    fc.constantFrom<unknown>([], {}, { base64: 'YQ==' }, { base64: null }, { base64: 'YQ==', more: 1 }),
  );
  const header = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
  const member = fc.oneof(scalar, fc.array(header, { maxLength: 2 }));
  const known = ['key', 'value', 'headers', 'timestamp', 'partition', 'key_base64', 'value_base64'];
  const record = fc.oneof(
    scalar,
    fc.dictionary(fc.constantFrom(...known, 'other'), member, { maxKeys: 3 }),
    fc.record({ key: scalar, value: scalar, headers: fc.array(header), timestamp: scalar, partition: scalar }),
  );
  const both = (item: unknown) => {
    const { success } = NewRecord.safeParse(item);
    const twice = (a: string, b: string) => success && a in (item as object) && b in (item as object);
    // "Not both" is all that the schema cannot say.
    return success && !twice('key', 'key_base64') && !twice('value', 'value_base64');
  };

  test('for one record', () => {
    fc.assert(
      fc.property(record, (item) => {
        expect(accepted({ records: [item] }), JSON.stringify(item)).toBe(both(item));
      }),
      { numRuns: 3_000 },
    );
  });

  test('for the body around records', () => {
    const body = fc.oneof(
      scalar,
      fc.dictionary(fc.constantFrom('records', 'more'), fc.oneof(scalar, fc.constant([{}]))),
    );
    fc.assert(
      fc.property(body, (item) => {
        expect(accepted(item), JSON.stringify(item)).toBe(ProduceBody.safeParse(item).success);
      }),
    );
  });
});
