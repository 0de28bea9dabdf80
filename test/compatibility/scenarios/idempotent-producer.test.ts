/** A Java producer, idempotent as it comes, with batches in flight while the broker is killed again and again. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { storesKinds } from '../broker.ts';
import { missingPrograms, Stage, skipWithReason, until } from './programs.ts';

const PARTITIONS = 3;
const COUNT = 30_000;
const PAUSE_MICROS = 300;
const RESTARTS = 4;

describe.each(storesKinds())('on %s', (kind) => {
  const missing = missingPrograms();
  if (missing !== null) return skipWithReason(missing);
  let stage: Stage;
  afterEach(() => stage?.close());

  test('every number is there once and in order through restarts of the broker', async () => {
    stage = await Stage.open(kind);
    const topic = await stage.topic('numbers', PARTITIONS);
    const producer = stage.start('Numbers', topic, PARTITIONS, COUNT, PAUSE_MICROS);
    for (let restart = 0; restart < RESTARTS; restart++) {
      const before = Number(producer.last('acknowledged') ?? 0);
      await until('more are acknowledged', () => Number(producer.last('acknowledged') ?? 0) > before + COUNT / 20);
      await stage.restartBroker();
    }
    await until('all are sent', () => producer.last('sent') !== undefined, 60_000);
    await producer.ended();
    expect(producer.told('failed')).toEqual([]);
    expect(producer.last('sent')).toBe(String(COUNT));
    await pause(100);
    const expected = Array.from({ length: PARTITIONS }, (_, partition) =>
      Array.from({ length: COUNT / PARTITIONS }, (_, index) => String(index * PARTITIONS + partition)),
    );
    expect(await stage.read(topic, PARTITIONS)).toEqual(expected);
  });
});
