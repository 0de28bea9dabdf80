/**
 * `npm run nightly -- [--minutes 30] [--seed N] [--brokers 3] [--round 5]`: trials of clusters of real processes one after the other, each on
 * a fresh seed, brokers frozen for up to two minutes, stores with the latency of AWS. Tells as it goes, ends with what was done and
 * what was found, and with status 1 when that is anything. `--seed` begins there: the same faults in the same order, though
 * never at the same instants.
 */
import { parseArgs } from 'node:util';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../../stand-ins/dynoxide.ts';
import { USUAL_LATENCY } from './cluster.ts';
import { torment } from './nemesis.ts';
import { runTrial } from './trial.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    brokers: { type: 'string', default: '3' },
    /** Minutes of faults in one trial. */
    round: { type: 'string', default: '5' },
  },
});
if (dynoxideBinary() === null) throw new Error(DYNOXIDE_MISSING);

const minutes = Number(values.minutes);
const firstSeed = values.seed === undefined ? Math.floor(Date.now() / 1_000) % 1_000_000 : Number(values.seed);
const began = Date.now();
const left = (): number => minutes * 60_000 - (Date.now() - began);
const say = (what: string): void => {
  const at = Math.round((Date.now() - began) / 1_000);
  process.stdout.write(`${String(at).padStart(5)} s  ${what}\n`);
};

// Through `exit`, where brokers are killed and namespaces removed.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const faults = new Map<string, number>();
const totals = new Map<string, number>();
const found: string[] = [];
let trials = 0;

const addAll = (sums: Map<string, number>, more: Iterable<readonly [string, number]>): void => {
  for (const [name, value] of more) sums.set(name, (sums.get(name) ?? 0) + value);
};

for (let seed = firstSeed; trials === 0 || left() > 60_000; seed++) {
  trials += 1;
  say(`seed ${seed}`);
  try {
    const { verdict } = await runTrial({
      seed,
      brokers: Number(values.brokers),
      say,
      cluster: { latency: USUAL_LATENCY },
      async meanwhile(cluster, note) {
        const durationMs = Math.min(Number(values.round) * 60_000, Math.max(30_000, left() - 60_000));
        const counts = await torment(cluster, {
          ...{ seed, durationMs, faultMs: [2_000, 20_000], calmMs: [1_000, 8_000], say: note },
          // Beyond every timeout of brokers and clients now and then.
          freezeMs: seed % 3 === 0 ? [20_000, 120_000] : [1_000, 20_000],
        });
        addAll(faults, counts);
      },
    });
    addAll(totals, Object.entries(verdict.totals));
    say(`seed ${seed}: nothing found`);
  } catch (cause) {
    found.push(`seed ${seed}`);
    say(cause instanceof Error ? cause.message : String(cause));
  }
}

const table = (rows: Iterable<readonly [string, number]>): string =>
  [...rows].map(([name, count]) => `  ${name.padEnd(40)}${String(count).padStart(10)}\n`).join('');
process.stdout.write(
  [
    `\n${trials} trials in ${Math.round((Date.now() - began) / 60_000)} minutes, seeds ${firstSeed} to ${firstSeed + trials - 1}\n`,
    `faults\n${table([...faults].sort(([one], [other]) => one.localeCompare(other)))}`,
    `history\n${table(totals)}`,
    found.length === 0 ? 'nothing found\n' : `something is wrong: ${found.join(', ')}\n`,
  ].join(''),
);
process.exitCode = found.length === 0 ? 0 : 1;
