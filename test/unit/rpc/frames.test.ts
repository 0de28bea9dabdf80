import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameError, FrameReader } from '../../../src/rpc/frame-reader.ts';
import { FrameWriter } from '../../../src/rpc/frame-writer.ts';
import { steppedRuntime } from '../coordinator/stepped-runtime.ts';

const FRAME_BYTES_MAX = 8 * 1024 * 1024;

function framed(...frames: readonly Buffer[]): Buffer {
  const parts = frames.flatMap((frame) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(frame.length);
    return [size, frame];
  });
  return Buffer.concat(parts);
}

/** Frames of these chunks, each fed in memory of its own. */
function read(chunks: readonly Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  const reader = new FrameReader(FRAME_BYTES_MAX, (frame) => frames.push(frame));
  for (const chunk of chunks) reader.feed(Buffer.from(chunk), false);
  return frames;
}

describe('a reader', () => {
  test('cuts the same frames wherever the chunks end', () => {
    const frame = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    const cuts = fc.array(fc.nat(400), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), cuts, (frames, sizes) => {
        let rest = framed(...frames);
        const chunks: Buffer[] = [];
        for (const size of sizes) {
          chunks.push(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
        expect(read([...chunks, rest])).toEqual(frames);
      }),
    );
  });

  test('fills the memory of large frames itself where the socket lets it, and copies what lies in a borrowed chunk', () => {
    const frame = fc.nat(5_000).map((size) => Buffer.alloc(size + 1, size % 250));
    const reads = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), reads, (frames, sizes) => {
        const got: Buffer[] = [];
        const reader = new FrameReader(FRAME_BYTES_MAX, (bytes) => got.push(bytes));
        const shared = Buffer.alloc(4_096);
        let rest = framed(...frames);
        for (let at = 0; rest.length > 0; at++) {
          const { target } = reader;
          const into = target ?? shared;
          const length = rest.copy(into, 0, 0, Math.min(sizes[at % sizes.length]!, rest.length));
          rest = rest.subarray(length);
          if (target !== null) reader.filled(length);
          else reader.feed(shared.subarray(0, length), true);
          shared.fill(0xff);
        }
        expect(got).toEqual(frames);
      }),
    );
  });

  test('one byte at a time', () => {
    const bytes = framed(Buffer.from('a'), Buffer.from('bcd'), Buffer.alloc(300, 7));
    expect(read([...bytes].map((byte) => Buffer.of(byte)))).toEqual([
      Buffer.from('a'),
      Buffer.from('bcd'),
      Buffer.alloc(300, 7),
    ]);
  });

  test('a large frame is whole', () => {
    const large = Buffer.alloc(7 * 1024 * 1024, 5);
    const bytes = framed(large, Buffer.from('next'));
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 16_384) chunks.push(bytes.subarray(at, at + 16_384));
    const [first, second] = read(chunks);
    expect(first?.equals(large)).toBe(true);
    expect(second?.toString()).toBe('next');
  });

  test.each([
    0,
    FRAME_BYTES_MAX + 1,
    0x47455420,
    0xffffffff,
  ])('refuses a length of %d before any memory is taken', (length) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(length);
    expect(() => read([size])).toThrow(FrameError);
    expect(() => read([...size].map((byte) => Buffer.of(byte)))).toThrow(FrameError);
  });
});

/** A socket that keeps what is written, and takes it when the test says so. */
function fakeSocket() {
  const writes: Buffer[] = [];
  let pending: ((cause?: Error) => void)[] = [];
  return {
    writes,
    /** Of one write after the other. */
    takeAll: () => {
      while (pending.length > 0) pending.shift()!();
    },
    takeOne: (cause?: Error) => pending.shift()?.(cause),
    drop: () => {
      pending = [];
    },
    socket: {
      destroyed: false,
      write: (bytes: Uint8Array, callback: (cause?: Error) => void) => {
        writes.push(Buffer.from(bytes));
        pending.push(callback);
      },
    } as unknown as Socket,
  };
}

const runtime = steppedRuntime();
const turn = () => new Promise((resolve) => setImmediate(resolve));

function open() {
  const fake = fakeSocket();
  const writer = new FrameWriter(fake.socket, runtime.timers);
  const send = (parts: readonly Buffer[], onTaken: (() => void) | null = null, bulk = false) =>
    writer.send(parts, onTaken, bulk);
  return { ...fake, writer, send };
}

const KIB = 1024;

