import { afterEach, describe, expect, test } from 'vitest';
import { TlsTransport } from '../../../src/rpc/tls-transport.ts';
import { type Channel, ConnectError } from '../../../src/rpc/transport.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';

const SECRET = 'sixteen letters!';
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const runtime = systemRuntime(silentLogger);
const soon = () => AbortSignal.timeout(5_000);
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A listener that sends every frame back. */
async function echo(secret = SECRET, clusterId = 'test') {
  const accepted: Channel[] = [];
  const listener = await new TlsTransport(secret, clusterId, runtime).listen(LOOPBACK, (channel) => {
    accepted.push(channel);
    channel.onFrame = (frame) => channel.send([frame]);
  });
  closing.push(() => listener.close());
  return { address: listener.address, accepted };
}

async function connected(address: { host: string; port: number }, secret = SECRET, clusterId = 'test') {
  const channel = await new TlsTransport(secret, clusterId, runtime).connect(address, soon());
  closing.push(() => channel.close('the test is over'));
  return channel;
}

const nextFrames = (channel: Channel, count: number) =>
  new Promise<Buffer[]>((resolve, reject) => {
    const frames: Buffer[] = [];
    channel.onFrame = (frame) => {
      frames.push(frame);
      if (frames.length === count) resolve(frames);
    };
    channel.onClose = (why) => reject(new Error(why));
  });

describe('frames', () => {
  test('of all sizes come back whole and in order', async () => {
    const { address } = await echo();
    const channel = await connected(address);
    const sizes = [1, 5, 100, 16_383, 16_384, 32_768, 40_000, 65_536, 70_000, 1_000_000, 2, 6_000_000, 3];
    const frames = nextFrames(channel, sizes.length);
    for (const [at, size] of sizes.entries()) {
      const half = Math.floor(size / 2);
      channel.send([Buffer.alloc(half, at), Buffer.alloc(size - half, at)]);
    }
    expect((await frames).map(({ length }) => length)).toEqual(sizes);
    expect((await frames).every((frame, at) => frame.every((byte) => byte === at))).toBe(true);
  });
});

describe('the secret', () => {
  test('who does not know it is refused, and others notice nothing', async () => {
    const { address, accepted } = await echo();
    const channel = await connected(address);
    const stranger = connected(address, 'another secret..');
    await expect(stranger).rejects.toThrow(ConnectError);
    await expect(stranger).rejects.toMatchObject({ problem: 'secret' });
    const frames = nextFrames(channel, 1);
    channel.send([Buffer.from('still here')]);
    expect((await frames).toString()).toBe('still here');
    expect(accepted).toHaveLength(1);
  });
});
