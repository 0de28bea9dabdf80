/** Three minutes of what `npm run nightly` does for longer: three brokers, real clients, faults, and a history to be judged. */
import { describe, expect, test } from 'vitest';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../../stand-ins/dynoxide.ts';
import { mustHaveEverything } from '../run.ts';
import { torment } from './nemesis.ts';
import { runTrial } from './trial.ts';

const SEED = Number(process.env['SEED'] ?? 4);
const TORMENT_MS = Number(process.env['TORMENT_SECONDS'] ?? 130) * 1_000;

const say = (what: string): void => void process.stdout.write(`  ${what}\n`);

describe('three brokers, killed, frozen, cut off, on stores that fail', () => {
  test('lose, repeat, reorder and invent nothing', { timeout: 600_000 }, async (context) => {
    if (dynoxideBinary() === null) {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    }
    const { verdict, missing } = await runTrial({
      seed: SEED,
      brokers: Number(process.env['BROKERS'] ?? 3),
      say,
      async meanwhile(cluster, note) {
        const freezeMs = [1_000, 15_000] as const;
        const counts = await torment(cluster, {
          ...{ seed: SEED, durationMs: TORMENT_MS, freezeMs, faultMs: [3_000, 9_000], calmMs: [2_000, 4_000] },
          say: note,
        });
        expect(counts.size).toBeGreaterThan(0);
      },
    });
    if (mustHaveEverything) expect(missing).toEqual([]);
    say(JSON.stringify(verdict.totals));
    expect(verdict.totals.acknowledged).toBeGreaterThan(500);
    expect(verdict.totals.committed).toBeGreaterThan(0);
  });
});
