import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import { FRAME_EAGER_BYTES, FrameSplitter } from '../../../src/protocol/frame.ts';

const frameBytesMax = 100 * 1024 * 1024;

const framed = (...bodies: readonly Uint8Array[]) =>
  Buffer.concat(
    bodies.flatMap((body) => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(body.length);
      return [size, body];
    }),
  );

/** Memory that remembers what is out. */
class CountingMemory {
  readonly out = new Set<Buffer>();
  largest = 0;

  allocate(bytes: number): Buffer {
    const memory = Buffer.alloc(bytes + 16); // Larger than asked for, as a pool's would be.
    this.out.add(memory);
    this.largest = Math.max(this.largest, bytes);
    return memory;
  }

  release(memory: Buffer): void {
    expect(this.out.delete(memory)).toBe(true);
  }
}

/** Drives a splitter as a connection does that shares one read buffer with all others, and copies the frames. */
function split(
  splitter: FrameSplitter,
  chunks: readonly Uint8Array[],
  memory: CountingMemory,
  takeMax = Infinity,
): Buffer[] {
  const shared = Buffer.alloc(Math.max(1, ...chunks.map((chunk) => chunk.length)));
  const frames: Buffer[] = [];
  const take = (limit: number) => {
    for (let taken = 0; taken < limit; taken++) {
      const frame = splitter.next();
      if (!frame) return;
      frames.push(Buffer.from(frame.bytes));
      if (frame.memory) memory.release(frame.memory);
    }
    splitter.keep();
  };
  for (const chunk of chunks) {
    shared.fill(0xee);
    shared.set(chunk);
    splitter.feed(shared.subarray(0, chunk.length));
    take(takeMax);
  }
  take(Infinity);
  return frames;
}

