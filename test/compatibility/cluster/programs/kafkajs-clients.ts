/** KafkaJS as workers of a history: `node kafkajs-clients.ts CONFIG`, events on its output, ends when its input does. */
import { createRequire } from 'node:module';
import kafkajs, { type Consumer } from 'kafkajs';
import { chance } from '../../../stand-ins/chance.ts';
import { config, pause, recordOf, runRoles, stopping, valueIn, WorkerClient } from './worker.ts';

process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

const { Kafka, KafkaJSError, logLevel } = kafkajs;
const { topics, seed, pauseMs } = config;

const kafka = new Kafka({
  clientId: 'kafkajs',
  brokers: config.bootstrap.split(','),
  logLevel: logLevel.NOTHING,
  connectionTimeout: 3_000,
  requestTimeout: 30_000,
  retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 40 },
});

interface Runner {
  readonly running: boolean;
  fetch(nodeId: number): Promise<readonly unknown[]>;
}

/**
 * A consumer of KafkaJS 2.2.4 that is stopped while it waits for its fetchers to end, because its partitions are now at other
 * brokers, starts new ones afterwards (`fetchManager.start`). Those ask a runner that does not run, which answers with nothing,
 * at once, for ever: the process never comes to anything else again. An error ends them.
 */
function endFetchersOfStoppedConsumers(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as { readonly prototype: Runner };
  const { fetch } = prototype;
  prototype.fetch = function (this: Runner, nodeId) {
    return this.running ? fetch.call(this, nodeId) : Promise.reject(new KafkaJSError('the consumer was stopped'));
  };
}

endFetchersOfStoppedConsumers();

/** After an error KafkaJS no longer knows its sequence numbers, so each error ends a producer. */
async function idempotent(index: number): Promise<void> {
  const draw = chance(seed + index);
  while (!stopping.aborted) {
    const client = new WorkerClient('KafkaJS idempotent producer', { ordered: true });
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    try {
      await producer.connect();
      for (let going = true; going && !stopping.aborted; ) {
        const partition = draw.within(0, topics['plain']!);
        const values = Array.from({ length: draw.within(1, 4) }, () => client.nextValue());
        for (const value of values) client.tell({ f: 'send', type: 'invoke', value, partition: `plain/${partition}` });
        try {
          const messages = values.map((value) => ({
            partition,
            value: recordOf(value, draw.pick([0, 50, 200, 20_000])),
          }));
          const [answer] = await producer.send({ topic: 'plain', acks: -1, messages });
          const base = Number(answer!.baseOffset);
          for (const [at, value] of values.entries()) client.tell({ f: 'send', type: 'ok', value, offset: base + at });
        } catch {
          for (const value of values) client.tell({ f: 'send', type: 'info', value });
          going = false;
        }
        await pause(pauseMs);
      }
    } catch {
      await pause(500); // Could not connect.
    }
    await producer.disconnect().catch(() => {});
  }
}

async function transactional(index: number): Promise<void> {
  const draw = chance(seed + index);
  while (!stopping.aborted) {
    const client = new WorkerClient('KafkaJS transactional producer', { ordered: true });
    const transactionalId = `kafkajs-${index}`;
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      transactionalId,
      transactionTimeout: 30_000,
    });
    try {
      await producer.connect();
      for (let txn = 0; !stopping.aborted; txn++) {
        const transaction = await producer.transaction();
        for (let count = draw.within(1, 4); count > 0; count--) {
          const partition = draw.within(0, topics['txn']!);
          const value = client.nextValue();
          client.tell({ f: 'send', type: 'invoke', value, partition: `txn/${partition}`, txn });
          const messages = [{ partition, value: recordOf(value, draw.pick([0, 100, 2_000])) }];
          const [answer] = await transaction.send({ topic: 'txn', acks: -1, messages });
          client.tell({ f: 'send', type: 'ok', value, offset: Number(answer!.baseOffset) });
        }
        const commit = draw.float() < 0.75;
        client.tell({ f: 'end', type: 'invoke', txn, commit });
        await (commit ? transaction.commit() : transaction.abort());
        client.tell({ f: 'end', type: 'ok', txn, commit });
        await pause(pauseMs);
      }
    } catch {
      await pause(500); // What is open is aborted by the next producer of the same transactional id.
    }
    await producer.disconnect().catch(() => {});
  }
}

/**
 * Reads everything: of two aborted transactions that begin at or before the first record of a fetch KafkaJS 2.2.4 leaves out
 * only one (`filterAbortedMessages` looks at one a record), so what it takes for committed says nothing.
 */
async function group(index: number): Promise<void> {
  const draw = chance(seed + index);
  while (!stopping.aborted) {
    const client = new WorkerClient('KafkaJS member', { isolation: 'read_uncommitted' });
    const consumer = kafka.consumer({
      groupId: 'group-kafkajs',
      sessionTimeout: 10_000,
      rebalanceTimeout: 15_000,
      maxWaitTimeInMs: 200,
      heartbeatInterval: 1_000,
      readUncommitted: true,
    });
    consumer.on(consumer.events.GROUP_JOIN, () => client.tell({ f: 'assign' }));
    const crashed = new Promise<void>((resolve) => consumer.on(consumer.events.CRASH, () => resolve()));
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: ['plain', 'txn'], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async ({ batch, resolveOffset, heartbeat, isStale, isRunning }) => {
          if (isStale() || !isRunning()) return;
          const records = batch.messages.map(
            ({ offset, value }) => [Number(offset), valueIn(value!.toString())] as const,
          );
          if (records.length > 0)
            client.tell({ f: 'poll', records: { [`${batch.topic}/${batch.partition}`]: records } });
          resolveOffset(batch.lastOffset());
          await heartbeat();
          if (draw.float() < 0.2) await commit(client, consumer, batch.topic, batch.partition, batch.lastOffset());
        },
      });
      const leave = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, draw.within(15_000, 60_000));
        stopping.addEventListener('abort', () => resolve(clearTimeout(timer)), { once: true });
      });
      await Promise.race([crashed, leave]);
    } catch {
      await pause(500);
    }
    await consumer.disconnect().catch(() => {});
  }
}

async function commit(client: WorkerClient, consumer: Consumer, topic: string, partition: number, last: string) {
  const offset = Number(last) + 1;
  const op = client.nextOp();
  const name = { op, group: 'group-kafkajs' };
  client.tell({ f: 'commit', type: 'invoke', ...name, offsets: { [`${topic}/${partition}`]: offset } });
  try {
    await consumer.commitOffsets([{ topic, partition, offset: String(offset) }]);
    client.tell({ f: 'commit', type: 'ok', ...name });
  } catch (cause) {
    client.tell({ f: 'commit', type: 'info', ...name });
    throw cause; // KafkaJS looks at it and joins again where it has to.
  }
}

await runRoles({ idempotent, transactional, group });
process.exit(0); // KafkaJS keeps timers.
