import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PartitionQueue, sequenceAfter } from '../../../src/client/batching.ts';
import { Client } from '../../../src/client/client.ts';
import { encodeRecord } from '../../../src/client/outgoing-record.ts';
import { Producer, type ProducerOptions } from '../../../src/client/producer.ts';
import { partitionOfKey } from '../../../src/record/partitioner.ts';
import { StandInBroker } from './stand-in-broker.ts';
import { virtualTime } from './virtual-time.ts';

const text = (value: string) => ({ key: null, value: Buffer.from(value) });

async function open(broker: StandInBroker, options: ProducerOptions = {}, chance?: () => number) {
  const client = new Client({ url: 'http://broker', fetch: broker.fetch, runtime: virtualTime(chance) });
  return await Producer.open(client, 't', options);
}

const limits = { storedBytesMax: 1_000, bodyCharsMax: 2_000, recordsMax: 7 };

describe('a producer', () => {
  test('appends every record once and in order, whatever requests and answers are lost', async () => {
    const faults = fc.constantFrom('none', 'lost before', 'lost after', 'busy before', 'busy after') as fc.Arbitrary<
      'none' | 'lost before' | 'lost after'
    >;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ key: fc.option(fc.constantFrom('a', 'b', 'c', 'd')), pause: fc.nat(3) }), {
          maxLength: 80,
        }),
        fc.array(faults, { maxLength: 25 }), // Fewer in a row than the time-out allows.
        async (partitionCount, given, drawn) => {
          const fates = [...drawn];
          const broker = new StandInBroker(partitionCount);
          broker.fault = () => fates.shift() ?? 'none';
          const producer = await open(broker, { limits, requestsInFlightMax: 2 });
          for (const [index, { key, pause }] of given.entries()) {
            producer.enqueue({ key: key === null ? null : Buffer.from(key), value: Buffer.from(String(index)) });
            for (let turn = 0; turn < pause; turn++) await new Promise((resolve) => setImmediate(resolve));
          }
          await producer.flush();
          expect(producer.delivered).toBe(given.length);
          expect(broker.inFlightPerPartitionMax).toBeLessThan(2);
          const stored = broker.partitions.map((log) => log.map(({ value }) => Number(value)));
          for (const log of stored) expect(log).toEqual(log.toSorted((a, b) => a - b));
          expect(stored.flat().sort((a, b) => a - b)).toEqual(given.map((_, index) => index));
          for (const [partition, log] of broker.partitions.entries()) {
            for (const { key } of log) {
              if (key !== null) expect(partitionOfKey(Buffer.from(key), partitionCount)).toBe(partition);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('sends what comes while a request is under way together', async () => {
    const broker = new StandInBroker(1);
    const producer = await open(broker);
    producer.enqueue(text('first'));
    await producer.flush();
    for (let index = 0; index < 50; index++) producer.enqueue(text(String(index)));
    await producer.flush();
    expect(broker.requests).toEqual([
      { partition: 0, records: 1 },
      { partition: 0, records: 50 },
    ]);
  });

  test('spreads records without a key, a batch at a time', async () => {
    const broker = new StandInBroker(3);
    const producer = await open(broker, { limits });
    for (let index = 0; index < 21; index++) producer.enqueue(text(String(index)));
    await producer.flush();
    expect(broker.partitions.every((log) => log.length > 0)).toBe(true);
    expect(Math.max(...broker.partitions.map((log) => log.length))).toBeLessThanOrEqual(14);
  });

  test('halves a batch that the broker finds too large until it fits, and keeps the order', async () => {
    const broker = new StandInBroker(1);
    broker.recordsMax = 3;
    const producer = await open(broker);
    for (let index = 0; index < 20; index++) producer.enqueue(text(String(index)));
    await producer.flush();
    expect(broker.partitions[0]!.map(({ value }) => Number(value))).toEqual([...Array(20).keys()]);
  });

  test('fails for good at a record that is too large alone, and says which', async () => {
    const broker = new StandInBroker(1);
    broker.recordsMax = 0;
    const producer = await open(broker);
    producer.enqueue(text('one'));
    await expect(producer.flush()).rejects.toMatchObject({
      name: 'DeliveryError',
      firstNumber: 1,
      cause: { code: 'MESSAGE_TOO_LARGE' },
    });
    expect(() => producer.enqueue(text('two'))).toThrow('record 1: MESSAGE_TOO_LARGE');
    await expect(producer.ready()).rejects.toThrow('record 1');
  });

  test('waits while its buffer is full', async () => {
    const broker = new StandInBroker(1);
    let open_ = false;
    broker.fault = () => (open_ ? 'none' : 'busy before');
    const producer = await open(broker, { bufferBytesMax: 1_000 });
    while (producer.hasRoom) producer.enqueue(text('x'.repeat(100)));
    let ready = false;
    const waiting = producer.ready().then(() => {
      ready = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(ready).toBe(false);
    open_ = true;
    await waiting;
    await producer.flush();
  });

  test('gives up when the broker stays away longer than the time-out', async () => {
    const broker = new StandInBroker(1);
    broker.fault = () => 'lost before';
    const producer = await open(broker);
    producer.enqueue(text('one'));
    await expect(producer.flush()).rejects.toMatchObject({ cause: { code: 'REQUEST_TIMED_OUT' } });
  });

  test('refuses a partition that the topic does not have', async () => {
    const producer = await open(new StandInBroker(2));
    expect(() => producer.enqueue({ ...text('x'), partition: 2 })).toThrow('topic t has no partition 2: it has 2');
  });

  test('ends at once when it is aborted', async () => {
    const broker = new StandInBroker(1);
    broker.fault = () => 'busy before';
    const producer = await open(broker);
    producer.enqueue(text('one'));
    const flushed = producer.flush();
    producer.abort();
    await expect(flushed).rejects.toThrow('closed');
  });
});

describe('a record on the wire', () => {
  test.each([
    [{ key: null, value: null }, '{"value":null}'],
    [{ key: Buffer.from('k'), value: Buffer.from('v "q"') }, '{"key":"k","value":"v \\"q\\""}'],
    [{ key: Buffer.of(0xff), value: Buffer.of(0xfe) }, '{"key_base64":"/w==","value_base64":"/g=="}'],
    [
      {
        ...text('v'),
        timestamp: 5,
        headers: [
          ['h', Buffer.from('x')],
          ['h', null],
          ['b', Buffer.of(0xff)],
        ] as const,
      },
      '{"value":"v","headers":[["h","x"],["h",null],["b",{"base64":"/w=="}]],"timestamp":5}',
    ],
  ])('%#', (record, line) => expect(encodeRecord(record).line).toBe(line));
});

test('sequence numbers start again at 0 after 2^31 - 1', () => {
  expect(sequenceAfter(2_147_483_640, 7)).toBe(2_147_483_647);
  expect(sequenceAfter(2_147_483_647, 1)).toBe(0);
  expect(sequenceAfter(2_147_483_640, 10)).toBe(2);
});

test('a queue keeps every limit of a batch', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1_500 })), (lengths) => {
      const queue = new PartitionQueue(limits);
      for (const [index, length] of lengths.entries()) {
        queue.add({ line: 'x'.repeat(length), key: null, partition: null, storedBytes: length }, index + 1);
      }
      let next = 1;
      for (let batch = queue.take(); batch !== null; batch = queue.take()) {
        expect(batch.firstNumber).toBe(next);
        next += batch.lines.length;
        const bytes = batch.lines.reduce((sum, line) => sum + line.length, 0);
        expect(batch.lines.length).toBeLessThanOrEqual(limits.recordsMax);
        if (batch.lines.length > 1) expect(bytes).toBeLessThanOrEqual(limits.storedBytesMax);
      }
      expect(next).toBe(lengths.length + 1);
      expect(queue.isEmpty).toBe(true);
    }),
  );
});
