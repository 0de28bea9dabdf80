import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameAssembler, FrameError } from '../../../src/broker/frame-assembler.ts';
import { FrameMemory } from '../../../src/broker/frame-memory.ts';

const MIB = 1024 * 1024;

const newMemory = (hardBytes = 64 * MIB) =>
  new FrameMemory({ softBytes: hardBytes - 1, hardBytes, idleBytesMax: MIB, onFull: () => {} });

const framed = (body: Buffer) => {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
};

const bodyOf = (length: number, fill: number) => Buffer.alloc(length, fill);

describe('cutting', () => {
  const plan = fc.record({
    lengths: fc.array(fc.oneof(fc.integer({ min: 8, max: 60 }), fc.integer({ min: 8, max: 70_000 })), {
      maxLength: 12,
    }),
    reads: fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 }),
    /** How often a frame is refused before it is taken. */
    refusals: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 8 }),
    direct: fc.boolean(),
  });

  test('gives the same frames however the bytes are read, and however often it is told to wait', () => {
    fc.assert(
      fc.property(plan, ({ lengths, reads, refusals, direct }) => {
        const bodies = lengths.map((length, index) => bodyOf(length, index + 1));
        const bytes = Buffer.concat(bodies.map(framed));
        const memory = newMemory();
        const taken: Buffer[] = [];
        let refused = 0;
        const frames = new FrameAssembler(memory, MIB, (frame) => {
          if (refused < refusals[taken.length % refusals.length]!) {
            refused++;
            return false;
          }
          refused = 0;
          taken.push(Buffer.from(frame));
          return true;
        });
        const shared = Buffer.alloc(32_000);
        const waits = () => refused > 0;
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          // As a connection does: while a frame waits, reads go elsewhere.
          const into = direct && !waits() ? (frames.target() ?? shared) : shared;
          const length = Math.min(reads[turn % reads.length]!, into.length, bytes.length - at);
          bytes.copy(into, 0, at, at + length);
          frames.take(into, length);
          shared.fill(0xee);
          at += length;
          if (turn % 2 === 0) frames.resume();
        }
        for (let turn = 0; turn < 3 * lengths.length; turn++) frames.resume();
        expect(taken.map(({ length }) => length)).toEqual(lengths);
        for (const [index, body] of bodies.entries()) expect(taken[index]!.equals(body)).toBe(true);
        expect(frames.heldBytes).toBe(0);
        frames.close();
        expect(memory.usedBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('hands out a frame that lies whole in a read as a view of it', () => {
    const seen: ArrayBufferLike[] = [];
    const frames = new FrameAssembler(newMemory(), MIB, (frame) => {
      seen.push(frame.buffer);
      return true;
    });
    const read = Buffer.concat([framed(bodyOf(100, 1)), framed(bodyOf(200, 2))]);
    frames.take(read, read.length);
    expect(seen).toEqual([read.buffer, read.buffer]);
    expect(frames.target()).toBeNull();
  });
});

describe('memory', () => {
  const takesAll = () => true;

  test('of a frame that has only been announced grows with the bytes that come', () => {
    const memory = newMemory();
    const frames = new FrameAssembler(memory, 100 * MIB, takesAll);
    const head = Buffer.alloc(1_000);
    head.writeInt32BE(50 * MIB);
    frames.take(head, head.length);
    expect(memory.usedBytes).toBeLessThan(64 * 1024);
    frames.close();
    expect(memory.usedBytes).toBe(0);
  });

  test('of a second frame as large as the first is there at once', () => {
    const frames = new FrameAssembler(newMemory(), 100 * MIB, takesAll);
    const bytes = framed(bodyOf(3 * MIB, 1));
    frames.take(bytes, bytes.length);
    frames.take(bytes, 1_000);
    expect(frames.target()?.length).toBeGreaterThanOrEqual(bytes.length - 1_000);
  });

  test('that is not there is a FrameError', () => {
    const frames = new FrameAssembler(newMemory(20_000), MIB, takesAll);
    const bytes = framed(bodyOf(100_000, 1));
    expect(() => frames.take(bytes, 50_000)).toThrow(FrameError);
  });
});

test.each([
  ['GET ', 'HTTP'],
  ['POST', 'HTTP'],
  ['\x16\x03\x01\x00', 'TLS'],
  ['\x00\x00\x00\x07', 'size'],
  ['\xff\xff\xff\xff', 'size'],
  ['\x00\x20\x00\x00', 'size'],
])('%j is refused as %s', (text, problem) => {
  const frames = new FrameAssembler(newMemory(), MIB, () => true);
  const bytes = Buffer.from(text, 'latin1');
  expect(() => frames.take(bytes, bytes.length)).toThrow(expect.objectContaining({ problem }));
});
