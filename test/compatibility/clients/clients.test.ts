/** Clients that others wrote, unmodified: what each of them could do once it can do now. `main.ts` runs the same by hand. */
import { beforeAll, describe, expect, test } from 'vitest';
import { storesKinds } from '../broker.ts';
import { mustHaveEverything } from '../run.ts';
import { compareWithKept, readKeptList } from './kept-list.ts';
import { runSuites, type SuiteRun } from './run-suites.ts';
import { withSecondAttempt } from './second-attempt.ts';
import { SUITES } from './suites.ts';

const ALL_MS_MAX = 900_000;
const report = (line: string): void => void process.stdout.write(`  ${line}\n`);

describe.each(storesKinds())('on %s', (kind) => {
  let results: ReadonlyMap<string, SuiteRun> = new Map();
  beforeAll(async () => {
    const onSuite = ({ name }: { name: string }, { cases }: SuiteRun, ms: number) =>
      report(`${name}: ${cases.length} cases in ${(ms / 1_000).toFixed(0)} s`);
    const installed = SUITES.filter((suite) => suite.missing() === null);
    results = await withSecondAttempt(kind, await runSuites(kind, installed, { onSuite }), report);
  }, ALL_MS_MAX);

  describe.each(SUITES)('$name', (suite) => {
    const missing = suite.missing();
    if (missing !== null) {
      test('works', (context) => {
        if (mustHaveEverything) throw new Error(missing);
        context.skip(missing);
      });
      return;
    }
    const kept = readKeptList(suite.name);
    const result = (name: string) => results.get(suite.name)?.cases.find((each) => each.name === name);

    test.each(kept.passed)('%s', (name) => {
      const is = result(name);
      if (is?.outcome !== 'pass') process.stderr.write(`${results.get(suite.name)?.remarks}\n`);
      expect(is?.outcome, is?.reason ?? 'was not run').toBe('pass');
    });

    test.for(Object.entries({ ...kept.notPassed, ...kept.skipped }))('%s', ([, reason], context) =>
      context.skip(reason));

    test('fails in no case that the list does not explain', () => {
      const { unexplained, unrecorded } = compareWithKept(kept, [results.get(suite.name)!]);
      for (const line of unrecorded) report(`${suite.name}: ${line}: record it with npm run clients -- --write`);
      expect(unexplained).toEqual([]);
    });
  });
});
