/**
 * Two processes consume, transform and produce under exactly-once, while one after the other of them, and the broker, is
 * killed at random points: the output is the input, once and in order.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type StoresKind, storesKinds } from '../broker.ts';
import { chances, missingPrograms, type Program, Stage, skipWithReason, until } from './programs.ts';

const PARTITIONS = 4;
const KILLS = 8;
const STEP = 1_200;
const RECORDS = STEP * (KILLS + 1);
const [SOURCE, OUT] = ['source', 'out'];

const RUNS: readonly (readonly [protocol: string, kind: StoresKind])[] = [
  ['classic', 'embedded'],
  ['consumer', 'S3 and DynamoDB'],
];

describe.each(RUNS.filter(([, kind]) => storesKinds().includes(kind)))('group protocol %s, on %s', (protocol, kind) => {
  const missing = missingPrograms();
  if (missing !== null) return skipWithReason(missing);
  let stage: Stage;
  afterEach(() => stage?.close());

  test('the output is the input, once and in order, whoever is killed', async () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
    process.stdout.write(`  SEED=${seed}\n`);
    const random = chances(seed);
    stage = await Stage.open(kind, { MILLRACE_GROUP_CONSUMER_SESSION_TIMEOUT_MS: '3000' });
    await stage.topic(SOURCE, PARTITIONS);
    await stage.topic(OUT, PARTITIONS);
    const producer = stage.kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const values = Array.from({ length: RECORDS }, (_, index) => `record ${index}`);
    const send = async (from: number, end: number) => {
      const messages = values
        .slice(from, end)
        .map((value, index) => ({ value, partition: (from + index) % PARTITIONS }));
      await producer.send({ topic: SOURCE, acks: -1, messages });
    };

    let stopping = false;
    const live: Program[] = [];
    const starts = [0, 0];
    /** Starts one again whenever it has ended. */
    const supervise = async (index: number) => {
      while (!stopping) {
        starts[index]!++;
        live[index] = stage.start('Chain', SOURCE, OUT, 'chain', `chain-${index}`, protocol);
        await live[index].ended();
      }
    };
    const supervised = [supervise(0), supervise(1)];
    const moved = () =>
      stage.programs.reduce((sum, each) => each.told('moved').reduce((all, [, count]) => all + Number(count), sum), 0);

    let sent = 0;
    for (let kill = 0; kill < KILLS; kill++, sent += STEP) {
      await send(sent, sent + STEP);
      const before = moved();
      await until('some are moved', () => moved() > before);
      await pause(random() * 400);
      if (random() < 0.4) await stage.restartBroker();
      else await live[random() < 0.5 ? 0 : 1]!.kill();
    }
    await send(sent, RECORDS);
    await producer.disconnect();

    const source = await stage.read(SOURCE, PARTITIONS);
    expect(new Set(source.flat())).toEqual(new Set(values));
    const expected = source.map((partition) => partition.map((value) => `out of ${value}`));
    const count = async () => (await stage.read(OUT, PARTITIONS)).flat().length;
    await until('everything is through', async () => (await count()) >= source.flat().length, 40_000);
    stopping = true;
    await Promise.all(live.map((program) => program.kill()));
    await Promise.all(supervised);
    expect(await stage.read(OUT, PARTITIONS)).toEqual(expected);
    const written = (await stage.read(OUT, PARTITIONS, 'read_uncommitted')).flat().length;
    process.stdout.write(
      `  ${protocol}: ${RECORDS} records through ${starts.join(' and ')} starts, ${written} written\n`,
    );
    expect(stage.broker.log).toBe('');
  });
});
