/** What goes wrong between brokers, and what their operators do to a cluster meanwhile. */
import type { ClusterOperations } from '../../src/cluster/operations.ts';
import { Connection } from './connection.ts';
import type { Every } from './nemesis.ts';
import { BROKERS_MAX, JOURNALS_MAX } from './scenario.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Slot } from './supervisor.ts';
import type { World } from './world.ts';

const PARTITION_MS = [200, 20_000] as const;
const SLOW_EXTRA_MS = [20, 200, 2_000] as const;
/** How long a rolling restart waits for each broker. */
const ROLL_MS_MAX = 20_000;
const LOOK_MS = 100;
const DRAINED_MS_MAX = 5_000;

type Cut = 'isolate' | 'deaf' | 'mute' | 'halves' | 'pair' | 'one way';
const CUTS: readonly Cut[] = ['isolate', 'isolate', 'deaf', 'mute', 'halves', 'pair', 'one way'];

export function strikeClusters(world: World, every: Every, isOver: () => boolean): void {
  const { nemesis } = world.scenario;
  every('partition', nemesis.partitionEveryMs, (random) => part(world, random, isOver));
  every('slow links', nemesis.slowLinksEveryMs, (random) => slowDown(world, random, isOver));
  every('reset', nemesis.resetEveryMs, (random) => reset(world, random));
  every('resize', nemesis.resizeEveryMs, (random) => resize(world, random));
  every('move', nemesis.moveEveryMs, (random) => move(world, random));
  every('drain', nemesis.drainEveryMs, (random) => void drain(world, random));
  every('roll', nemesis.rollEveryMs, () => void roll(world, isOver));
}

const places = (world: World): number[] => world.supervisor.slots.map(({ brokerId }) => brokerId);

/** Cuts the network, for a while. The next one may come before that is over; all heal together. */
function part({ network, supervisor, trace, time }: World, random: SeededRandom, isOver: () => boolean): void {
  const all = supervisor.slots.map(({ brokerId }) => brokerId);
  const kind = random.pick(CUTS);
  const [from, to] = PARTITION_MS;
  const lengthMs = from * (to / from) ** random.float();
  const links = cutLinks(kind, all, random);
  trace.add('network', `${kind}: ${links.map(([a, b]) => `${a}>${b}`).join(' ')} for ${Math.round(lengthMs)} ms`);
  for (const [a, b] of links) network.cut(a, b);
  time.after(lengthMs, () => {
    if (isOver()) return;
    trace.add('network', 'heals');
    network.heal();
  });
}

function cutLinks(kind: Cut, all: readonly number[], random: SeededRandom): (readonly [number, number])[] {
  const one = random.pick(all);
  const others = all.filter((place) => place !== one);
  const into = others.map((other) => [other, one] as const);
  const outOf = others.map((other) => [one, other] as const);
  switch (kind) {
    case 'isolate':
      // Also from a second process of itself.
      return [...into, ...outOf, [one, one]];
    case 'deaf':
      return into;
    case 'mute':
      return outOf;
    case 'halves': {
      const left = all.filter(() => random.chance(0.5));
      const right = all.filter((place) => !left.includes(place));
      return left.flatMap((a) => right.flatMap((b) => [[a, b] as const, [b, a] as const]));
    }
    case 'pair': {
      const other = others.length > 0 ? random.pick(others) : one;
      return [
        [one, other],
        [other, one],
      ];
    }
    case 'one way':
      return outOf.length > 0 ? [random.pick(outOf)] : [];
  }
}

function slowDown(world: World, random: SeededRandom, isOver: () => boolean): void {
  const { network, trace, time } = world;
  const extraMs = random.pick(SLOW_EXTRA_MS) * random.between(0.5, 1);
  const all = places(world);
  const share = random.pick([0.3, 1]);
  trace.add('network', `is slower by ${Math.round(extraMs)} ms`);
  const slowed = all.flatMap((a) => all.filter((b) => b !== a && random.chance(share)).map((b) => [a, b] as const));
  for (const [a, b] of slowed) network.slow(a, b, extraMs);
  time.after(random.between(500, 15_000), () => {
    if (!isOver()) for (const [a, b] of slowed) network.slow(a, b, 0);
  });
}

