/**
 * One life of a broker: `openCore` behind a gate, on the shared stores and the network. It can be killed or frozen between
 * any two events, also while it starts or stops. As the real composition root does, it stops when another process took its
 * place.
 */

import type { Config } from '../../src/config.ts';
import { StartupError, StorageUnavailableError } from '../../src/errors.ts';
import type { MaintenanceLimits } from '../../src/journal/maintenance.ts';
import { type Core, openCore } from '../../src/server.ts';
import { type Faults, faultyMetadataStore, faultyObjectStore } from '../../src/storage/faulty.ts';
import { openGivenStores } from '../../src/stores.ts';
import { Gate } from './gate.ts';
import type { History } from './history.ts';
import type { SimulatedNetwork, Station } from './network.ts';
import type { SharedStores } from './observed-stores.ts';
import { processMetadataStore, processObjectStore, StoreLine } from './process-stores.ts';
import type { SeededRandom } from './seeded-random.ts';
import { describeError, simulatedRuntime } from './simulated-runtime.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';

/** What an operator has to hear of, and a process says that was taken for dead. */
const EXPECTED = /this broker (leads nothing any more and )?stops/;
const DRAIN_MS_MAX = 200;
/** Of a broker that has no network. */
const NOWHERE = { host: '127.0.0.1', port: 0 };

export interface ProcessOptions {
  readonly name: string;
  readonly brokerId: number;
  /** Null for a broker alone. */
  readonly network: SimulatedNetwork | null;
  readonly config: Config;
  readonly journalLimits: Partial<MaintenanceLimits>;
  readonly time: SimulatedTime;
  readonly random: SeededRandom;
  readonly stores: SharedStores;
  readonly metadataFaults: Faults;
  readonly objectFaults: Faults;
  readonly trace: Trace;
  readonly history: () => History;
  readonly onEnd: (process: BrokerProcess) => void;
}

export type ProcessPhase = 'starting' | 'serving' | 'stopping' | 'ended';

export class BrokerProcess {
  readonly name: string;
  readonly brokerId: number;
  readonly gate: Gate;
  /** To both stores. */
  readonly stores: StoreLine;
  /** Wall clock minus true time, milliseconds. */
  wallSkewMs = 0;
  readonly #options: ProcessOptions;
  #phase: ProcessPhase = 'starting';
  #core: Core | null = null;
  #why = '';
  #runningSince: number | null = null;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.brokerId = options.brokerId;
    this.stores = new StoreLine(options.time, options.random.fork('line to the stores'));
    this.gate = new Gate(options.time);
    this.#options = options;
    this.gate.onDeath(() => this.#ended());
  }

  get phase(): ProcessPhase {
    return this.#phase;
  }

  /** Why it stopped by itself; empty when it was killed or still runs. */
  get why(): string {
    return this.#why;
  }

  /** What serves requests, once it does. */
  get core(): Core | null {
    return this.#phase === 'serving' || this.#phase === 'stopping' ? this.#core : null;
  }

  /** Monotonic milliseconds since when it serves without having been frozen; null when it does not. */
  get runningSince(): number | null {
    return this.serves ? this.#runningSince : null;
  }

  /** Where it stands on the network. */
  get station(): Station {
    return { name: this.name, place: this.brokerId, gate: this.gate };
  }

  get serves(): boolean {
    return this.#phase === 'serving' && this.gate.state === 'running';
  }

  start(): void {
    this.#options.trace.add(this.name, 'starts');
    this.#options.history().add({ type: 'processStarted', process: this.name });
    this.gate.enter(() => void this.#run());
  }

  kill(): void {
    if (this.#phase === 'ended') return;
    this.#options.trace.add(this.name, `is killed while ${this.#phase}`);
    this.gate.kill();
  }

  freeze(): void {
    this.#options.trace.add(this.name, 'freezes');
    this.gate.freeze();
  }

  thaw(): void {
    this.#options.trace.add(this.name, 'thaws');
    this.#runningSince = this.#options.time.monotonic();
    this.gate.thaw();
  }

  /** Asks it to stop in order; it ends by itself. */
  stop(why = 'asked to'): void {
    this.gate.enter(() => void this.#stop(why));
  }

  async #run(): Promise<void> {
    const { time, random, stores, config, trace, journalLimits, metadataFaults, objectFaults } = this.#options;
    const transport = this.#options.network?.transport(this.station);
    const runtime = simulatedRuntime({
      time,
      gate: this.gate,
      random: random.fork('broker'),
      wallSkewMs: () => this.wallSkewMs,
      log: (level, line) => {
        trace.add(this.name, `${level} ${line}`);
        if (level === 'error' && !EXPECTED.test(line)) this.#complain(line);
      },
    });
    const metadata = faultyMetadataStore(stores.metadataOf(this.name), metadataFaults);
    const objects = faultyObjectStore(stores.objectsOf(this.name), objectFaults);
    const given = {
      metadata: processMetadataStore(metadata, this.gate, this.stores, random.fork('metadata')),
      objects: processObjectStore(objects, this.gate, this.stores, random.fork('objects')),
    };
    let core: Core;
    try {
      const opened = await openGivenStores(given, config.cluster, runtime);
      const { incarnation } = opened;
      const sharing = transport && { sharing: { transport, incarnation, host: this.name } };
      core = await openCore({ config, runtime, stores: opened, journalLimits, poison: true, ...sharing });
      this.#core = core;
      const { cluster } = core;
      await cluster.announce({ ...cluster.members.self, internal: cluster.internal ?? NOWHERE });
    } catch (cause) {
      this.#why = `could not start: ${describeError(cause)}`;
      const isExpected = cause instanceof StartupError || cause instanceof StorageUnavailableError;
      if (!isExpected && !EXPECTED.test(this.#why)) this.#complain(this.#why);
      this.gate.kill();
      return;
    }
    if (this.#phase !== 'starting') return;
    this.#phase = 'serving';
    this.#runningSince = time.monotonic();
    const { brokerId, brokerEpoch, lifecycle, cluster } = core;
    trace.add(this.name, `serves, broker epoch ${brokerEpoch}`);
    this.#options.history().add({ type: 'processServes', process: this.name, brokerId, brokerEpoch });
    lifecycle.start();
    void cluster.failed.then((why) => this.#stop(why.message));
  }

  async #stop(why: string): Promise<void> {
    if (this.#phase !== 'serving' || !this.#core) return;
    this.#phase = 'stopping';
    this.#why = why;
    this.#options.trace.add(this.name, `stops: ${why}`);
    try {
      await this.#core.cluster.leave(() => this.#drained());
      await this.#core.close();
    } catch (cause) {
      this.#complain(`close failed: ${describeError(cause)}`);
    }
    this.gate.kill();
  }

  /** Its clients are told to go, and take a moment. */
  #drained(): Promise<void> {
    const { time, random } = this.#options;
    const ms = random.fork('drain').between(0, DRAIN_MS_MAX);
    return new Promise((resolve) => time.after(ms, () => this.gate.enter(resolve)));
  }

  #complain(what: string): void {
    this.#options.history().add({ type: 'internalError', process: this.name, what });
  }

  #ended(): void {
    this.#phase = 'ended';
    this.#core = null;
    this.#options.trace.add(this.name, `ended${this.#why === '' ? '' : `: ${this.#why}`}`);
    this.#options.history().add({ type: 'processEnded', process: this.name });
    this.#options.onEnd(this);
  }
}
