/**
 * A group over 12 partitions while members join, leave, crash and stall for longer than their session, and the broker is
 * killed: no record is missed, and none is given to two members of one generation.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type StoresKind, storesKinds } from '../broker.ts';
import { missingPrograms, type Program, Stage, skipWithReason, until } from './programs.ts';

const PARTITIONS = 12;
const SESSION_MS = 3_000;
const TOPIC = 'work';
const GROUP = 'workers';
const SEND_EVERY_MS = 20;

const CLASSIC = ['group.protocol=classic', `session.timeout.ms=${SESSION_MS}`, 'heartbeat.interval.ms=300'];
const ASSIGNORS = 'org.apache.kafka.clients.consumer';
const PROTOCOLS = {
  'classic, eager': [...CLASSIC, `partition.assignment.strategy=${ASSIGNORS}.RangeAssignor`],
  'classic, cooperative': [...CLASSIC, `partition.assignment.strategy=${ASSIGNORS}.CooperativeStickyAssignor`],
  'consumer protocol': ['group.protocol=consumer'],
} as const;

const RUNS: readonly (readonly [protocol: keyof typeof PROTOCOLS, kind: StoresKind])[] = [
  ['classic, eager', 'embedded'],
  ['classic, cooperative', 'S3 and DynamoDB'],
  ['consumer protocol', 'embedded'],
  ['consumer protocol', 'S3 and DynamoDB'],
];

const report = (line: string): void => void process.stdout.write(`  ${line}\n`);

/** Sends numbers, each once, in turn to all partitions, until it is told to stop; answers how many. */
function sending(stage: Stage): () => Promise<number> {
  let sent = 0;
  let stopping = false;
  const work = async () => {
    const producer = stage.kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    while (!stopping) {
      const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, value: String(sent++) }));
      await producer.send({ topic: TOPIC, acks: -1, messages });
      await pause(SEND_EVERY_MS);
    }
    await producer.disconnect();
    return sent;
  };
  const done = work();
  done.catch(() => {}); // Whoever stops it hears of it.
  return () => {
    stopping = true;
    return done;
  };
}

interface Delivery {
  readonly member: Program;
  readonly generation: number;
  readonly partition: number;
  readonly offset: number;
  readonly value: number;
}

const deliveries = (stage: Stage): Delivery[] =>
  stage.programs.flatMap((member) =>
    member.told('record').map(([, generation, partition, offset, value]) => ({
      member,
      generation: Number(generation),
      partition: Number(partition),
      offset: Number(offset),
      value: Number(value),
    })),
  );

describe.each(RUNS.filter(([, kind]) => storesKinds().includes(kind)))('%s, on %s', (protocol, kind) => {
  const missing = missingPrograms();
  if (missing !== null) return skipWithReason(missing);
  let stage: Stage;
  afterEach(() => stage?.close());

  const join = (): Program => stage.start('Member', TOPIC, GROUP, ...PROTOCOLS[protocol]);
  const held = (member: Program): number => Number(member.last('assigned') ?? 0);
  /** Since the line `from` of its output the member has read something. */
  const reads = (member: Program, from = 0) =>
    until('reads', () => member.lines.slice(from).some(([word]) => word === 'record'));

  test('no record is missed and none is given to two members of one generation', async () => {
    stage = await Stage.open(kind, { MILLRACE_GROUP_CONSUMER_SESSION_TIMEOUT_MS: String(SESSION_MS) });
    await stage.topic(TOPIC, PARTITIONS);
    const [first, second, third] = [join(), join(), join()];
    await until('all have partitions', () => [first, second, third].every((member) => held(member) === 4));
    const stopSending = sending(stage);
    await Promise.all([first, second, third].map((member) => reads(member)));

    const fourth = join();
    await reads(fourth);
    await first.stop(); // Leaves.
    await second.kill(); // Crashes.
    const fifth = join();
    await reads(fifth);
    third.freeze(); // Stalls until it has lost its partitions.
    await pause(SESSION_MS + 1_500);
    const before = third.lines.length;
    third.thaw();
    await reads(third, before);
    await stage.restartBroker();
    await pause(1_500);

    const sent = await stopSending();
    await until('every record is given', () => new Set(deliveries(stage).map(({ value }) => value)).size >= sent);
    for (const member of [third, fourth, fifth]) await member.stop();

    const all = deliveries(stage);
    const given = new Map<string, Program>();
    for (const { member, generation, partition, offset } of all) {
      const key = `generation ${generation}, partition ${partition}, offset ${offset}`;
      expect(given.get(key) ?? member, `${key} is given to two members`).toBe(member);
      given.set(key, member);
    }
    expect(new Set(all.map(({ value }) => value))).toEqual(new Set(Array.from({ length: sent }, (_, value) => value)));
    const generations = new Set(all.map(({ generation }) => generation)).size;
    report(`${protocol}: ${sent} records given ${all.length} times in ${generations} generations`);
    expect(stage.broker.log).toBe('');
  });
});
