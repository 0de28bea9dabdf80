/** Bytes that no client should send. After each, the broker serves as before and holds nothing of it. */
import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorName } from '../../../src/errors.ts';
import { APIS } from '../../../src/protocol/apis.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { type LogFields, silentLogger } from '../../../src/runtime/logger.ts';
import { requestBytes } from '../../integration/kafka-client.ts';
import {
  batch,
  expectHealthy,
  fetchOf,
  type Listening,
  listening,
  metric,
  pause,
  produceOf,
  until,
} from './sockets.ts';

const KIB = 1024;

/** Sends bytes and answers all that comes back until the broker closes. */
async function exchange({ listener }: Listening, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(listener.address);
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
    socket.on('connect', () => socket.write(bytes));
  });
  return Buffer.concat(received);
}

const sized = (size: number, ...rest: number[]) => {
  const bytes = Buffer.alloc(4 + rest.length);
  bytes.writeInt32BE(size);
  Buffer.from(rest).copy(bytes, 4);
  return bytes;
};

const frame = (apiKey: number, version: number) => {
  const bytes = Buffer.alloc(14);
  bytes.writeInt32BE(10, 0);
  bytes.writeInt16BE(apiKey, 4);
  bytes.writeInt16BE(version, 6);
  bytes.writeInt16BE(-1, 12);
  return bytes;
};

describe('bytes that are no requests', () => {
  test.each([
    ['a frame longer than the limit', sized(64 * KIB + 1, 0, 0)],
    ['a frame of the largest size that can be said', sized(0x7fffffff)],
    ['a frame of negative size', sized(-5, 1, 2, 3)],
    ['a frame of no bytes', sized(0)],
    ['a frame too short for a header', sized(7, 0, 3, 0, 1, 0, 0, 0)],
    ['a client id that is longer than its frame', sized(10, 0, 3, 0, 1, 0, 0, 0, 9, 0x7f, 0xff)],
    ['an unknown API key', frame(999, 0)],
    ['a version that is not served', frame(APIS.Fetch.key, 3)],
    ['a TLS handshake', Buffer.from('160301020001000200', 'hex')],
    ['text', Buffer.from('hello, is anybody there?\r\n')],
    [
      'an array that claims more elements than there are bytes',
      Buffer.concat([sized(14), frame(3, 1).subarray(4), sized(1_000_000_000)]),
    ],
  ])('%s closes the connection', async (_what, bytes) => {
    const on = await listening({ 'socket.request.max.bytes': String(64 * KIB) });
    expect(await exchange(on, bytes)).toHaveLength(0);
    await expectHealthy(on);
  });

  test('what was asked before is still answered', async () => {
    const on = await listening();
    const client = await on.connect();
    on.broker.log.hold();
    const id = client.send('Produce', 9, produceOf(batch('before the rubbish')));
    client.socket.write(Buffer.from('rubbish'));
    await until('the record is in work', () => on.broker.log.produced.length === 1);
    on.broker.log.letGo();
    expect((await client.receive('Produce', 9, id)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    await client.closed;
    await expectHealthy(on);
  });

  test.each([
    'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'POST /v1/topics HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}',
    'DELETE /x HTTP/1.0\r\n\r\n',
  ])('an HTTP request is told where it is: %j', async (text) => {
    const on = await listening();
    const answer = (await exchange(on, Buffer.from(text))).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('This port speaks the Kafka protocol, not HTTP.');
    await expectHealthy(on);
  });

  test('a flood of rubbish writes few lines to the log', async () => {
    const lines: [LogFields, string][] = [];
    const logger = { ...silentLogger, warn: (fields: LogFields, message: string) => lines.push([fields, message]) };
    const on = await listening({}, { logger });
    for (let index = 0; index < 50; index++) await exchange(on, Buffer.from('rubbish'));
    expect(lines.length).toBeLessThanOrEqual(3);
    expect(lines[0]?.[1]).toBe('bytes that are no Kafka request, the connection is closed');
    await expectHealthy(on);
  });

  test('random bytes never take the broker down', async () => {
    const on = await listening({ 'socket.request.max.bytes': String(64 * KIB) });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, framed) => {
        const socket = connect(on.listener.address);
        socket.on('error', () => {});
        socket.on('data', () => {});
        const body = Buffer.from(bytes);
        socket.end(framed ? Buffer.concat([sized(body.length), body]) : body);
        await new Promise((resolve) => socket.on('close', resolve));
      }),
      { numRuns: 200 },
    );
    await expectHealthy(on);
  });

  test('random bytes behind a good header never take the broker down', async () => {
    const on = await listening();
    const keys = Object.values(APIS).flatMap(({ key, min, max }) => [[key, min] as const, [key, max] as const]);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), fc.uint8Array({ maxLength: 120 }), async ([key, version], bytes) => {
        const head = frame(key, version);
        head.writeInt32BE(10 + bytes.length, 0);
        const socket = connect(on.listener.address);
        socket.on('error', () => {});
        socket.on('data', () => {});
        socket.end(Buffer.concat([head, bytes]));
        await new Promise((resolve) => socket.on('close', resolve));
      }),
      { numRuns: 300 },
    );
    await expectHealthy(on);
  });

  test('a frame that is cut anywhere leaves nothing behind when its client goes', async () => {
    const on = await listening();
    const whole = requestBytes('Produce', 9, produceOf(batch('x'.repeat(200))));
    for (let length = 1; length < whole.length; length += 7) {
      const socket = connect(on.listener.address);
      socket.on('error', () => {});
      socket.end(whole.subarray(0, length));
      await new Promise((resolve) => socket.on('close', resolve));
    }
    expect(on.broker.log.produced).toEqual([]);
    await expectHealthy(on);
  });

  test('frames that are announced and never sent take memory only for what came', async () => {
    const on = await listening();
    const clients = await Promise.all(Array.from({ length: 50 }, () => on.connect()));
    for (const client of clients) client.socket.write(sized(100 * KIB * KIB, ...new Array(100).fill(1)));
    await until('all have arrived', () => on.listener.connectionCount === 50);
    await pause(30);
    expect(await metric(on.broker, 'kafka_frame_bytes')).toBeLessThan(50 * 64 * KIB);
    for (const client of clients) client.socket.destroy();
    await expectHealthy(on);
  });
});