function reset(world: World, random: SeededRandom): void {
  const all = places(world);
  if (all.length === 0) return;
  world.network.reset(random.pick(all), random.chance(0.5) ? random.pick(all) : null);
}

/** One broker more, or one less for good: stopped in order, or just gone. */
function resize(world: World, random: SeededRandom): void {
  const { supervisor, trace } = world;
  const { slots } = supervisor;
  const grows = slots.length === 1 || (slots.length < BROKERS_MAX && random.chance(0.55));
  if (grows) {
    trace.add('supervisor', `broker ${supervisor.grow().brokerId} is added`);
    return;
  }
  const slot = random.pick(slots);
  trace.add('supervisor', `broker ${slot.brokerId} is taken away`);
  slot.isWanted = false;
  for (const process of supervisor.alive.filter(({ brokerId }) => brokerId === slot.brokerId)) {
    if (process.phase === 'serving' && random.chance(0.7)) process.stop('taken away');
    else process.kill();
  }
}

/** An administrator asks a broker, any, to have one lead a journal. */
function move(world: World, random: SeededRandom): void {
  const { trace, scenario, journals } = world;
  const journal = random.integer(0, Math.max(scenario.journals, journals()));
  const to = random.pick(places(world));
  trace.add('administrator', `moves journal ${journal} to broker ${to}`);
  void ask(world, random, (operations) => operations.move(journal, to));
}

/** Topics that are made from then on, and partitions of old ones, go to the new journals first. */
export function addJournals(world: World, random: SeededRandom): void {
  const { trace, history, journals } = world;
  const more = random.integer(1, 3);
  if (journals() + more > JOURNALS_MAX) return;
  trace.add('administrator', `adds ${more} journals`);
  void ask(
    world,
    random,
    (operations) => operations.addJournals(more),
    ({ count }, process) => history.add({ type: 'journalsAdded', count, process }),
  );
}

/** Takes a broker out of the work for a while. */
async function drain(world: World, random: SeededRandom): Promise<void> {
  const { trace, time } = world;
  const brokerId = random.pick(places(world));
  trace.add('administrator', `drains broker ${brokerId}`);
  await ask(world, random, (operations) => operations.drain(brokerId));
  await time.sleep(random.between(0, DRAINED_MS_MAX));
  trace.add('administrator', `gives broker ${brokerId} its share again`);
  await ask(world, random, (operations) => operations.undrain(brokerId));
}

/** What is refused, lost, or takes too long is not asked again: clusters must do without. */
async function ask<T>(
  world: World,
  random: SeededRandom,
  operate: (operations: ClusterOperations) => Promise<T>,
  onAnswer: (answer: T, process: string) => void = () => {},
): Promise<void> {
  const process = world.supervisor.pick(random);
  if (process === null) return;
  await new Connection(world, process, random).call({
    what: 'an operation of the cluster',
    at: (core) => operate(core.cluster.operations),
    onAnswer: (answer) => onAnswer(answer, process.name),
  });
}

/** Every broker is restarted in order, one after the other. */
export async function roll(world: World, isOver: () => boolean): Promise<void> {
  const { supervisor, trace } = world;
  trace.add('supervisor', 'a rolling restart begins');
  for (const slot of supervisor.slots) {
    const { newest } = slot;
    if (isOver() || newest === null) continue;
    newest.stop('a rolling restart');
    await until(world, () => isOver() || hasReturned(slot, newest.name));
  }
}

const hasReturned = ({ newest, isWanted }: Slot, before: string): boolean =>
  !isWanted || (newest !== null && newest.name !== before && newest.serves);

async function until({ time }: World, isSo: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isSo() && waitedMs < ROLL_MS_MAX; waitedMs += LOOK_MS) await time.sleep(LOOK_MS);
}
