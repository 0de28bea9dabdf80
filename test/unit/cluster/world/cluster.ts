/** Brokers of one cluster as membership makes them: fake seats, a fake network, memory for a table, time by steps. */
import type { BrokerAddresses } from '../../../../src/cluster/cluster-items.ts';
import { MembershipOperations } from '../../../../src/cluster/cluster-operations.ts';
import { MembershipService } from '../../../../src/cluster/membership.ts';
import { agreeOnFormat, agreeOnJournals, registerBroker } from '../../../../src/cluster/registration.ts';
import { parseConfig } from '../../../../src/config.ts';
import { StorageRefusedError, StorageUnavailableError } from '../../../../src/errors.ts';
import { sleep, type Timers } from '../../../../src/runtime/clock.ts';
import type { LogFields, Logger } from '../../../../src/runtime/logger.ts';
import type { Runtime } from '../../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../../src/storage/memory/metadata-store.ts';
import type { MetadataStore } from '../../../../src/storage/metadata-store.ts';
import { StorageMeter } from '../../../../src/storage/meter.ts';
import { meteredMetadataStore } from '../../../../src/storage/metered.ts';
import { type SteppedRuntime, steppedRuntime } from '../../coordinator/stepped-runtime.ts';
import { Network, NetworkNode } from './network.ts';
import { asSeats, FakeSeats, Fences } from './seats.ts';

/** Of DynamoDB on demand, dollars per million units. */
const PRICING = { writeUnit: 0.625, readUnit: 0.125 };

export interface Broker {
  readonly id: number;
  readonly epoch: number;
  readonly membership: MembershipService;
  readonly operations: MembershipOperations;
  readonly seats: FakeSeats;
  readonly node: NetworkNode;
  readonly logged: string[];
  /** The reason, once it had to stop. */
  failure: Error | null;
  /** What its requests to the table meet: nothing, an error before or after the effect, or a delay around it. */
  readonly table: { refusal: Error | null; hangs: boolean; losesAnswers: boolean; delayMs: number };
}

export class Cluster {
  readonly time: SteppedRuntime;
  readonly network = new Network();
  readonly fences = new Fences();
  table: MetadataStore;
  readonly meter: StorageMeter;
  readonly brokers = new Map<number, Broker>();
  #port = 20_000;

  constructor(seed = 1) {
    this.time = steppedRuntime(seed);
    this.meter = new StorageMeter(this.time);
    this.table = meteredMetadataStore(new MemoryMetadataStore({ pricing: PRICING }), this.meter);
  }

  /** Starts a broker, and lets it work for a second. */
  async start(id: number, options: { readonly journals?: number; readonly zone?: string } = {}): Promise<Broker> {
    const broker = await this.begin(id, options);
    await this.time.advance(1_000);
    await this.awaited(broker.membership.whenReady());
    return broker;
  }

  /** `meets` is what its requests to the table meet once it is registered. */
  async begin(
    id: number,
    {
      journals = 6,
      zone = '',
      meets = {},
    }: { readonly journals?: number; readonly zone?: string; readonly meets?: Partial<Broker['table']> } = {},
  ) {
    const port = this.#port++;
    const logged: string[] = [];
    const table: Broker['table'] = { refusal: null, hangs: false, losesAnswers: false, delayMs: 0 };
    const runtime = this.#runtimeOf(() => node, logged);
    const metadata = this.#tableOf(table);
    const config = parseConfig({ cluster: 'c', store: 's3://b', table: 't', 'broker.id': String(id) });
    await agreeOnFormat(metadata, 'c', '1.2.3');
    const address = (of: number) => ({ host: '127.0.0.1', port: of });
    const addresses: BrokerAddresses = {
      kafka: address(port + 20_000),
      kafkaByZone: {},
      http: address(port + 10_000),
      internal: address(port),
    };
    const registration = await registerBroker({
      metadata,
      clusterId: 'c',
      broker: { ...addresses, brokerId: id, zone, version: '1.2.3' },
      runtime,
      probe: async (asked) => {
        const found = this.network.at(asked);
        return found && !found.frozen ? found.identity : null;
      },
    });
    const count = await agreeOnJournals(metadata, 'c', journals, runtime);
    const identity = { brokerId: id, brokerEpoch: registration.brokerEpoch };
    const node: NetworkNode = new NetworkNode(this.network, identity, port, runtime);
    const seats = new FakeSeats(id, count, this.fences, runtime);
    const membership = new MembershipService({
      clusterId: 'c',
      runtime,
      metadata,
      registration,
      incarnation: null,
      seats: asSeats(seats),
      peers: node.peers,
      registry: node,
      links: node,
    });
    const broker: Broker = {
      id,
      epoch: identity.brokerEpoch,
      membership,
      operations: new MembershipOperations({ config, runtime, metadata, membership, seats: asSeats(seats) }),
      seats,
      node,
      logged,
      failure: null,
      table,
    };
    void membership.failed.then((cause) => {
      broker.failure = cause;
    });
    this.brokers.set(id, broker);
    Object.assign(table, meets);
    await this.awaited(membership.start(addresses));
    await this.awaited(membership.announce(addresses));
    return broker;
  }

