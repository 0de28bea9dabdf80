import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findJsonValue, JSON_DEPTH_MAX, JsonScanner } from '../../../src/http/json-scanner.ts';

const accepts = (text: string) => findJsonValue(Buffer.from(text)) !== null;
const parses = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('the scanner and JSON.parse agree', () => {
  test('on every JSON document', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(accepts(text)).toBe(true);
      }),
    );
  });

  test('on documents with one byte changed, removed or added', () => {
    const bytes = fc.constantFrom(...'{}[]",:\\0123456789.-+eEtrufalsn/ \t\n\u0001xé');
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(2), bytes, (text, place, removed, added) => {
        const at = place % (text.length + 1);
        const changed = text.slice(0, at) + added + text.slice(at + removed);
        expect(accepts(changed), changed).toBe(parses(changed));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    '',
    ' ',
    '0',
    '-0',
    '00',
    '01',
    '-',
    '+1',
    '1.',
    '.5',
    '1.0',
    '1e5',
    '1E+5',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    'true',
    'tru',
    'trueish',
    'null',
    'nul',
    '"a"',
    '"a',
    '"\\',
    '"\\u12"',
    '"\\u12G4"',
    '"\\u00e9"',
    '"\\x"',
    '"\t"',
    '"\u007f"',
    '[]',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '{}',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '{"a" : [ 1 , { } ] }',
    '{"a":1]',
    '[1}',
    '1 2',
    '\ufeff1',
    '// comment',
  ])('on %j', (text) => {
    expect(accepts(text)).toBe(parses(text));
  });
});

test('a value is found without the whitespace around it', () => {
  expect(findJsonValue(Buffer.from(' \r\n{"a": 1}\t\n'))).toEqual({ start: 3, end: 11 });
});

test('nesting is accepted up to its limit and refused beyond, without recursion', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  expect(accepts(nested(JSON_DEPTH_MAX + 1))).toBe(true); // The innermost one is empty and holds nothing.
  expect(accepts(nested(JSON_DEPTH_MAX + 2))).toBe(false);
  expect(accepts('['.repeat(1_000_000))).toBe(false);
});

test('where it goes wrong, it tells the place and what was expected', () => {
  const scanner = new JsonScanner(Buffer.from('{"a":tru}'));
  expect(scanner.skipValue()).toBe(false);
  expect([scanner.at, scanner.expected]).toEqual([5, 'a value']);
});
