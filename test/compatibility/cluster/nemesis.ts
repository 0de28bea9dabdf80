/** What goes wrong in a cluster of real processes, when, and to whom: a seed decides. Each fault ends by itself. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Chance, chance } from '../../stand-ins/chance.ts';
import type { StoreWeather } from '../../stand-ins/store-proxy.ts';
import type { Cluster, Member } from './cluster.ts';

export interface NemesisOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Milliseconds, half-open. */
  readonly freezeMs: readonly [from: number, to: number];
  readonly faultMs: readonly [from: number, to: number];
  readonly calmMs: readonly [from: number, to: number];
  readonly say: (what: string) => void;
}

type Fault = (cluster: Cluster, draw: Chance, options: NemesisOptions) => Promise<string>;

/** Of one store request. */
const STORM: StoreWeather = {
  latency: { median: 40, p99: 1_500 },
  faults: { throttled: 0.1, error: 0.05, reset: 0.05, 'answer-lost': 0.05, 'late-effect': 0.03, hang: 0.01 },
};
const SLOW = { delayMs: 150, bytesPerSecond: 200_000 };

const within = (draw: Chance, [from, to]: readonly [number, number]): number => draw.within(from, to);
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** One of them, and how long it was so. */
const forAWhile =
  (what: string, begin: (cluster: Cluster, member: Member, draw: Chance) => void): Fault =>
  async (cluster, draw, options) => {
    const member = draw.pick(cluster.running);
    const ms = within(draw, options.faultMs);
    begin(cluster, member, draw);
    await pause(ms);
    cluster.heal();
    return `${what}, ${member.name} for ${seconds(ms)}`;
  };

const FAULTS: Record<string, Fault> = {
  'killed and started again': async (cluster, draw) => {
    const member = draw.pick(cluster.running);
    await cluster.kill(member);
    const ms = draw.pick([0, 0, 500, 3_000, 8_000]);
    await pause(ms);
    await cluster.up(member);
    return `${member.name}, away for ${seconds(ms)}`;
  },
  'stopped in order and started again': async (cluster, draw) => {
    const member = draw.pick(cluster.running);
    const status = await cluster.stop(member);
    if (status !== 0)
      throw new Error(`${member.name} ended with status ${status} when asked to stop: ${member.broker.log}`);
    await pause(draw.pick([0, 1_000, 5_000]));
    await cluster.up(member);
    return member.name;
  },
  frozen: async (cluster, draw, { freezeMs }) => {
    const member = draw.pick(cluster.running);
    const ms = within(draw, freezeMs);
    process.kill(member.broker.pid, 'SIGSTOP');
    await pause(ms);
    process.kill(member.broker.pid, 'SIGCONT');
    return `${member.name} for ${seconds(ms)}`;
  },
  'two killed at once': async (cluster, draw) => {
    const first = draw.pick(cluster.running);
    const others = cluster.running.filter((member) => member !== first);
    const both = others.length > 0 ? [first, draw.pick(others)] : [first];
    await Promise.all(both.map((member) => cluster.kill(member)));
    await pause(draw.within(0, 3_000));
    await Promise.all(both.map((member) => cluster.up(member)));
    return both.map(({ name }) => name).join(' and ');
  },
  'a link cut in one direction': forAWhile('', ({ links, running }, member, draw) => {
    const others = running.filter((other) => other !== member);
    if (others.length > 0) links?.set(member.name, draw.pick(others).name, 'cut');
  }),
  'cut off from all others': forAWhile('', ({ links, running }, member) => {
    for (const other of running) {
      if (other === member) continue;
      links?.set(member.name, other.name, 'cut');
      links?.set(other.name, member.name, 'cut');
    }
  }),
  'a slow link': forAWhile('', ({ links, running }, member, draw) => {
    const others = running.filter((other) => other !== member);
    if (others.length > 0) links?.set(member.name, draw.pick(others).name, SLOW);
  }),
  'a storm at the stores of one': forAWhile('', (cluster, member) => cluster.weather(member, STORM)),
  'a storm at all stores': forAWhile('', (cluster) => {
    for (const member of cluster.members) cluster.weather(member, STORM);
  }),
  'no stores for one': forAWhile('', (cluster, member) => cluster.weather(member, { faults: { hang: 1 } })),
  'answers of the table lost': forAWhile('', ({ members }) => {
    for (const { dynamodb } of members) dynamodb.weather = { ...dynamodb.weather, faults: { 'answer-lost': 0.3 } };
  }),
};

const NEED_LINKS = new Set(['a link cut in one direction', 'cut off from all others', 'a slow link']);

/** Faults one after the other until the time is over: all kinds in turn, each round in another order. Counts by kind. */
export async function torment(cluster: Cluster, options: NemesisOptions): Promise<ReadonlyMap<string, number>> {
  const draw = chance(options.seed);
  const counts = new Map<string, number>();
  const kinds = Object.keys(FAULTS).filter((kind) => cluster.links !== null || !NEED_LINKS.has(kind));
  let round: string[] = [];
  for (const end = performance.now() + options.durationMs; performance.now() < end; ) {
    await pause(within(draw, options.calmMs));
    if (round.length === 0) round = shuffled(kinds, draw);
    const kind = round.pop()!;
    options.say(`${kind}…`);
    const what = await FAULTS[kind]!(cluster, draw, options);
    options.say(`${kind}: ${what.replace(/^, /, '')}`);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    for (const { name, broker } of cluster.running) {
      if (!broker.isAlive) throw new Error(`${name} ended by itself: ${broker.log.slice(-4_000)}`);
    }
  }
  cluster.heal();
  return counts;
}

function shuffled<Value>(values: readonly Value[], draw: Chance): Value[] {
  const left = [...values];
  for (let at = left.length - 1; at > 0; at--) {
    const other = draw.within(0, at + 1);
    [left[at], left[other]] = [left[other]!, left[at]!];
  }
  return left;
}
