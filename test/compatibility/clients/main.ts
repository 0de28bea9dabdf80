/**
 * Runs the suites of real clients and tells each case: `npm run clients -- [SUITE…] [--only PART] [--stores KIND]
 * [--brokers N] [--remarks] [--write]`. `--stores` is `embedded` or `S3`, both unless given; `--brokers 3` has a cluster of three
 * on S3; `--write` records what was found in the lists and in the README.
 */
import { parseArgs } from 'node:util';
import { writeReadme } from '../../readme.ts';
import { storesKinds } from '../broker.ts';
import { compareWithKept, readKeptList, recorded, writeKeptList } from './kept-list.ts';
import { runSuites, type SuiteRun } from './run-suites.ts';
import { SUITES } from './suites.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true, default: [] },
    stores: { type: 'string', default: '' },
    brokers: { type: 'string', default: '1' },
    remarks: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

const suites = SUITES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const runs: ReadonlyMap<string, SuiteRun>[] = [];
for (const kind of storesKinds().filter((kind) => kind.toLowerCase().startsWith(values.stores.toLowerCase()))) {
  print(`on ${kind}`);
  runs.push(
    await runSuites(
      kind,
      suites.filter((suite) => suite.missing() === null),
      {
        only: values.only,
        brokers: Number(values.brokers),
        onSuite(suite, { version, cases, remarks }, ms) {
          print(`  ${suite.name} ${version}: ${cases.length} cases in ${(ms / 1_000).toFixed(0)} s`);
          for (const { outcome, name, reason } of cases) print(`    ${outcome}  ${name}${reason && `: ${reason}`}`);
          if (values.remarks) print(remarks.replaceAll(/^/gm, '      '));
        },
      },
    ),
  );
}

for (const suite of suites) {
  const missing = suite.missing();
  if (missing !== null) {
    print(`${suite.name}: ${missing}`);
    continue;
  }
  const found = runs.map((run) => run.get(suite.name)!);
  const kept = readKeptList(suite.name);
  if (values.write) writeKeptList(suite.name, recorded(kept, found));
  const { fallenOut, unexplained, unrecorded } = compareWithKept(kept, found);
  for (const line of values.only.length > 0 ? [] : [...fallenOut, ...unexplained, ...unrecorded])
    print(`${suite.name}: ${line}`);
}
if (values.write) writeReadme();
