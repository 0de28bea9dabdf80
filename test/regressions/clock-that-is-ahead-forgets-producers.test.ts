/**
 * A leader whose clock was weeks ahead forgot what idempotent producers had appended, when there was nothing for retention to
 * drop and nobody compared clocks: their repeats were appended again.
 */
import { expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openWronglyTimed } from '../unit/coordinator/wrong-clock.ts';

const DAY_MS = 86_400_000;

test('a leader whose clock is ahead forgets no producers', async () => {
  const { core, clock } = await openWronglyTimed();
  const { topicId } = await core.topics.create({ name: 'orders', partitions: 1, config: { 'retention.ms': '-1' } });
  const producer = { producerId: 1_000, producerEpoch: 0, baseSequence: 0 };
  const records = buildBatch([{ key: null, value: 'x' }], { timestamp: systemClock.now(), ...producer });
  const produce = async () => (await core.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' }))[0];
  await produce();
  clock.aheadMs = 30 * DAY_MS;
  await expect(core.lifecycle.retain(AbortSignal.timeout(10_000))).rejects.toThrow('clocks');
  clock.aheadMs = 0;
  expect(await produce()).toMatchObject({ error: 'NONE', baseOffset: 0, duplicate: true });

  // A clock that goes on evenly is compared once.
  clock.lists = 0;
  for (let pass = 0; pass < 3; pass++) await core.lifecycle.retain(AbortSignal.timeout(10_000));
  expect(clock.lists).toBe(1);
  await core.close();
});
