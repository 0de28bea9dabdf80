/**
 * What goes wrong, and when: storms over the stores, outages, processes that are killed, restarted in order, frozen while
 * a successor takes over or without one, and wall clocks that jump. In a cluster also networks that are parted, slow, or
 * lose connections, brokers that come and go for good, and rolling restarts (`cluster-nemesis.ts`).
 */
import type { BrokerProcess } from './broker-process.ts';
import { addJournals, strikeClusters } from './cluster-nemesis.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Slot } from './supervisor.ts';
import type { World } from './world.ts';

const OUTAGE_CHANCE = 0.15;
const OUTAGE_MS_MAX = 8_000;
const FREEZE_MS = [20, 15_000] as const;
const SUCCESSOR_CHANCE = 0.7;
const START_MS_MAX = 400;
/** More than this of one broker at once would only be slow. */
const PROCESSES_MAX = 4;
const STORES_CUT_MS_MAX = 12_000;

/** Makes something happen every `meanMs` on average, as long as things go wrong; never when that is null. */
export type Every = (name: string, meanMs: number | null, strike: (random: SeededRandom) => void) => void;

export class Nemesis {
  readonly #world: World;
  readonly #strikes = new Map<string, number>();
  #over = false;

  constructor(world: World) {
    this.#world = world;
    world.supervisor.onStart = (process) => this.#troubleStart(process);
    world.supervisor.initialSkewMs = (name) => this.#drawSkewMs(world.random.fork(`skew of ${name}`));
  }

  start(): void {
    const { nemesis, isAlone } = this.#world.scenario;
    this.#every('storm', nemesis.stormEveryMs, (random) => this.#storm(random));
    this.#every('kill', nemesis.killEveryMs, (random) => this.#kill(random));
    this.#every('restart', nemesis.restartEveryMs, (random) => this.#victim(random)?.stop());
    this.#every('freeze', nemesis.freezeEveryMs, (random) => this.#freezeOne(random));
    this.#every('clock', nemesis.clockJumpEveryMs, (random) => this.#jump(random));
    this.#every('stores cut', nemesis.storesCutEveryMs, (random) => this.#cutStores(random));
    this.#every('add journals', nemesis.addJournalsEveryMs, (random) => addJournals(this.#world, random));
    if (!isAlone) strikeClusters(this.#world, this.#every, () => this.#over);
  }

  /** How often each kind of misfortune came. */
  get strikes(): Record<string, number> {
    return Object.fromEntries(this.#strikes);
  }

  /** Nothing goes wrong from now on; what is frozen thaws, clocks are right, the network is whole. */
  end(): void {
    this.#over = true;
    const { supervisor, weather, network } = this.#world;
    weather.calm();
    network.heal();
    supervisor.initialSkewMs = () => 0;
    for (const process of supervisor.alive) {
      process.wallSkewMs = 0;
      process.stores.heal();
      process.thaw();
    }
  }

  readonly #every: Every = (name, meanMs, strike) => {
    if (meanMs === null) return;
    const random = this.#world.random.fork(`nemesis ${name}`);
    const again = () => {
      this.#world.time.after(random.exponential(meanMs), () => {
        if (this.#over) return;
        this.#strikes.set(name, (this.#strikes.get(name) ?? 0) + 1);
        strike(random);
        again();
      });
    };
    again();
  };

  #storm(random: SeededRandom): void {
    const { weather, trace, time, scenario } = this.#world;
    if (weather.calmSince === null) return;
    const outage = random.chance(OUTAGE_CHANCE);
    const lengthMs = outage ? random.between(100, OUTAGE_MS_MAX) : random.exponential(scenario.nemesis.stormMs);
    trace.add('weather', outage ? 'outage' : 'storm');
    if (outage) weather.outage();
    else weather.storm();
    time.after(lengthMs, () => {
      if (this.#over) return;
      trace.add('weather', 'calm');
      weather.calm();
    });
  }

  #victim(random: SeededRandom): BrokerProcess | null {
    const { alive } = this.#world.supervisor;
    return alive.length === 0 ? null : random.pick(alive);
  }

  #kill(random: SeededRandom): void {
    const { scenario, network } = this.#world;
    const victim = this.#victim(random);
    if (victim === null) return;
    if (random.chance(scenario.nemesis.vanishChance)) network.vanish(victim.station);
    victim.kill();
  }

  #troubleStart(process: BrokerProcess): void {
    const random = this.#world.random.fork(`start of ${process.name}`);
    if (this.#over || !random.chance(this.#world.scenario.nemesis.troubledStartChance)) return;
    this.#world.time.after(random.between(0, START_MS_MAX), () => {
      if (this.#over || process.phase !== 'starting') return;
      if (random.chance(0.3)) process.kill();
      else this.#freeze(random, process);
    });
  }

  #freezeOne(random: SeededRandom): void {
    const { slots } = this.#world.supervisor;
    const slot = slots.length > 0 ? random.pick(slots) : null;
    if (slot?.newest) this.#freeze(random, slot.newest);
  }

  #freeze(random: SeededRandom, victim: BrokerProcess): void {
    const { supervisor, time, scenario } = this.#world;
    const slot = supervisor.slots.find(({ newest }) => newest === victim);
    if (victim.gate.state !== 'running') return;
    victim.freeze();
    const { longFreezeChance, longFreezeMs } = scenario.nemesis;
    const [from, to] = FREEZE_MS;
    const frozenMs = random.chance(longFreezeChance) ? longFreezeMs : from * (to / from) ** random.float();
    time.after(frozenMs, () => victim.phase !== 'ended' && victim.gate.state === 'frozen' && victim.thaw());
    if (slot === undefined || !random.chance(SUCCESSOR_CHANCE)) return;
    // Nobody tells it of journals that the other one adds: the lock of embedded stores keeps a second process away.
    if (scenario.isAlone && scenario.nemesis.addJournalsEveryMs !== null) return;
    time.after(random.between(0, frozenMs * 1.2), () => this.#succeed(slot, victim));
  }

  /** Another process of the same broker, as when an orchestrator takes the old one for dead. */
  #succeed(slot: Slot, victim: BrokerProcess): void {
    const { supervisor } = this.#world;
    const lives = supervisor.alive.filter(({ brokerId }) => brokerId === slot.brokerId).length;
    if (!this.#over && slot.isWanted && slot.newest === victim && lives < PROCESSES_MAX) supervisor.startIn(slot);
  }

  #jump(random: SeededRandom): void {
    const { trace } = this.#world;
    const victim = this.#victim(random);
    if (victim === null) return;
    victim.wallSkewMs = this.#drawSkewMs(random);
    trace.add(victim.name, `its wall clock jumps to ${victim.wallSkewMs} ms off`);
  }

  /** One process alone has lost the stores. */
  #cutStores(random: SeededRandom): void {
    const { trace, time } = this.#world;
    const victim = this.#victim(random);
    if (victim === null || victim.stores.isCut) return;
    trace.add(victim.name, 'is cut off from the stores');
    victim.stores.cut();
    time.after(random.between(100, STORES_CUT_MS_MAX), () => victim.stores.heal());
  }

  #drawSkewMs(random: SeededRandom): number {
    const { clockSkewMsMax } = this.#world.scenario.nemesis;
    return Math.round(random.between(-clockSkewMsMax, clockSkewMsMax));
  }
}
