/** Regular expressions of subscriptions: what RE2 matches, what it refuses, and that nothing takes long. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileTopicPattern, PATTERN_CHARS_MAX } from '../../../../../src/coordinator/group/consumer/topic-pattern.ts';

const NAMES = ['orders', 'orders-eu', 'Orders', 'orders.dlq', 'orders_1', 'payments', 'p', '42', 'a-b.c_d'];
const matched = (source: string) => {
  const pattern = compileTopicPattern(source);
  return NAMES.filter((name) => pattern.matches(name));
};

test.each<[string, string[]]>([
  ['orders', ['orders']],
  ['orders.*', ['orders', 'orders-eu', 'orders.dlq', 'orders_1']],
  ['^orders', ['orders']],
  ['^orders-.+$', ['orders-eu']],
  ['orders|payments', ['orders', 'payments']],
  ['(orders|pay(ment)?s)', ['orders', 'payments']],
  ['(?i)ORDERS', ['orders', 'Orders']],
  ['(?i:O)rders', ['orders', 'Orders']],
  ['(?:o)(?P<rest>rders)', ['orders']],
  ['(?<first>o)rders', ['orders']],
  ['\\Qorders.\\Edlq', ['orders.dlq']],
  ['[[:upper:]]\\w+', ['Orders']],
  ['[^a-z].*', ['Orders', '42']],
  ['(?i)[^o].*', ['payments', 'p', '42', 'a-b.c_d']],
  ['\\d{2}', ['42']],
  ['\\d{3,}', []],
  ['[0-9]{1,3}', ['42']],
  ['\\p{Lu}\\pL+', ['Orders']],
  ['\\P{L}+', ['42']],
  ['orders\\x2d\\145u', ['orders-eu']],
  ['\\Aorders\\z', ['orders']],
  ['orders\\b.+', ['orders-eu', 'orders.dlq']],
  ['orders\\B.+', ['orders_1']],
  ['.*?', NAMES],
  ['a-b[.]c[_-]d', ['a-b.c_d']],
  ['[]p]', ['p']],
  ['p{', []],
  ['', []],
])('%s matches the whole of %j', (source, expected) => {
  expect(matched(source)).toEqual(expected);
});

test.each([
  '(',
  ')',
  '[',
  '[z-a]',
  '[[:nope:]]',
  '*',
  'a**',
  'a{2}{3}',
  'a{1001}',
  'a{3,2}',
  '\\',
  '\\1',
  '\\k<a>',
  '\\Z',
  '\\p{Nope}',
  '(?=a)',
  '(?!a)',
  '(?<=a)',
  '(?<!a)',
  '(?>a)',
  '(?x)a',
  'a++',
  '(a',
  '((a{1000}){1000}){1000}',
])('%s is refused', (source) => {
  expect(() => compileTopicPattern(source)).toThrow(
    expect.objectContaining({ error: 'INVALID_REGULAR_EXPRESSION', message: expect.stringContaining(source) }),
  );
});

test('an expression that is too long or nested too deeply is refused', () => {
  const invalid = expect.objectContaining({ error: 'INVALID_REGULAR_EXPRESSION' });
  expect(() => compileTopicPattern('a'.repeat(PATTERN_CHARS_MAX + 1))).toThrow(invalid);
  expect(() => compileTopicPattern('('.repeat(4_000) + ')'.repeat(4_000))).toThrow(invalid);
});

test.each(['(a+)+b', '(a|a)*b', '(a*)*b', '(.*){20}b', '(a?){30}a{30}b'])('%s takes no time', (source) => {
  const startedAt = performance.now();
  expect(compileTopicPattern(source).matches('a'.repeat(249))).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(500);
});

describe('what JavaScript understands the same way', () => {
  const literal = fc.constantFrom('a', 'b', 'ab', '\\.', '.', '[ab]', '[^a]', '[a-c-]', '\\w', '\\D', '^', '$', '\\b');
  const source = fc.letrec<{ all: string; one: string }>((tie) => ({
    one: fc.oneof(
      { depthSize: 'small' },
      literal,
      tie('all').map((inner) => `(${inner})`),
      fc
        .tuple(tie('all'), fc.constantFrom('*', '+', '?', '{2}', '{0,2}', '{1,}', '*?'))
        .map(([inner, times]) => `(?:${inner})${times}`),
      fc.tuple(tie('all'), tie('all')).map(([left, right]) => `(?:${left}|${right})`),
    ),
    all: fc.array(tie('one'), { maxLength: 4 }).map((parts) => parts.join('')),
  })).all;
  const name = fc.stringMatching(/^[abc.-]{0,8}$/);

  test('matches the same names', () => {
    fc.assert(
      fc.property(source, name, (text, topic) => {
        expect(compileTopicPattern(text).matches(topic)).toBe(new RegExp(`^(?:${text})$`).test(topic));
      }),
      { numRuns: 1_000 },
    );
  });
});
