/**
 * A connection between brokers let go of what it had sent only when nothing was left to send. One that always has something
 * waiting, as over a network that is slower than what is said, kept all large parts that it ever sent.
 */
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { FrameWriter } from '../../src/rpc/frame-writer.ts';
import { testRuntime } from '../unit/journal/harness.ts';

const COUNT = 300;
const PART_BYTES = 64 * 1024;

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what was sent is not kept while more waits', async () => {
  let taken: (() => void) | null = null;
  const written: number[] = [];
  const write = (bytes: Uint8Array, callback: () => void) => {
    if (bytes.length === PART_BYTES) written.push(bytes[0]! * 256 + bytes[1]!);
    taken = callback;
  };
  const writer = new FrameWriter({ destroyed: false, write } as unknown as Socket, testRuntime().timers);
  const parts: WeakRef<Uint8Array>[] = [];
  const send = (number: number) => {
    const part = new Uint8Array(PART_BYTES);
    part.set([number >> 8, number & 255]);
    parts.push(new WeakRef(part));
    writer.send([part], null, false);
  };
  send(0);
  await turn();
  for (let number = 1; number < COUNT; number++) {
    send(number);
    while (written.length < number) taken!();
  }
  expect(writer.waitingBytes).toBeGreaterThan(PART_BYTES);
  setFlagsFromString('--expose-gc');
  await turn();
  runInNewContext('gc')();
  expect(parts.filter((part) => part.deref() !== undefined).length).toBeLessThan(COUNT / 10);
  while (written.length < COUNT) taken!();
  expect(written).toEqual(Array.from({ length: COUNT }, (_, number) => number));
});
