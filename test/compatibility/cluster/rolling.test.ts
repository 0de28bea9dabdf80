/**
 * Brokers come and go in order, under load: nothing is lost, and no producer is stuck. How long they wait is printed, and judged
 * by `npm run bench -- cluster`, which has a machine to itself.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../../stand-ins/dynoxide.ts';
import { mustHaveEverything } from '../run.ts';
import { journalsPerBroker, settled } from './administration.ts';
import type { Cluster } from './cluster.ts';
import type { HistoryLog } from './history-log.ts';
import { JOURNALS, runTrial } from './trial.ts';

/** Fewer clients than in a trial of faults: what they wait for here is the cluster, not the machine. */
const ROLES = {
  librdkafka: ['idempotent', 'consumer', 'consumer'],
  KafkaJS: ['idempotent'],
  HTTP: ['producer', 'reader'],
} as const;
/** Far beyond what producers wait for on the busiest machine while a broker comes or goes. */
const STUCK_MS = 15_000;
const CALM_MS = 4_000;

const say = (what: string): void => void process.stdout.write(`  ${what}\n`);

/** Tells the longest that a producer waited while `doing`, and how long the machine kept even an idle timer waiting. */
async function stall(history: HistoryLog, note: (what: string) => void, what: string, doing: () => Promise<void>) {
  history.slowest = { ms: 0, client: '' };
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  await doing();
  await pause(CALM_MS);
  lag.disable();
  const { ms, client } = history.slowest;
  const lagMs = lag.max / 1e6;
  note(
    `${what}: longest wait for an acknowledgement ${Math.round(ms)} ms, ${client}; for the machine ${Math.round(lagMs)} ms`,
  );
  expect(ms, `${what}: stuck`).toBeLessThan(STUCK_MS);
}

async function restart(cluster: Cluster, index: number): Promise<void> {
  const member = cluster.members[index]!;
  expect(await cluster.stop(member), member.broker.log).toBe(0);
  await cluster.up(member);
  await settled(cluster);
}

describe('a cluster under load', () => {
  if (dynoxideBinary() === null) {
    test('is restarted', (context) => {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    });
    return;
  }

  test('is restarted broker by broker: nothing is lost, no producer is stuck', {
    timeout: 300_000,
  }, async () => {
    const { verdict } = await runTrial({
      seed: 5,
      brokers: 3,
      roles: ROLES,
      cluster: { network: 'loopback' },
      say,
      async meanwhile(cluster, note, history) {
        await settled(cluster);
        await pause(CALM_MS);
        await stall(history, note, 'calm', () => pause(CALM_MS));
        for (const [index, { name }] of cluster.members.entries()) {
          await stall(history, note, `${name} restarted`, () => restart(cluster, index));
        }
      },
    });
    say(JSON.stringify(verdict.totals));
    expect(verdict.totals.acknowledged).toBeGreaterThan(500);
  });

  test('grows from one broker to five and back', { timeout: 400_000 }, async () => {
    const { verdict } = await runTrial({
      seed: 6,
      brokers: 1,
      roles: ROLES,
      cluster: { network: 'loopback', environment: { MILLRACE_JOURNALS: String(JOURNALS * 2) } },
      say,
      async meanwhile(cluster, note, history) {
        await stall(history, note, 'calm', () => pause(CALM_MS));
        for (let count = 2; count <= 5; count++) {
          const grow = async () => {
            await cluster.up(await cluster.add());
            await settled(cluster);
          };
          await stall(history, note, `${count} brokers`, grow);
        }
        note(`journals per broker: ${await journalsPerBroker(cluster)}`);
        for (let count = 4; count >= 1; count--) {
          const shrink = async () => {
            const last = cluster.members[count]!;
            expect(await cluster.stop(last), last.broker.log).toBe(0);
            await settled(cluster);
          };
          await stall(history, note, `${count} brokers`, shrink);
        }
        expect(await journalsPerBroker(cluster)).toEqual([JOURNALS * 2]);
      },
    });
    say(JSON.stringify(verdict.totals));
  });
});
