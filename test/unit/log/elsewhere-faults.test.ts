/**
 * Producers that pipeline at brokers of a cluster while leaders change and calls between brokers fail: before they arrive,
 * after they were carried out, or with the question arriving long after its caller was told that it is lost. Nothing that is
 * produced may fail, nothing may be there twice, and what one broker took in for a partition stays in order.
 */
import { expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import type { ProduceOutcome } from '../../../src/log/log.ts';
import type { OpenedLog } from '../../../src/log/open-log.ts';
import { buildBatch } from '../../../src/record/records.ts';
import type { RpcMethod } from '../../../src/rpc/method.ts';
import { type CallOptions, type Peers, PeerUnavailableError } from '../../../src/rpc/peers.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import { type VirtualRuntime, virtualRuntime } from '../storage/virtual-runtime.ts';
import { openLogCluster } from './log-cluster.ts';
import { readAll } from './world.ts';

const PARTITIONS = 3;

interface Sent {
  readonly partition: number;
  readonly place: number;
  readonly outcome: ProduceOutcome;
}

/** Calls of one broker: in order unless they fail. */
class StormyPeers implements Peers {
  readonly #peers: Peers;
  readonly #runtime: VirtualRuntime;
  readonly #storm: { strength: number };
  readonly #arrivals = new Map<number, number>();

  constructor(peers: Peers, runtime: VirtualRuntime, storm: { strength: number }) {
    this.#peers = peers;
    this.#runtime = runtime;
    this.#storm = storm;
  }

  async call<Request, Response>(
    brokerId: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    const { random, clock, timers } = this.#runtime;
    // As over a wire: what the caller changes afterwards is not seen.
    const copied = method.decodeRequest(Buffer.concat(method.encodeRequest(request)));
    const { strength } = this.#storm;
    const arrivesAt = Math.max(this.#arrivals.get(brokerId) ?? 0, clock.monotonic() + random.float() * 3);
    const fate = random.float() / strength;
    if (fate < 0.05) throw new PeerUnavailableError('the storm broke the connection', false);
    if (fate < 0.15) {
      const { signal: _, ...forgotten } = options;
      const late = async () => {
        await sleep(timers, random.float() * 400);
        await this.#peers.call(brokerId, method, copied, forgotten);
      };
      late().catch(() => undefined);
      throw new PeerUnavailableError('the storm broke the connection', true);
    }
    this.#arrivals.set(brokerId, arrivesAt);
    await sleep(timers, arrivesAt - clock.monotonic(), options.signal);
    const answer = await this.#peers.call(brokerId, method, copied, options);
    if (fate < 0.25) throw new PeerUnavailableError('the storm took the answer', true);
    await sleep(timers, random.float() * 3, options.signal);
    return answer;
  }
}

async function pipeline(
  log: OpenedLog,
  topic: Topic,
  partition: number,
  name: string,
  runtime: VirtualRuntime,
): Promise<Sent[]> {
  const answers: Promise<Sent>[] = [];
  for (let place = 0; place < 40; place++) {
    const bytes = runtime.random.float() < 0.6 ? 50 : 20_000 + Math.floor(runtime.random.float() * 90_000);
    const value = `${name}/${place};`.padEnd(bytes, '.');
    const records = buildBatch([{ key: null, value }], { timestamp: 1_000_000 });
    const given = [{ topicId: topic.topicId, partition, records }];
    answers.push(
      log.produce(given, { origin: 'kafka' }).then(([outcome]) => ({ partition, place, outcome: outcome! })),
    );
    records.fill(0);
    if (runtime.random.float() < 0.7) await sleep(runtime.timers, runtime.random.float() * 40);
  }
  return Promise.all(answers);
}

const SEEDS = Array.from({ length: 6 }, (_, index) => index + 1);

test.each(SEEDS)('records of every broker are there once and in order, whoever leads, seed %i', async (seed) => {
  const runtime = virtualRuntime(seed);
  const storm = { strength: 0 };
  const journals = 1 + (seed % 2);
  const cluster = await openLogCluster({
    runtime,
    journals,
    wrapPeers: (peers) => new StormyPeers(peers, runtime, storm),
  });
  const { brokers, topics } = cluster;
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  storm.strength = 1;
  let isOver = false;
  const churn = async () => {
    while (!isOver) {
      await sleep(runtime.timers, runtime.random.float() * 300);
      const broker = brokers[Math.floor(runtime.random.float() * brokers.length)]!;
      const journal = Math.floor(runtime.random.float() * journals);
      if (runtime.random.float() < 0.5) await cluster.lead(broker, journal);
      else await cluster.usurp(broker, journal);
    }
  };
  const churning = churn();
  const sent = new Map<string, Sent[]>();
  await Promise.all(
    brokers.flatMap(({ log, brokerId }) =>
      Array.from({ length: PARTITIONS }, async (_, partition) => {
        const name = `${brokerId}-${partition}`;
        sent.set(name, await pipeline(log, topic, partition, name, runtime));
      }),
    ),
  );
  isOver = true;
  await churning;
  storm.strength = 0;
  // A leader that does not know of its successor is merely old.
  await Promise.all(brokers.flatMap(({ seats }) => [...seats].map((seat) => seat.confirmLeadership())));
  for (let journal = 0; journal < journals; journal++) await cluster.lead(brokers[0]!, journal);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const all = await Promise.all(brokers.map(({ log }) => readAll(log, topic, partition)));
    const read = all.map((records) => records.map((record) => record.replace(/\.+$/, '')));
    expect(read[1]).toEqual(read[0]);
    expect(read[2]).toEqual(read[0]);
    for (const { brokerId } of brokers) check(`${brokerId}-${partition}`, read[0]!, sent);
  }
  await cluster.close();
});

function check(name: string, read: readonly string[], sent: ReadonlyMap<string, readonly Sent[]>): void {
  const found = read.flatMap((record) => {
    const [, offset, from, place] = /^(\d+):([^/]+)\/(\d+);/.exec(record)!;
    return from === name ? [{ offset: Number(offset), place: Number(place) }] : [];
  });
  const outcomes = sent.get(name)!;
  expect(
    found.map(({ place }) => place),
    `all of ${name} once and in order`,
  ).toEqual(outcomes.map(({ place }) => place));
  for (const { place, outcome } of outcomes) {
    expect(outcome, `${name}/${place}`).toMatchObject({ error: 'NONE', baseOffset: found[place]!.offset });
  }
}
