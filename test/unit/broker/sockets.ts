/** A listener on a free port and clients of it, closed after each test. */
import { afterEach, expect } from 'vitest';
import { type KafkaListener, type KafkaListenerOptions, listenKafka } from '../../../src/broker/server.ts';
import type { Given } from '../../../src/config.ts';
import { buildBatch } from '../../../src/record/records.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import { KafkaClient } from '../../integration/kafka-client.ts';
import { type Door, door } from './door.ts';

const listeners: KafkaListener[] = [];
const clients: KafkaClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const listener of listeners.splice(0)) await listener.close({ drainMs: 500 });
});

export interface Listening {
  readonly broker: Door;
  readonly listener: KafkaListener;
  connect(): Promise<KafkaClient>;
}

export async function listening(
  given: Given = {},
  options: Partial<KafkaListenerOptions> & { readonly logger?: Logger } = {},
): Promise<Listening> {
  const opened = door(given, options.logger);
  const broker = { ...opened, runtime: options.runtime ?? opened.runtime };
  await broker.topics.create({ name: 'orders', config: {}, partitions: 2 });
  const address = { host: '127.0.0.1', port: 0 };
  const listener = await listenKafka({ ...broker, address, advertised: null, ...options });
  listeners.push(listener);
  const connect = async () => {
    const client = await KafkaClient.connect(listener.address);
    clients.push(client);
    return client;
  };
  return { broker, listener, connect };
}

export const batch = (value: string) => buildBatch([{ key: null, value }], { timestamp: 1_700_000_000_000 });

export const produceOf = (records: Buffer, acks = -1) => ({
  acks,
  timeoutMs: 1_000,
  topics: [{ name: 'orders', partitions: [{ index: 0, records }] }],
});

export const fetchOf = (fetchOffset: number, { maxWaitMs = 0, minBytes = 1, maxBytes = 64 * 1024 * 1024 } = {}) => ({
  maxWaitMs,
  minBytes,
  maxBytes,
  topics: [{ name: 'orders', partitions: [{ index: 0, fetchOffset, partitionMaxBytes: maxBytes }] }],
});

/** Waits until something is so: for what happens on the other side of a socket. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  for (let waited = 0; waited < withinMs; waited += 5) {
    if (await isSo()) return;
    await pause(5);
  }
  throw new Error(`still not so after ${withinMs} ms: ${what}`);
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Value of a metric without labels. */
export async function metric(broker: Door, name: string): Promise<number> {
  const line = (await broker.runtime.metrics.expose()).split('\n').find((text) => text.startsWith(`millrace_${name} `));
  return Number(line?.split(' ')[1]);
}

/** The broker takes records and gives them back, and nothing is left over from what came before. */
export async function expectHealthy({ broker, listener, connect }: Listening): Promise<void> {
  const client = await connect();
  const produced = await client.call('Produce', 9, produceOf(batch('still here')));
  const { errorCode, baseOffset } = produced.topics[0]!.partitions[0]!;
  expect(errorCode).toBe(0);
  const fetched = await client.call('Fetch', 12, fetchOf(baseOffset));
  expect(fetched.topics[0]!.partitions[0]!.records).toHaveLength(batch('still here').length);
  await client.close();
  await until('all connections are closed', () => listener.connectionCount === 0);
  expect(listener.requestsInFlight).toBe(0);
  expect(broker.log.unreleased).toBe(0);
  expect(await metric(broker, 'kafka_frame_bytes')).toBe(0);
  expect(await metric(broker, 'kafka_unsent_bytes')).toBe(0);
}