  get(id: number): Broker {
    return this.brokers.get(id)!;
  }

  /** Starts several, and waits until journals are spread over them. */
  async startAll(ids: readonly number[], options: { readonly journals?: number } = {}): Promise<void> {
    for (const id of ids) await this.start(id, options);
    await this.time.advance(20_000);
  }

  /** Kills the process at once. */
  kill(id: number): void {
    const { node } = this.brokers.get(id)!;
    node.kill();
    this.brokers.delete(id);
  }

  async leave(id: number): Promise<void> {
    const { membership, node } = this.brokers.get(id)!;
    await this.awaited(membership.leave());
    node.kill();
    this.brokers.delete(id);
  }

  /** Lets time pass until it settles. */
  async awaited<T>(promise: Promise<T>, stepMs = 10): Promise<T> {
    let done = false;
    const watched = promise.finally(() => {
      done = true;
    });
    watched.catch(() => {});
    for (let step = 0; !done && step < 3_000; step++) await this.time.advance(stepMs);
    if (!done) throw new Error('it does not come to an end');
    return watched;
  }

  /** Who leads each journal, by the fence; null where the holder is not there any more. */
  leaders(): (number | null)[] {
    const found: (number | null)[] = [];
    for (let journal = 0; journal < [...this.brokers.values()][0]!.seats.count; journal++) {
      const holder = this.fences.holders.get(journal);
      const leads = holder && this.brokers.get(holder.brokerId)?.seats === holder && holder.led.includes(journal);
      found.push(leads ? holder.brokerId : null);
    }
    return found;
  }

  /** How many journals each broker leads. */
  counts(): Record<number, number> {
    const counts: Record<number, number> = {};
    for (const id of this.brokers.keys()) counts[id] = 0;
    for (const leader of this.leaders()) if (leader !== null) counts[leader]!++;
    return counts;
  }

  /** Milliseconds until the condition holds. */
  async until(condition: () => boolean, msMax: number, stepMs = 10): Promise<number> {
    for (let ms = 0; ms <= msMax; ms += stepMs) {
      if (condition()) return ms;
      await this.time.advance(stepMs);
    }
    throw new Error(`not within ${msMax} ms`);
  }

  /** Time, chance and output as one process has them: its timers stand still while it is frozen. */
  #runtimeOf(node: () => NetworkNode, logged: string[]): Runtime {
    const { time } = this;
    const timers: Timers = {
      after(delayMs, callback, options) {
        let cancelled = false;
        const run = () => {
          if (cancelled || !node().alive) return;
          if (node().frozen) time.timers.after(50, run);
          else callback();
        };
        const timer = time.timers.after(delayMs, run, options);
        return {
          cancel() {
            cancelled = true;
            timer.cancel();
          },
        };
      },
      soon: (callback) => time.timers.soon(callback),
    };
    const write = (level: string) => (fields: LogFields, message: string) =>
      void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
    const logger: Logger = {
      debug: () => {},
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: () => logger,
    };
    return { ...time, timers, logger };
  }

  /** The table as one broker has it. */
  #tableOf(own: Broker['table']): MetadataStore {
    const guarded = async <T>(act: () => Promise<T>): Promise<T> => {
      if (own.refusal) throw own.refusal;
      if (own.hangs) return new Promise(() => {});
      if (own.losesAnswers) {
        await act();
        throw new StorageUnavailableError('the answer was lost');
      }
      if (own.delayMs === 0) return act();
      await sleep(this.time.timers, own.delayMs / 2);
      const answer = await act();
      await sleep(this.time.timers, own.delayMs / 2);
      return answer;
    };
    return {
      pricing: PRICING,
      get: (...given) => guarded(() => this.table.get(...given)),
      query: (...given) => guarded(() => this.table.query(...given)),
      put: (...given) => guarded(() => this.table.put(...given)),
      delete: (...given) => guarded(() => this.table.delete(...given)),
      transact: (...given) => guarded(() => this.table.transact(...given)),
      close: async () => {},
    };
  }
}

export const rightsLost = () =>
  new StorageRefusedError('AccessDeniedException: not authorized to perform dynamodb:PutItem');
