import type { Runtime } from '../../src/runtime/runtime.ts';
import { Faults } from '../../src/storage/faulty.ts';
import type { Scenario } from './scenario.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** How the two stores behave at the moment, for all processes alike. */
export class Weather {
  readonly metadata: Faults;
  readonly objects: Faults;
  readonly #scenario: Scenario;
  readonly #time: SimulatedTime;
  #calmSince: number | null = 0;

  constructor(scenario: Scenario, time: SimulatedTime, random: SeededRandom) {
    this.#scenario = scenario;
    this.#time = time;
    const runtime = (name: string): Pick<Runtime, 'random' | 'timers'> => ({ random: random.fork(name), timers: time });
    this.metadata = new Faults(runtime('metadata'), scenario.metadata.calm);
    this.objects = new Faults(runtime('objects'), scenario.objects.calm);
  }

  /** Monotonic milliseconds since when no fault was injected; null while they are. */
  get calmSince(): number | null {
    return this.#calmSince;
  }

  /** Effects that will come although their callers were told of an error. */
  get lateEffects(): number {
    return this.metadata.lateEffects + this.objects.lateEffects;
  }

  storm(): void {
    this.#calmSince = null;
    this.metadata.plan = this.#scenario.metadata.storm;
    this.objects.plan = this.#scenario.objects.storm;
  }

  calm(): void {
    this.#calmSince ??= this.#time.monotonic();
    this.metadata.plan = this.#scenario.metadata.calm;
    this.objects.plan = this.#scenario.objects.calm;
    // What hung goes on: connections are cut or recover, none stalls for ever.
    this.metadata.release();
    this.objects.release();
  }

  /** Neither store answers anything. */
  outage(): void {
    this.#calmSince = null;
    const away = { faults: { 'error-before': 1 } };
    this.metadata.plan = away;
    this.objects.plan = away;
  }
}
