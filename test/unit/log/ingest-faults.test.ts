/**
 * Producers that pipeline over stores that are slow, fail, and lose answers. Whatever happens: what was acknowledged is
 * there once, at its offset, in the order in which it was sent; what surely failed is not there; what may have failed is
 * there at most once.
 */
import { describe, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import type { ProduceOutcome } from '../../../src/log/log.ts';
import type { OpenedLog } from '../../../src/log/open-log.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import { type FaultPlan, Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { ObjectPricing } from '../../../src/storage/object-store.ts';
import { RETRY_POLICY, retryingMetadataStore, retryingObjectStore } from '../../../src/storage/retrying.ts';
import { type VirtualRuntime, virtualRuntime } from '../storage/virtual-runtime.ts';
import { openWorld, readAll } from './world.ts';

const PARTITIONS = 5;

interface Sent {
  readonly partition: number;
  /** Place among all batches sent to the partition. */
  readonly place: number;
  readonly outcome: ProduceOutcome;
}

interface Sending {
  readonly batches: number;
  readonly producerId?: number;
}

/** Sends batches of random sizes to one partition without waiting for answers. */
async function pipeline(
  log: OpenedLog,
  topic: Topic,
  partition: number,
  runtime: VirtualRuntime,
  wish: Sending,
): Promise<Sent[]> {
  const answers: Promise<Sent>[] = [];
  for (let place = 0; place < wish.batches; place++) {
    const bytes = runtime.random.float() < 0.6 ? 50 : 20_000 + Math.floor(runtime.random.float() * 60_000);
    const records = batch(`${partition}/${place}`, bytes, place, wish.producerId);
    const given = [{ topicId: topic.topicId, partition, records }];
    answers.push(
      log.produce(given, { origin: 'kafka' }).then(([outcome]) => ({ partition, place, outcome: outcome! })),
    );
    records.fill(0); // The caller's buffer is its own again.
    if (runtime.random.float() < 0.5) await sleep(runtime.timers, runtime.random.float() * 8);
  }
  return Promise.all(answers);
}

function batch(name: string, bytes: number, sequence: number, producerId?: number): Buffer {
  const idempotent = producerId === undefined ? {} : { producerId, producerEpoch: 0, baseSequence: sequence };
  return buildBatch([{ key: null, value: `${name};`.padEnd(bytes, '.') }], { timestamp: 1_000_000, ...idempotent });
}

const FAULTS: FaultPlan = {
  latencyMs: [0, 10],
  slow: 0.1,
  slowMs: [10, 60],
  operations: {
    create: { faults: { throttled: 0.05, 'error-before': 0.1, 'answer-lost': 0.1, 'late-effect': 0.05 } },
    read: { faults: { 'error-before': 0.05, throttled: 0.03 } },
    put: { faults: { 'error-before': 0.03, 'answer-lost': 0.03, 'late-effect': 0.02 } },
  },
};

async function runScenario(seed: number, journals: number, pricing: ObjectPricing, sending: Sending) {
  const runtime = virtualRuntime(seed);
  const objectFaults = new Faults(runtime);
  const metadataFaults = new Faults(runtime);
  const policy = { ...RETRY_POLICY, attemptsMax: 2 };
  const metadataPricing = pricing.create > 0 ? { writeUnit: 0.625, readUnit: 0.125 } : { writeUnit: 0, readUnit: 0 };
  const memory = new MemoryMetadataStore({ pricing: metadataPricing });
  const objects = retryingObjectStore(
    faultyObjectStore(new MemoryObjectStore({ clock: runtime.clock, pricing }), objectFaults),
    runtime,
    policy,
  );
  const metadata = retryingMetadataStore(faultyMetadataStore(memory, metadataFaults), runtime);
  const world = await openWorld({ journals, runtime, objects, metadata, journal: { hedge: false } });
  const { log, topics } = world;
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  objectFaults.plan = FAULTS;
  metadataFaults.plan = FAULTS;
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const sent = await Promise.all(partitions.map((partition) => pipeline(log, topic, partition, runtime, sending)));
  objectFaults.heal();
  metadataFaults.heal();
  const read = await Promise.all(partitions.map((partition) => readAll(log, topic, partition)));
  expect(log.leases).toBe(0);
  await world.close();
  return { sent, read };
}

/** `offset:partition/place;....` */
function parse(record: string): { offset: number; place: number } {
  const [, offset, place] = /^(\d+):\d+\/(\d+);/.exec(record)!;
  return { offset: Number(offset), place: Number(place) };
}

function check(sent: readonly Sent[], read: readonly string[]): void {
  const found = read.map(parse);
  const places = found.map(({ place }) => place);
  expect(new Set(places).size, 'nothing is there twice').toBe(places.length);
  expect(found.map(({ offset }) => offset)).toEqual(found.map((_, index) => index));
  // A batch that failed and one behind it that did not are in order all the same: nothing is sent again here.
  expect(places).toEqual([...places].sort((a, b) => a - b));
  for (const { place, outcome } of sent) {
    const offset = found.find((each) => each.place === place)?.offset;
    if ('baseOffset' in outcome) expect(offset, `acknowledged ${place}`).toBe(outcome.baseOffset);
    else if ('noSideEffects' in outcome && outcome.noSideEffects) expect(offset, `refused ${place}`).toBeUndefined();
  }
}

const FREE: ObjectPricing = { create: 0, read: 0, list: 0 };
const AWS: ObjectPricing = { create: 0.000005, read: 0.0000004, list: 0.000005 };
const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);

describe.each([
  { journals: 1, pricing: FREE, stores: 'free stores' },
  { journals: 4, pricing: FREE, stores: 'free stores' },
  { journals: 1, pricing: AWS, stores: 'priced stores' },
  { journals: 4, pricing: AWS, stores: 'priced stores' },
])('with $journals journals on $stores', ({ journals, pricing }) => {
  test.each(SEEDS)('acknowledged batches are there once and in order, seed %i', async (seed) => {
    const { sent, read } = await runScenario(seed, journals, pricing, { batches: 40 });
    for (const [partition, ofPartition] of sent.entries()) check(ofPartition, read[partition]!);
    const acknowledged = sent.flat().filter(({ outcome }) => outcome.error === 'NONE').length;
    expect(acknowledged, 'not all may fail').toBeGreaterThan(20);
  });

  test('an idempotent producer whose batch fails is refused until it sends that batch again', async () => {
    const { sent, read } = await runScenario(99, journals, pricing, { batches: 40, producerId: 7 });
    for (const [partition, ofPartition] of sent.entries()) {
      check(ofPartition, read[partition]!);
      const places = read[partition]!.map((record) => parse(record).place);
      expect(places, 'without gaps').toEqual(places.map((_, index) => index));
    }
  });
});