describe('FrameSplitter', () => {
  test('frames wholly inside a chunk are views into it', () => {
    const splitter = new FrameSplitter({ frameBytesMax });
    const chunk = framed(Buffer.from('one'), Buffer.from('three'));
    splitter.feed(chunk);
    const first = splitter.next();
    expect(first).toMatchObject({ borrowed: true, memory: null });
    expect(first?.bytes.buffer).toBe(chunk.buffer);
    expect(first?.bytes.toString()).toBe('one');
    expect(splitter.next()?.bytes.toString()).toBe('three');
    expect(splitter.next()).toBeNull();
    expect(splitter.heldBytes).toBe(0);
  });

  test('a frame over two chunks is assembled in memory of its own', () => {
    const splitter = new FrameSplitter({ frameBytesMax });
    const bytes = framed(Buffer.from('hello'));
    splitter.feed(bytes.subarray(0, 6));
    expect(splitter.next()).toBeNull();
    splitter.feed(bytes.subarray(6));
    const frame = splitter.next();
    expect(frame?.borrowed).toBe(false);
    expect(frame?.bytes.toString()).toBe('hello');
    expect(frame?.memory).toHaveLength(5);
    expect(splitter.next()).toBeNull();
  });

  test('however the bytes are cut and however few frames are taken at a time, the frames are the same', () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 8 });
    const cuts = fc.array(fc.nat(200), { maxLength: 12 });
    fc.assert(
      fc.property(bodies, cuts, fc.integer({ min: 1, max: 4 }), (sent, positions, takeMax) => {
        const bytes = framed(...sent);
        const at = [0, ...positions.map((p) => p % bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        const memory = new CountingMemory();
        const frames = split(new FrameSplitter({ frameBytesMax, memory }), chunks, memory, takeMax);
        expect(frames.map((frame) => frame.toString('hex'))).toEqual(
          sent.map((body) => Buffer.from(body).toString('hex')),
        );
        expect(memory.out.size).toBe(0);
      }),
    );
  });

  test('a large frame grows with what arrives and is whole in the end', () => {
    const body = Buffer.alloc(5 * FRAME_EAGER_BYTES + 7, 'abcdefg');
    const bytes = framed(body, Buffer.from('next'));
    const chunks = Array.from({ length: Math.ceil(bytes.length / 300_000) }, (_, i) =>
      bytes.subarray(i * 300_000, (i + 1) * 300_000),
    );
    const memory = new CountingMemory();
    const frames = split(new FrameSplitter({ frameBytesMax, memory }), chunks, memory);
    expect(frames.map((frame) => frame.equals(body))).toEqual([true, false]);
    expect(frames[1]?.toString()).toBe('next');
    expect(memory.out.size).toBe(0);
  });

  test('a size that is announced and never sent costs no more than the eager bound', () => {
    const memory = new CountingMemory();
    const splitter = new FrameSplitter({ frameBytesMax, memory });
    splitter.feed(Buffer.from('063fffff00', 'hex')); // Just under 100 MiB, and one byte of it.
    expect(splitter.next()).toBeNull();
    expect(memory.largest).toBeLessThanOrEqual(FRAME_EAGER_BYTES);
    expect(splitter.heldBytes).toBeLessThanOrEqual(FRAME_EAGER_BYTES + 16);
    splitter.close();
    expect(memory.out.size).toBe(0);
  });

  test('what is kept survives the chunk, and waits for more', () => {
    const splitter = new FrameSplitter({ frameBytesMax });
    const chunk = framed(Buffer.from('one'), Buffer.from('two'));
    splitter.feed(chunk);
    expect(splitter.next()?.bytes.toString()).toBe('one');
    splitter.keep();
    chunk.fill(0);
    expect(splitter.heldBytes).toBe(7);
    splitter.feed(framed(Buffer.from('three')));
    expect(splitter.next()).toMatchObject({ borrowed: false });
    expect(splitter.next()?.bytes.toString()).toBe('three');
  });

  test('a chunk that is neither used up nor kept is a bug', () => {
    const splitter = new FrameSplitter({ frameBytesMax });
    splitter.feed(framed(Buffer.from('one'), Buffer.from('two')));
    splitter.next();
    expect(() => splitter.feed(Buffer.of(0))).toThrow(/neither/);
  });

  test.each([
    ['zero', '00000000', /a frame of 0 bytes; allowed are 1 to 104857600/],
    ['negative', 'ffffffff', /a frame of -1 bytes/],
    ['above the limit', '06400001', /a frame of 104857601 bytes/],
    ['HTTP GET', Buffer.from('GET / HTTP/1.1\r\n').toString('hex'), /the peer speaks HTTP/],
    ['HTTP POST', Buffer.from('POST /v1/topics').toString('hex'), /the peer speaks HTTP/],
    ['HTTP/2 preface', Buffer.from('PRI * HTTP/2.0').toString('hex'), /the peer speaks HTTP/],
    ['TLS', '16030100f5010000f1', /the peer speaks TLS/],
  ])('a size that is %s is refused, whole or in single bytes', (_name, hex, message) => {
    const bytes = Buffer.from(hex, 'hex');
    for (const chunks of [[bytes], [...bytes].map((byte) => Buffer.of(byte))]) {
      const memory = new CountingMemory();
      const read = () => split(new FrameSplitter({ frameBytesMax, memory }), chunks, memory);
      expect(read).toThrow(KafkaError);
      expect(read).toThrow(message);
    }
  });

  test('a frame of exactly the limit passes', () => {
    const memory = new CountingMemory();
    const body = Buffer.from('exactly');
    expect(split(new FrameSplitter({ frameBytesMax: body.length, memory }), [framed(body)], memory)).toEqual([body]);
  });

  test('random bytes yield frames or a refusal', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (chunks) => {
        const memory = new CountingMemory();
        try {
          split(new FrameSplitter({ frameBytesMax: 64, memory }), chunks, memory);
        } catch (cause) {
          expect(cause).toBeInstanceOf(KafkaError);
        }
      }),
    );
  });
});
