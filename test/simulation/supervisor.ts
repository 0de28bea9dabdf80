/**
 * Keeps the brokers of a cluster running: a slot per broker id, and in each a new process when the newest one ended. Older
 * ones may still be there, frozen or not yet aware that they were succeeded. Slots come and go.
 */
import { BrokerProcess } from './broker-process.ts';
import type { History } from './history.ts';
import type { SimulatedNetwork } from './network.ts';
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
  readonly network: SimulatedNetwork;
  readonly weather: Weather;
}

const RESTART_MS = [20, 2_000] as const;
/** Between the first starts of the brokers of a cluster. */
const STAGGER_MS_MAX = 500;
/** Requests that go to an older process, as those of clients with old metadata do. */
const STALE_CHANCE = 0.15;
const INTERNAL_PORT = 9_094;

/** The place of one broker. */
export class Slot {
  readonly brokerId: number;
  newest: BrokerProcess | null = null;
  /** Processes started so far. */
  started = 0;
  /** Not taken away for good. */
  isWanted = true;

  constructor(brokerId: number) {
    this.brokerId = brokerId;
  }
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #alive: BrokerProcess[] = [];
  readonly #slots: Slot[] = [];
  #count = 0;
  #skewMs: (name: string) => number = () => 0;
  #onStart: (process: BrokerProcess) => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** All processes that have not ended, oldest first. */
  get alive(): readonly BrokerProcess[] {
    return this.#alive;
  }

  /** Of brokers that are to run, in order of ids. */
  get slots(): readonly Slot[] {
    return this.#slots.filter(({ isWanted }) => isWanted);
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

  /** The newest process of a broker. */
  newestOf(brokerId: number): BrokerProcess | null {
    return this.#slots[brokerId - 1]?.newest ?? null;
  }

  start(): void {
    const { scenario, time, random } = this.#options;
    const stagger = random.fork('first starts');
    for (let brokerId = 1; brokerId <= scenario.brokers; brokerId++) {
      const slot = new Slot(brokerId);
      this.#slots.push(slot);
      if (brokerId === 1) this.startIn(slot);
      else time.after(stagger.between(0, STAGGER_MS_MAX), () => this.#restart(slot));
    }
  }

  /** A broker more: one that was taken away before, or a new one. How many there may be is the caller's business. */
  grow(): Slot {
    let slot = this.#slots.find(({ isWanted }) => !isWanted);
    if (slot === undefined) {
      slot = new Slot(this.#slots.length + 1);
      this.#slots.push(slot);
    }
    slot.isWanted = true;
    this.#restart(slot);
    return slot;
  }

  startIn(slot: Slot): BrokerProcess {
    const { scenario, time, random, trace, history, stores, network, weather } = this.#options;
    this.#count++;
    const { brokerId } = slot;
    const name = `b${brokerId}.${++slot.started}`;
    const process = new BrokerProcess({
      name,
      brokerId,
      config: {
        ...scenario.config,
        'broker.id': brokerId,
        zone: scenario.zones[brokerId - 1]!,
        internal: `10.0.${brokerId}.${slot.started}:${INTERNAL_PORT}`,
      },
      network: scenario.isAlone ? null : network,
      journalLimits: scenario.journalLimits,
      time,
      random: random.fork(name),
      stores,
      metadataFaults: weather.metadata,
      objectFaults: weather.objects,
      trace,
      history,
      onEnd: (ended) => this.#onEnd(slot, ended),
    });
    process.wallSkewMs = this.#skewMs(name);
    this.#alive.push(process);
    slot.newest = process;
    process.start();
    this.#onStart(process);
    return process;
  }

  /**
   * Where a client turns to that wants a certain broker, or any: mostly the newest process that serves. Null when nobody
   * does.
   */
  pick(random: SeededRandom, brokerId: number | null = null): BrokerProcess | null {
    const listening = this.#alive.filter(({ core }) => core !== null);
    if (random.chance(STALE_CHANCE) && listening.length > 0) return random.pick(listening);
    const newest = this.#slots.flatMap((slot) => (slot.newest?.core ? [slot.newest] : []));
    const wanted = brokerId === null ? newest : newest.filter((process) => process.brokerId === brokerId);
    if (wanted.length === 0) return null;
    return wanted.length === 1 ? wanted[0]! : random.pick(wanted);
  }

  #restart(slot: Slot): void {
    if (slot.newest === null && slot.isWanted) this.startIn(slot);
  }

  #onEnd(slot: Slot, ended: BrokerProcess): void {
    this.#alive.splice(this.#alive.indexOf(ended), 1);
    if (slot.newest !== ended) return;
    slot.newest = null;
    const { time, random } = this.#options;
    const [from, to] = RESTART_MS;
    time.after(random.fork(`restart after ${ended.name}`).between(from, to), () => this.#restart(slot));
  }
}
