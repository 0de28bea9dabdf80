/** Two producers fight over one transactional id: the older is fenced, and what is read was committed, whole and once. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { storesKinds } from '../broker.ts';
import { missingPrograms, Stage, skipWithReason, until } from './programs.ts';

const PARTITIONS = 3;
const RECORDS = 30;
const FIGHT_MS = 10_000;
const NAMES = ['one', 'two'] as const;

describe.each(storesKinds())('on %s', (kind) => {
  const missing = missingPrograms();
  if (missing !== null) return skipWithReason(missing);
  let stage: Stage;
  afterEach(() => stage?.close());

  test('a transaction is read wholly or not at all, and never when its producer was fenced', async () => {
    stage = await Stage.open(kind);
    const topic = await stage.topic('fought-over', PARTITIONS);
    const rivals = NAMES.map((name) => stage.start('Rival', topic, 'contested', name, RECORDS));
    await until('both are fenced', () => rivals.every((rival) => rival.told('fenced').length >= 2));
    await pause(FIGHT_MS);
    for (const rival of rivals) await rival.kill();
    // A new owner ends what was open.
    const last = stage.start('Rival', topic, 'contested', 'last', RECORDS);
    await until('the last one commits', () => last.told('committed').length > 0);
    await last.kill();

    const counts = new Map<string, number>();
    const partitions = await stage.read(topic, PARTITIONS);
    for (const value of partitions.flat()) {
      const transaction = value.slice(0, value.lastIndexOf('-'));
      counts.set(transaction, (counts.get(transaction) ?? 0) + 1);
    }
    for (const [transaction, count] of counts) expect(count, `records of ${transaction}`).toBe(RECORDS);
    expect(new Set(partitions.flat()).size, 'no record twice').toBe(partitions.flat().length);
    const all = [...rivals.map((rival, index) => [NAMES[index]!, rival] as const), ['last', last] as const];
    let [committed, fenced] = [0, 0];
    for (const [name, rival] of all) {
      for (const [, number] of rival.told('committed')) {
        expect(counts.has(`${name}-${number}`), `${name}-${number} was committed`).toBe(true);
        committed++;
      }
      for (const [, number] of rival.told('fenced')) {
        expect(counts.has(`${name}-${number}`), `${name}-${number} was fenced`).toBe(false);
        fenced++;
      }
    }
    process.stdout.write(`  ${committed} transactions committed, ${fenced} fenced\n`);
    expect(committed).toBeGreaterThan(2);
    expect(stage.broker.log).toBe('');
  });
});
