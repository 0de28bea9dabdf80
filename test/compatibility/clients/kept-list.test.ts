import { describe, expect, test } from 'vitest';
import { parseCaseLines, type SuiteResults } from './case-lines.ts';
import { compareWithKept, type KeptList, recorded } from './kept-list.ts';

const kept: KeptList = {
  client: 'A client',
  version: '1',
  ran: 'Something',
  passed: ['a', 'b'],
  notPassed: { c: 'said by hand' },
  skipped: {},
};

const results = (lines: string): SuiteResults => parseCaseLines(`version\t1\n${lines}`);

test('lines of a suite are cases, anything else is not', () => {
  expect(parseCaseLines('version\t2\nhello\npass\ta\nfail\tb\twhy\tand why\nskip\tc\tno\n')).toEqual({
    version: '2',
    cases: [
      { name: 'a', outcome: 'pass', reason: '' },
      { name: 'b', outcome: 'fail', reason: 'why and why' },
      { name: 'c', outcome: 'skip', reason: 'no' },
    ],
  });
});

describe('compared with what is kept', () => {
  test('the same is nothing to speak of', () => {
    const same = results('pass\ta\npass\tb\nfail\tc\tsome words');
    expect(compareWithKept(kept, [same, same])).toEqual({ fallenOut: [], unexplained: [], unrecorded: [] });
  });

  test('a case that fails on one kind of stores, or is not run, has fallen out', () => {
    const { fallenOut } = compareWithKept(kept, [results('pass\ta'), results('fail\ta\twhy')]);
    expect(fallenOut).toEqual(['a: passed once, and now fails: why', 'b: passed once, and now is not run']);
  });

  test('a failure without a reason is unexplained; what passes newly asks to be recorded', () => {
    const { unexplained, unrecorded } = compareWithKept(kept, [results('pass\ta\npass\tb\npass\tc\nfail\td\twhy')]);
    expect(unexplained).toEqual(['d: fails: why']);
    expect(unrecorded).toEqual(['c: passes']);
  });
});

test('recording keeps reasons that are there, and takes the words of the suite for the others', () => {
  const next = recorded(kept, [results('pass\ta\nfail\tb\tnew words\nfail\tc\tsome words\nskip\te\tnot mine')]);
  expect(next.passed).toEqual(['a']);
  expect(next.notPassed).toEqual({ b: 'new words', c: 'said by hand' });
  expect(next.skipped).toEqual({ e: 'not mine' });
});
