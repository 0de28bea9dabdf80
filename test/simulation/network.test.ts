import { beforeEach, describe, expect, test } from 'vitest';
import type { Channel, Transport } from '../../src/rpc/transport.ts';
import { Gate } from './gate.ts';
import { SimulatedNetwork, type Station } from './network.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedTime } from './simulated-time.ts';

const ADDRESS = { host: '10.0.0.2', port: 9094 };
const LATENCY = { fromMs: 1, toMs: 2, tailChance: 0, tailMs: 2 };

let time: SimulatedTime;
let network: SimulatedNetwork;

beforeEach(() => open(1));

function open(seed: number): void {
  time = new SimulatedTime();
  network = new SimulatedNetwork({ time, random: new SeededRandom(seed), latency: LATENCY, trace: () => {} });
}

function station(place: number): Station & { readonly transport: Transport } {
  const alone = { name: `b${place}`, place, gate: new Gate(time) };
  return { ...alone, transport: network.transport(alone) };
}

/** What a channel heard. */
class Ear {
  readonly frames: string[] = [];
  closedBecause: string | null = null;
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.onFrame = (frame) => this.frames.push(frame.toString());
    channel.onClose = (why) => {
      this.closedBecause = why;
    };
  }

  say(...texts: string[]): void {
    for (const text of texts) this.channel.send([Buffer.from(text)]);
  }
}

async function elapse(ms: number): Promise<void> {
  let over = false;
  time.after(ms, () => {
    over = true;
  });
  await time.run(() => over);
}

/** Two processes and a channel between them. */
async function meet() {
  const near = station(1);
  const far = station(2);
  const accepted: Ear[] = [];
  await far.transport.listen(ADDRESS, (channel) => accepted.push(new Ear(channel)));
  const { connecting, aborter } = knock(near);
  await elapse(10);
  return { near, far, accepted, aborter, ear: new Ear(await connecting), other: accepted[0]! };
}

function knock(from: Station & { readonly transport: Transport }) {
  const aborter = new AbortController();
  let outcome = 'hangs';
  const connecting = from.transport.connect(ADDRESS, aborter.signal);
  connecting.then(
    () => {
      outcome = 'connected';
    },
    (cause) => {
      outcome = cause.problem;
    },
  );
  return { connecting, aborter, outcome: () => outcome };
}

describe('a channel', () => {
  test('carries frames in order, both ways, after a while', async () => {
    const { ear, other } = await meet();
    ear.say('one', 'two');
    other.say('three');
    expect(other.frames).toEqual([]);
    await elapse(5);
    expect(other.frames).toEqual(['one', 'two']);
    expect(ear.frames).toEqual(['three']);
  });

  test('takes its bytes over at once', async () => {
    const { ear, other } = await meet();
    const bytes = Buffer.from('one');
    ear.channel.send([bytes, Buffer.from('!')]);
    bytes.fill(0);
    await elapse(5);
    expect(other.frames).toEqual(['one!']);
  });

  test('that is closed says so at both ends, once each, and carries nothing any more', async () => {
    const { ear, other } = await meet();
    ear.channel.close('enough');
    expect(ear.closedBecause).toBeNull();
    other.say('lost');
    await elapse(5);
    expect(ear.closedBecause).toBe('enough');
    expect(other.closedBecause).not.toBeNull();
    expect(ear.frames).toEqual([]);
    expect(network.channelCount).toBe(0);
  });

  test('delivers or loses what is under way when it closes, always from the front', async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      open(seed);
      const { ear, other } = await meet();
      ear.say('0', '1', '2');
      ear.channel.close('enough');
      await elapse(5);
      expect(other.frames).toEqual(['0', '1', '2'].slice(0, other.frames.length));
      expect(other.closedBecause).not.toBeNull();
      seen.add(other.frames.length);
    }
    expect([...seen].sort()).toEqual([0, 1, 2, 3]);
  });

  test('says how much waits when the other side does not read', async () => {
    const { ear, far, other } = await meet();
    far.gate.freeze();
    ear.channel.send([Buffer.alloc(1_000_000)]);
    await elapse(1_000);
    expect(ear.channel.waitingBytes).toBeGreaterThan(800_000);
    far.gate.thaw();
    await elapse(5);
    expect(ear.channel.waitingBytes).toBe(0);
    expect(other.frames).toHaveLength(1);
  });
});