describe('a writer', () => {
  test('frames of one turn leave in one write', async () => {
    const { send, writes, takeAll, writer } = open();
    const frames = Array.from({ length: 100 }, (_, at) => Buffer.from(`frame ${at}`));
    for (const frame of frames) send([frame.subarray(0, 3), frame.subarray(3)]);
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toHaveLength(1);
    expect(read(writes)).toEqual(frames);
    expect(writer.waitingBytes).toBe(framed(...frames).length);
    takeAll();
    expect(writer.waitingBytes).toBe(0);
  });

  test('frames that come while a write is under way leave together after it', async () => {
    const { send, writes, takeOne } = open();
    send([Buffer.from('first')]);
    await turn();
    for (let at = 0; at < 10; at++) send([Buffer.of(at)]);
    await turn();
    expect(writes).toHaveLength(1);
    takeOne();
    expect(writes).toHaveLength(2);
    expect(read(writes)).toHaveLength(11);
  });

  test('small parts may be changed at once, large ones when they are taken', async () => {
    const { send, writes, takeOne } = open();
    const small = Buffer.from('small');
    const large = Buffer.alloc(40 * KIB, 1);
    const taken: string[] = [];
    send([small], () => taken.push('small'));
    small.fill(0);
    send([large], () => taken.push('large'));
    expect(taken).toEqual(['small']);
    await turn();
    takeOne();
    expect(taken).toEqual(['small']);
    takeOne();
    expect(taken).toEqual(['small', 'large']);
    expect(read(writes)).toEqual([Buffer.from('small'), large]);
  });

  test('bulk frames are overtaken, and not for ever', async () => {
    const { send, writes, takeOne } = open();
    const bulk = Buffer.alloc(100 * KIB, 1);
    for (let at = 0; at < 3; at++) send([bulk], null, true);
    await turn();
    send([Buffer.from('overtakes')]);
    while (read(writes).length < 4) takeOne();
    expect(read(writes).map(({ length }) => length)).toEqual([bulk.length, 9, bulk.length, bulk.length]);

    const busy = open();
    busy.send([Buffer.from('begin')]);
    busy.send([bulk], null, true);
    await turn();
    let count = 0;
    while (!read(busy.writes).some(({ length }) => length === bulk.length)) {
      busy.send([Buffer.from('more')]);
      busy.takeOne();
      count++;
    }
    expect(count).toBeLessThan(50);
  });

  test('any mix of frames arrives whole, small ones and each kind in order', async () => {
    const size = fc.constantFrom(1, 7, 4 * KIB, 31 * KIB, 33 * KIB, 70 * KIB);
    const frame = fc.record({ sizes: fc.array(size, { minLength: 1, maxLength: 3 }), bulk: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(frame, fc.nat(2)), { maxLength: 30 }), async (frames) => {
        const { send, writes, takeOne, writer } = open();
        let taken = 0;
        for (const [index, [{ sizes, bulk }, takes]] of frames.entries()) {
          send(
            [Buffer.of(bulk ? 1 : 0, index), ...sizes.map((bytes) => Buffer.alloc(bytes, index))],
            () => taken++,
            bulk,
          );
          if (takes > 0) await turn();
          for (let at = 0; at < takes; at++) takeOne();
        }
        await turn();
        while (writer.waitingBytes > 0) takeOne();
        const got = read(writes);
        expect(taken).toBe(frames.length);
        for (const kind of [0, 1]) {
          const sent = [...frames.entries()].filter(([, [{ bulk }]]) => bulk === (kind === 1)).map(([index]) => index);
          expect(got.filter((each) => each[0] === kind).map((each) => each[1])).toEqual(sent);
        }
        for (const each of got) {
          const { sizes } = frames[each[1]!]![0];
          expect(each.length).toBe(2 + sizes.reduce((sum, bytes) => sum + bytes, 0));
          expect(each.subarray(2).every((byte) => byte === each[1])).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('drains: what was sent is written before the end', async () => {
    const { send, writer, takeAll } = open();
    const order: string[] = [];
    writer.drain(() => order.push('nothing waits'));
    send([Buffer.alloc(50 * KIB)], () => order.push('taken'));
    writer.drain(() => order.push('drained'));
    await turn();
    takeAll();
    expect(order).toEqual(['nothing waits', 'taken', 'drained']);
  });

  test('once closed it releases what it was given, each once, and writes nothing', async () => {
    const { send, writer, writes, takeAll } = open();
    const taken: number[] = [];
    for (let at = 0; at < 4; at++) send([Buffer.alloc(50 * KIB)], () => taken.push(at), at > 1);
    await turn();
    const before = writes.length;
    writer.close();
    takeAll();
    send([Buffer.alloc(50 * KIB)], () => taken.push(4));
    send([Buffer.from('small')], () => taken.push(5));
    await turn();
    expect(taken.sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(writes).toHaveLength(before);
  });
});
