/**
 * Keeps a broker running: starts a new process when the newest one ended. Older ones may still be there, frozen or not yet
 * aware that they were succeeded.
 */
import { BrokerProcess } from './broker-process.ts';
import type { History } from './history.ts';
import type { SharedStores } from './observed-stores.ts';
import type { Scenario } from './scenario.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';
import type { Weather } from './weather.ts';

export interface SupervisorOptions {
  readonly scenario: Scenario;
  readonly time: SimulatedTime;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly history: () => History;
  readonly stores: SharedStores;
  readonly weather: Weather;
}

const RESTART_MS = [20, 2_000] as const;
/** Requests that go to an older process, as those of clients with old metadata do. */
const STALE_CHANCE = 0.15;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #alive: BrokerProcess[] = [];
  #count = 0;
  #newest: BrokerProcess | null = null;
  #skewMs: (name: string) => number = () => 0;
  #onStart: (process: BrokerProcess) => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** All that have not ended, oldest first. */
  get alive(): readonly BrokerProcess[] {
    return this.#alive;
  }

  get newest(): BrokerProcess | null {
    return this.#newest;
  }

  /** Processes started so far. */
  get count(): number {
    return this.#count;
  }

  /** How far the wall clock of a new process is off. */
  set initialSkewMs(draw: (name: string) => number) {
    this.#skewMs = draw;
  }

  set onStart(listener: (process: BrokerProcess) => void) {
    this.#onStart = listener;
  }

  start(): BrokerProcess {
    const { scenario, time, random, trace, history, stores, weather } = this.#options;
    const name = `p${++this.#count}`;
    const process = new BrokerProcess({
      name,
      config: scenario.config,
      journalLimits: scenario.journalLimits,
      time,
      random: random.fork(name),
      stores,
      metadataFaults: weather.metadata,
      objectFaults: weather.objects,
      trace,
      history,
      onEnd: (ended) => this.#onEnd(ended),
    });
    process.wallSkewMs = this.#skewMs(name);
    this.#alive.push(process);
    this.#newest = process;
    process.start();
    this.#onStart(process);
    return process;
  }

  /** Where a client turns to: mostly the newest that serves. Null when nobody does. */
  pick(random: SeededRandom): BrokerProcess | null {
    const listening = this.#alive.filter(({ core }) => core !== null);
    if (random.chance(STALE_CHANCE) && listening.length > 0) return random.pick(listening);
    return this.#newest?.core ? this.#newest : null;
  }

  #onEnd(ended: BrokerProcess): void {
    this.#alive.splice(this.#alive.indexOf(ended), 1);
    if (this.#newest !== ended) return;
    this.#newest = null;
    const { time, random } = this.#options;
    const [from, to] = RESTART_MS;
    time.after(random.fork(`restart after ${ended.name}`).between(from, to), () => {
      if (this.#newest === null) this.start();
    });
  }
}