describe('a process', () => {
  test('that is frozen receives when it thaws', async () => {
    const { ear, far, other } = await meet();
    far.gate.freeze();
    ear.say('one', 'two');
    await elapse(10_000);
    expect(other.frames).toEqual([]);
    far.gate.thaw();
    await elapse(1);
    expect(other.frames).toEqual(['one', 'two']);
  });

  test('that dies closes its channels, and hears nothing any more', async () => {
    const { ear, far, other } = await meet();
    ear.say('too late');
    far.gate.kill();
    await elapse(5);
    expect(ear.closedBecause).not.toBeNull();
    expect(other.frames).toEqual([]);
    expect(other.closedBecause).toBeNull();
  });

  test('whose machine vanishes tells nobody', async () => {
    const { near, ear, far } = await meet();
    network.vanish(far);
    far.gate.kill();
    const { outcome } = knock(near);
    await elapse(60_000);
    expect(ear.closedBecause).toBeNull();
    expect(outcome()).toBe('hangs');
  });
});

describe('connecting', () => {
  test('to nobody, or to a dead process, is refused', async () => {
    const near = station(1);
    const nobody = knock(near);
    await elapse(5);
    expect(nobody.outcome()).toBe('refused');
    const { far } = await meet();
    far.gate.kill();
    const dead = knock(near);
    await elapse(5);
    expect(dead.outcome()).toBe('refused');
  });

  test('to a frozen process hangs until it thaws', async () => {
    const { near, far } = await meet();
    far.gate.freeze();
    const { outcome } = knock(near);
    await elapse(5_000);
    expect(outcome()).toBe('hangs');
    far.gate.thaw();
    await elapse(5);
    expect(outcome()).toBe('connected');
  });

  test('that was given up leaves no channel behind', async () => {
    const { near, far, accepted } = await meet();
    far.gate.freeze();
    const { outcome, aborter } = knock(near);
    await elapse(100);
    aborter.abort(new Error('given up'));
    await elapse(1);
    expect(outcome()).toBe('failed');
    far.gate.thaw();
    await elapse(10);
    expect(accepted[1]!.closedBecause).not.toBeNull();
  });

  test('over a link that is cut in either direction hangs until it heals', async () => {
    for (const [from, to] of [
      [1, 2],
      [2, 1],
    ] as const) {
      open(3);
      const { near } = await meet();
      network.cut(from, to);
      const { outcome } = knock(near);
      await elapse(30_000);
      expect(outcome()).toBe('hangs');
      network.heal();
      await elapse(1_000);
      expect(outcome()).toBe('connected');
    }
  });

  test('to an address that a live process listens on is all its own', async () => {
    const { far } = await meet();
    await expect(station(3).transport.listen(ADDRESS, () => {})).rejects.toThrow('is in use');
    far.gate.kill();
    expect((await station(3).transport.listen(ADDRESS, () => {})).address).toEqual(ADDRESS);
    expect((await station(3).transport.listen({ ...ADDRESS, port: 0 }, () => {})).address.port).toBeGreaterThan(0);
  });
});

describe('a link', () => {
  test('that is cut in one direction lets the other through, and delivers late or loses the channel', async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      open(seed);
      const { ear, other } = await meet();
      network.cut(1, 2);
      ear.say('held');
      other.say('through');
      await elapse(20_000);
      expect(other.frames).toEqual([]);
      expect(ear.frames).toEqual(['through']);
      expect(ear.closedBecause).toBeNull();
      network.heal();
      await elapse(2_000);
      outcomes.add(other.closedBecause === null ? other.frames.join() : 'lost');
    }
    expect([...outcomes].sort()).toEqual(['held', 'lost']);
  });

  test('that is slow delays frames', async () => {
    const { ear, other } = await meet();
    network.slow(1, 2, 500);
    ear.say('late');
    await elapse(400);
    expect(other.frames).toEqual([]);
    await elapse(200);
    expect(other.frames).toEqual(['late']);
  });

  test('that is reset closes its channels; new ones can be made', async () => {
    const { near, ear, other } = await meet();
    network.reset(1, 2);
    await elapse(5);
    expect(ear.closedBecause).not.toBeNull();
    expect(other.closedBecause).not.toBeNull();
    const { outcome } = knock(near);
    await elapse(5);
    expect(outcome()).toBe('connected');
  });
});