describe('slow clients', () => {
  test('a request that comes byte by byte is answered like any other', async () => {
    const on = await listening();
    const client = await on.connect();
    for (const byte of requestBytes('Produce', 9, produceOf(batch('slow')))) {
      client.socket.write(Buffer.of(byte));
      await pause(0);
    }
    expect((await client.receive('Produce', 9, 1)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    await client.close();
    await expectHealthy(on);
  });

  test('a client in the middle of a request does not hold up another', async () => {
    const on = await listening();
    const slow = await on.connect();
    const bytes = requestBytes('Produce', 9, produceOf(batch('x'.repeat(100_000))));
    slow.socket.write(bytes.subarray(0, 50_000));
    const quick = await on.connect();
    expect((await quick.call('Produce', 9, produceOf(batch('quick')))).topics[0]?.partitions[0]?.baseOffset).toBe(0);
    slow.socket.write(bytes.subarray(50_000));
    expect((await slow.receive('Produce', 9, 1)).topics[0]?.partitions[0]?.baseOffset).toBe(1);
  });

  test('a client that neither reads nor goes is closed when it has been idle for too long', async () => {
    const on = await listening({ 'connections.max.idle.ms': '1000' });
    const client = await on.connect();
    await client.call('Produce', 9, produceOf(batch('z'.repeat(8 * KIB * KIB))));
    client.socket.pause();
    for (let index = 0; index < 3; index++) client.send('Fetch', 12, fetchOf(0));
    await until('an answer waits', () => on.broker.log.unreleased > 0);
    await until('the broker gives up', () => on.listener.connectionCount === 0);
    await expectHealthy(on);
  });
});

describe('records that are refused', () => {
  const good = batch('good');
  const changed = (change: (bytes: Buffer) => void, { fixCrc = true } = {}) => {
    const bytes = Buffer.from(good);
    change(bytes);
    if (fixCrc) bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
    return bytes;
  };
  const cases: [what: string, records: Buffer | null, error: ErrorName][] = [
    ['a wrong CRC', changed((bytes) => bytes.writeUInt32BE(1, 17), { fixCrc: false }), 'CORRUPT_MESSAGE'],
    ['a length beyond its end', changed((bytes) => bytes.writeInt32BE(good.length, 8)), 'CORRUPT_MESSAGE'],
    ['a length within its header', changed((bytes) => bytes.writeInt32BE(10, 8)), 'CORRUPT_MESSAGE'],
    ['more records than it has bytes for', changed((bytes) => bytes.writeInt32BE(1_000_000, 57)), 'INVALID_RECORD'],
    ['no records', changed((bytes) => bytes.writeInt32BE(0, 57)), 'INVALID_RECORD'],
    ['magic 0', changed((bytes) => bytes.writeInt8(0, 16)), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
    ['magic 1', changed((bytes) => bytes.writeInt8(1, 16)), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
    ['an unknown codec', changed((bytes) => bytes.writeInt16BE(7, 21)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['a control batch', changed((bytes) => bytes.writeInt16BE(0x20, 21)), 'INVALID_RECORD'],
    ['null records', null, 'INVALID_RECORD'],
    ['empty records', Buffer.alloc(0), 'INVALID_RECORD'],
    ['a batch that is cut', good.subarray(0, good.length - 1), 'CORRUPT_MESSAGE'],
    ['two batches', Buffer.concat([good, good]), 'INVALID_RECORD'],
  ];

  test.each(cases)('%s', async (_what, records, error) => {
    const on = await listening();
    const client = await on.connect();
    const topics = [
      {
        name: 'orders',
        partitions: [
          { index: 0, records },
          { index: 1, records: good },
        ],
      },
    ];
    const answer = await client.call('Produce', 9, { acks: -1, timeoutMs: 1_000, topics });
    const [refused, accepted] = answer.topics[0]!.partitions;
    expect(refused).toMatchObject({ errorCode: ERRORS[error].code, baseOffset: -1 });
    expect(refused?.errorMessage).not.toBe('');
    expect(accepted).toMatchObject({ errorCode: 0, baseOffset: 0 });
    await client.close();
    await expectHealthy(on);
  });
});
