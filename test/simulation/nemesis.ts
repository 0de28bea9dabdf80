/**
 * What goes wrong, and when: storms over the stores, outages, processes that are killed, restarted in order, frozen while
 * a successor takes over or without one, and wall clocks that jump.
 */
import type { BrokerProcess } from './broker-process.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { World } from './world.ts';

const OUTAGE_CHANCE = 0.15;
const OUTAGE_MS_MAX = 8_000;
const FREEZE_MS = [20, 15_000] as const;
const SUCCESSOR_CHANCE = 0.7;
/** Processes that freeze, or die, while they take over. */
const TROUBLED_START_CHANCE = 0.15;
const START_MS_MAX = 400;
/** More than this at once would only be slow. */
const PROCESSES_MAX = 4;

export class Nemesis {
  readonly #world: World;
  #over = false;

  constructor(world: World) {
    this.#world = world;
    world.supervisor.onStart = (process) => this.#troubleStart(process);
    world.supervisor.initialSkewMs = (name) => this.#drawSkewMs(world.random.fork(`skew of ${name}`));
  }

  start(): void {
    const { nemesis } = this.#world.scenario;
    this.#every('storm', nemesis.stormEveryMs, (random) => this.#storm(random));
    this.#every('kill', nemesis.killEveryMs, (random) => this.#victim(random)?.kill());
    this.#every('restart', nemesis.restartEveryMs, (random) => this.#victim(random)?.stop());
    this.#every('freeze', nemesis.freezeEveryMs, (random) => this.#freeze(random));
    this.#every('clock', nemesis.clockJumpEveryMs, (random) => this.#jump(random));
  }

  /** Nothing goes wrong from now on; what is frozen thaws, clocks are right. */
  end(): void {
    this.#over = true;
    const { supervisor, weather } = this.#world;
    weather.calm();
    supervisor.initialSkewMs = () => 0;
    for (const process of supervisor.alive) {
      process.wallSkewMs = 0;
      process.thaw();
    }
  }

  #every(name: string, meanMs: number | null, strike: (random: SeededRandom) => void): void {
    if (meanMs === null) return;
    const random = this.#world.random.fork(`nemesis ${name}`);
    const again = () => {
      this.#world.time.after(random.exponential(meanMs), () => {
        if (this.#over) return;
        strike(random);
        again();
      });
    };
    again();
  }

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

  #troubleStart(process: BrokerProcess): void {
    const random = this.#world.random.fork(`start of ${process.name}`);
    if (this.#over || !random.chance(TROUBLED_START_CHANCE)) return;
    this.#world.time.after(random.between(0, START_MS_MAX), () => {
      if (this.#over || process.phase !== 'starting') return;
      if (random.chance(0.3)) process.kill();
      else this.#freeze(random);
    });
  }

  #freeze(random: SeededRandom): void {
    const { supervisor, time } = this.#world;
    const victim = supervisor.newest;
    if (victim === null || victim.gate.state !== 'running') return;
    victim.freeze();
    const [from, to] = FREEZE_MS;
    const frozenMs = from * (to / from) ** random.float();
    time.after(frozenMs, () => victim.phase !== 'ended' && victim.gate.state === 'frozen' && victim.thaw());
    if (!random.chance(SUCCESSOR_CHANCE) || supervisor.alive.length >= PROCESSES_MAX) return;
    time.after(random.between(0, frozenMs * 1.2), () => {
      if (!this.#over && supervisor.newest === victim) supervisor.start();
    });
  }

  #jump(random: SeededRandom): void {
    const { trace } = this.#world;
    const victim = this.#victim(random);
    if (victim === null) return;
    victim.wallSkewMs = this.#drawSkewMs(random);
    trace.add(victim.name, `its wall clock jumps to ${victim.wallSkewMs} ms off`);
  }

  #drawSkewMs(random: SeededRandom): number {
    const { clockSkewMsMax } = this.#world.scenario.nemesis;
    return Math.round(random.between(-clockSkewMsMax, clockSkewMsMax));
  }
}
