/**
 * One run: brokers on memory stores, clients, and everything that can go wrong, all on one simulated clock.
 *
 *   storms and crashes, workload ──► calm, workload ends ──► every record read ──► background work ends ──► checked at rest
 */
import type { TimerHandle } from '../../src/runtime/clock.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { acknowledgedRecords } from './checkers/acknowledged-records.ts';
import { assignments } from './checkers/assignments.ts';
import { ClassicGenerations } from './checkers/classic-generations.ts';
import { CommittedOffsets } from './checkers/committed-offsets.ts';
import { ConsumerEpochs } from './checkers/consumer-epochs.ts';
import { FencedCommits } from './checkers/fenced-commits.ts';
import { idempotence } from './checkers/idempotence.ts';
import { journalEpochs } from './checkers/journal-epochs.ts';
import { findDisorder, leadership } from './checkers/leadership.ts';
import { liveness } from './checkers/liveness.ts';
import { offsets } from './checkers/offsets.ts';
import { Segments } from './checkers/segments.ts';
import { ShareDeliveries } from './checkers/share-deliveries.ts';
import { topicsAtRest } from './checkers/topics-at-rest.ts';
import { transactions } from './checkers/transactions.ts';
import { Client } from './connection.ts';
import { type Checker, History, type LeadershipSeen, nameOf, type StoredTopic, Violation } from './history.ts';
import { Ledger } from './ledger.ts';
import { Nemesis } from './nemesis.ts';
import { SimulatedNetwork } from './network.ts';
import { SharedStores, type Tamper } from './observed-stores.ts';
import { drawScenario, type Scenario, type ScenarioOptions } from './scenario.ts';
import { SeededRandom } from './seeded-random.ts';
import { describeError } from './simulated-runtime.ts';
import { SimulatedTime } from './simulated-time.ts';
import { Supervisor } from './supervisor.ts';
import { TopicDirectory } from './topic-directory.ts';
import { Trace, type TraceSummary } from './trace.ts';
import { Weather } from './weather.ts';
import { classicGroup } from './workload/classic-group.ts';
import { assignedNames } from './workload/classic-protocol.ts';
import { committer } from './workload/committer.ts';
import { conditionalWriter } from './workload/conditional-writer.ts';
import { consumerGroup } from './workload/consumer-group.ts';
import { finalReader } from './workload/final-reader.ts';
import { idempotentWriter } from './workload/idempotent-writer.ts';
import { keyedWriter } from './workload/keyed-writer.ts';
import { plainWriter } from './workload/plain-writer.ts';
import { prober } from './workload/prober.ts';
import { randomReader } from './workload/random-reader.ts';
import { recordDeleter } from './workload/record-deleter.ts';
import { shareGroup } from './workload/share-group.ts';
import { tailReader } from './workload/tail-reader.ts';
import { RETENTION_MS_MAX, topicAdmin } from './workload/topic-admin.ts';
import { enlistingWriter, transactionalWriter } from './workload/transactional-writer.ts';
import type { World } from './world.ts';

export interface SimulationOptions extends ScenarioOptions {
  /** Gets every line of the trace. */
  readonly onTrace?: (line: string) => void;
  /** Breaks a store on purpose, to see that the checkers notice: wraps what each process talks to. */
  readonly tamper?: Tamper;
  /** Called now and then with the simulated milliseconds that passed. */
  readonly onProgress?: (elapsedMs: number) => void;
}

export interface SimulationReport {
  readonly scenario: Scenario;
  readonly trace: TraceSummary;
  readonly events: number;
  /** Simulated. */
  readonly elapsedMs: number;
  readonly processes: number;
  readonly batchesAppended: number;
  readonly acknowledged: number;
  /** Ends of transactions that clients were told of. */
  readonly transactions: number;
  readonly offsetsCommitted: number;
  /** What members of groups were told to read. */
  readonly assignments: number;
  /** Runs of records that members of share groups were given. */
  readonly deliveries: number;
  readonly faults: number;
  /** What else went wrong, by kind. */
  readonly strikes: Readonly<Record<string, number>>;
  /** Between brokers. */
  readonly frames: number;
}

/** A violation, with what it takes to see it again. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';

  /** Who found it; empty when the simulator itself fails. */
  readonly checker: string;
  /** Simulated. */
  readonly elapsedMs: number;

  constructor(
    cause: unknown,
    { seed, minutes, journals, brokers }: Scenario,
    tail: readonly string[],
    elapsedMs: number,
  ) {
    const shape = `--journals ${journals} --brokers ${brokers}`;
    const replay = `npm run simulate -- --seed ${seed} --minutes ${minutes} ${shape}`;
    super(`${describeError(cause)}\nreplay: ${replay}\nlast events:\n  ${tail.join('\n  ')}`, { cause });
    this.elapsedMs = elapsedMs;
    this.checker = cause instanceof Violation ? cause.checker : '';
  }
}

const TAIL_LINES = 40;
/** How long the workload may take to end once nothing goes wrong any more, and everything to be read after it. */
const DRAIN_MS_MAX = 180_000;
/** How long merging, trimming and reclaim may take once nothing is asked of the broker any more. */
const REST_MS_MAX = 600_000;
const MARGIN_MS = 5_000;
/** How long it may take until every journal is led where it should be. */
const LEADERSHIP_MS_MAX = 60_000;
const LOOK_MS = 250;
/** In clusters, what was left half-way is looked at after a while. */
const TOPICS_MS_MAX = 60_000;
const RESTART_MS_MAX = 60_000;
const PROGRESS_EVERY_EVENTS = 20_000;

/** Rejects with SimulationFailure when a checker finds something. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #scenario: Scenario;
  readonly #time = new SimulatedTime();
  readonly #trace: Trace;
  readonly #stores: SharedStores;
  readonly #segments: Segments;
  readonly #transactions = transactions();
  readonly #history: History;
  readonly #world: World & { draining: boolean };
  readonly #workload: Promise<void>[] = [];
  readonly #counts = {
    batchesAppended: 0,
    acknowledged: 0,
    transactions: 0,
    offsetsCommitted: 0,
    assignments: 0,
    deliveries: 0,
  };
  #violation: unknown = null;
  #phase = 'faults';

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#scenario = drawScenario(options);
    const { seed, config, objectPricing, metadataPricing } = this.#scenario;
    const time = this.#time;
    const random = new SeededRandom(seed);
    this.#trace = new Trace(() => time.monotonic(), options.onTrace ?? null);
    const trace = this.#trace;
    const onViolation = (violation: unknown) => {
      this.#violation ??= violation;
    };
    const history = () => this.#history;
    const ledger = new Ledger({ now: () => time.now(), history });
    const clusterId = config.cluster;
    this.#stores = new SharedStores({
      clusterId,
      time,
      trace,
      history,
      ledger,
      objectPricing,
      metadataPricing,
      tamper: options.tamper ?? {},
      onViolation,
    });
    const weather = new Weather(this.#scenario, time, random.fork('weather'));
    const network = new SimulatedNetwork({
      time,
      random: random.fork('network'),
      latency: this.#scenario.network,
      trace: (who, what) => trace.add(who, what),
    });
    const supervisor = new Supervisor({
      scenario: this.#scenario,
      time,
      random: random.fork('processes'),
      trace,
      history,
      stores: this.#stores,
      network,
      weather,
    });
    this.#segments = new Segments({ clusterId, now: () => time.now(), delayMs: config['reclaim.delay.ms'] });
    const acknowledgements = new Acknowledgements(ledger);
    const committedOffsets = new CommittedOffsets();
    const consumerEpochs = new ConsumerEpochs();
    const shareDeliveries = new ShareDeliveries({
      now: () => time.monotonic(),
      deliveryCountLimit: config['group.share.delivery.count.limit'],
      lockMs: config['group.share.record.lock.duration.ms'],
    });
    const { clockSkewMsMax } = this.#scenario.nemesis;
    this.#history = new History(
      [
        this.#counter(),
        acknowledgements,
        journalEpochs({ isAlone: this.#scenario.isAlone }),
        acknowledgedRecords({ ledger, clockSkewMsMax }),
        offsets({ ledger }),
        idempotence(),
        this.#transactions,
        committedOffsets,
        new ClassicGenerations(assignedNames),
        consumerEpochs,
        shareDeliveries,
        new FencedCommits(),
        this.#segments,
        topicsAtRest({ ledger, now: () => time.now(), clockSkewMsMax }),
        assignments(),
        leadership(),
        liveness(),
      ],
      onViolation,
    );
    let lastId = 0;
    this.#world = {
      scenario: this.#scenario,
      time,
      random,
      trace,
      history: this.#history,
      ledger,
      acknowledgements,
      committedOffsets,
      consumerEpochs,
      shareDeliveries,
      supervisor,
      network,
      weather,
      topics: new TopicDirectory(),
      journals: () => this.#stores.journals(),
      nextId: () => ++lastId,
      draining: false,
    };
  }

  async run(): Promise<SimulationReport> {
    const { supervisor, weather, network } = this.#world;
    const nemesis = new Nemesis(this.#world);
    supervisor.start();
    this.#startWorkload();
    nemesis.start();
    void this.#conduct(nemesis);
    try {
      await this.#time.run(() => this.#look());
    } catch (cause) {
      this.#violation ??= cause;
    }
    if (this.#phase !== 'over') this.#violation ??= new Violation('liveness', `all came to rest while ${this.#phase}`);
    if (this.#violation !== null) {
      throw new SimulationFailure(
        this.#violation,
        this.#scenario,
        this.#trace.tail(TAIL_LINES),
        this.#time.monotonic(),
      );
    }
    return {
      scenario: this.#scenario,
      trace: this.#trace.summary(),
      events: this.#time.eventCount,
      elapsedMs: this.#time.monotonic(),
      processes: supervisor.count,
      faults: weather.metadata.count + weather.objects.count,
      strikes: nemesis.strikes,
      frames: network.frames,
      ...this.#counts,
    };
  }

  /** Asked after each event. */
  #look(): boolean {
    if (this.#time.eventCount % PROGRESS_EVERY_EVENTS === 0) this.#options.onProgress?.(this.#time.monotonic());
    return this.#violation !== null || this.#phase === 'over';
  }

  /** The phases of the run, one after the other. */
  async #conduct(nemesis: Nemesis): Promise<void> {
    const world = this.#world;
    await this.#time.sleep(this.#scenario.minutes * 60_000);
    this.#enter('the workload ends');
    nemesis.end();
    world.draining = true;
    const ending = this.#limit();
    // One that is alone hears with its next start of journals that were added as its last life ended.
    if (!this.#scenario.isAlone) await this.#settleLeadership();
    await Promise.all(this.#workload);
    this.#enter('every broker takes records in');
    await this.#guarded(prober(world));
    ending.cancel();
    this.#enter('every record is read');
    const reading = this.#limit();
    await this.#guarded(finalReader(world, new Client(world, world.random.fork('final'))));
    reading.cancel();
    this.#enter('background work ends');
    await this.#time.sleep(RETENTION_MS_MAX + MARGIN_MS);
    this.#enter('brokers are restarted');
    await this.#guarded(this.#restartInOrder());
    this.#enter('a new life reads every record again');
    await this.#guarded(finalReader(world, new Client(world, world.random.fork('at rest'))));
    await this.#settleLeadership();
    // Last: what retention drops while leaders are waited for is reclaimed some time after that.
    await this.#settleDown();
    this.#lookAtTopics();
    this.#lookAtLeases();
    world.history.add({ type: 'quiet' });
    this.#phase = 'over';
  }

  /** Lets the background work finish; what it leaves undone for long is seen by the last look. */
  async #settleDown(): Promise<void> {
    // What began by a clock that was ahead times out by one that is right: later by as much.
    const aheadMsMax = 2 * this.#scenario.nemesis.clockSkewMsMax;
    for (let waitedMs = 0; ; waitedMs += MARGIN_MS) {
      const stores = this.#segments.unrest() !== null && waitedMs < REST_MS_MAX;
      const transactions = this.#transactions.openCount > 0 && waitedMs < aheadMsMax;
      const topics = this.#storedTopics().some(({ phase }) => phase !== 'active') && waitedMs < TOPICS_MS_MAX;
      if (!stores && !transactions && !topics) return;
      await this.#time.sleep(MARGIN_MS);
    }
  }

  /** Journals find their leaders once nothing goes wrong. */
  async #settleLeadership(): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      const seen = this.#leadershipSeen();
      if (waitedMs < LEADERSHIP_MS_MAX && findDisorder(seen) !== null) await this.#time.sleep(LOOK_MS);
      else {
        this.#history.add({ type: 'leadershipAtRest', waitedMs, ...seen });
        return;
      }
    }
  }

  #leadershipSeen(): LeadershipSeen {
    const { supervisor, scenario } = this.#world;
    const item = this.#stores.controllerItem();
    const journals = this.#stores.journals();
    // Nobody tells a broker alone that it was succeeded.
    const processes = scenario.isAlone ? supervisor.alive.slice(-1) : supervisor.alive;
    const brokers = processes.map(({ name, brokerId, core }) => {
      const leads = [...(core?.cluster.seats ?? [])].filter(({ role }) => role === 'leading').map(({ id }) => id);
      return { process: name, brokerId, leads, knows: core?.cluster.seats.count ?? 0 };
    });
    const pinned = Object.keys(item?.pinned ?? {}).map(Number);
    const isDrained = ({ brokerId, core }: (typeof processes)[number]) =>
      core !== null && item?.drained[brokerId] === core.brokerEpoch;
    const drained = processes.filter(isDrained).map(({ brokerId }) => brokerId);
    const assigned = scenario.isAlone ? Array<number>(journals).fill(brokers[0]?.brokerId ?? -1) : item?.assigned;
    return { assigned: assigned ?? [], pinned, drained, journals, brokers };
  }

  /** All clients released what they were answered. */
  #lookAtLeases(): void {
    for (const { name, core } of this.#world.supervisor.alive) {
      const leases = core?.log.leases ?? 0;
      if (leases > 0) this.#history.add({ type: 'internalError', process: name, what: `${leases} leases never end` });
    }
  }

  #storedTopics(): StoredTopic[] {
    return this.#stores.topicItems().map(({ topicId, name, phase, journals, pending }) => ({
      topicId,
      name,
      phase: pending.length > 0 ? 'growing' : phase,
      partitions: journals.length,
    }));
  }

  #lookAtTopics(): void {
    const stored = this.#storedTopics();
    for (const { newest } of this.#world.supervisor.slots) {
      const topics = newest?.core?.topics.list('', '', 10_000) ?? [];
      const known = topics.map(({ topicId, name, partitions, config }) => ({
        topicId,
        name,
        partitions: partitions.length,
        retentionMs: config.deletes ? config.retentionMs : Number.POSITIVE_INFINITY,
      }));
      this.#world.history.add({ type: 'topicsAtRest', stored, known });
    }
  }

  /** Stops one broker after the other, and waits each time until the next process serves. */
  async #restartInOrder(): Promise<void> {
    for (const slot of this.#world.supervisor.slots) {
      const process = slot.newest;
      process?.stop();
      await this.#until('a stop in order', () => process?.phase === 'ended');
      await this.#until('a start', () => slot.newest?.serves === true);
    }
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    for (let waitedMs = 0; !isSo(); waitedMs += 100) {
      if (waitedMs > RESTART_MS_MAX) throw new Violation('liveness', `${what} takes longer than ${RESTART_MS_MAX} ms`);
      await this.#time.sleep(100);
    }
  }

  #startWorkload(): void {
    const { load } = this.#scenario;
    const world = this.#world;
    const named = (name: string) => world.random.fork(name);
    const many = (count: number, kind: string, start: (name: string) => Promise<void>) => {
      for (let index = 0; index < count; index++) this.#workload.push(this.#guarded(start(`${kind}-${index}`)));
    };
    many(1, 'admin', (name) => topicAdmin(world, named(name)));
    many(load.plainWriters, 'plain', (name) => plainWriter(world, name, named(name)));
    many(load.idempotentWriters, 'idempotent', (name) => idempotentWriter(world, name, named(name)));
    many(load.keyedWriters, 'keyed', (name) => keyedWriter(world, name, named(name)));
    many(load.conditionalWriters, 'conditional', (name) => conditionalWriter(world, name, named(name)));
    many(load.tailReaders, 'tail', (name) => tailReader(world, named(name)));
    many(load.randomReaders, 'random', (name) => randomReader(world, named(name)));
    many(load.transactionalWriters, 'transactional', (name) => transactionalWriter(world, name, named(name)));
    many(load.enlistingWriters, 'enlisting', (name) => enlistingWriter(world, name, named(name)));
    many(load.committers, 'committer', (name) => committer(world, name, named(name)));
    const groups = (kind: string, sizes: readonly number[], start: typeof classicGroup) => {
      for (const [index, size] of sizes.entries()) {
        const name = `${kind}-group-${index}`;
        this.#workload.push(this.#guarded(start(world, name, named(name), size)));
      }
    };
    groups('classic', load.classicGroups, classicGroup);
    groups('consumer', load.consumerGroups, consumerGroup);
    groups('share', load.shareGroups, shareGroup);
    many(1, 'deleter', (name) => recordDeleter(world, named(name)));
  }

  /** What a client of the simulation itself throws is a bug of the simulation, and ends the run as well. */
  async #guarded(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (cause) {
      this.#violation ??= cause;
    }
  }

  /** Of a phase that may be long by itself: where stores are slow, reading everything once takes a minute. */
  #limit(): TimerHandle {
    return this.#time.after(DRAIN_MS_MAX, () => {
      this.#violation ??= new Violation('liveness', `${this.#phase} takes longer than ${DRAIN_MS_MAX} ms`);
    });
  }

  #enter(phase: string): void {
    this.#phase = phase;
    this.#trace.add('simulation', phase);
  }

  #counter(): Checker {
    return {
      name: 'counter',
      observe: (event) => {
        if (event.type === 'batchAppended') this.#counts.batchesAppended++;
        if (event.type === 'answered' && event.outcome.error === 'NONE') this.#counts.acknowledged++;
        if (event.type === 'transactionEnded') this.#counts.transactions++;
        if (event.type === 'offsetCommitted') this.#counts.offsetsCommitted++;
        const assigned = event.type === 'memberTold' ? event.assigned !== null : event.type === 'memberAssigned';
        if (assigned) this.#counts.assignments++;
        if (event.type === 'shareFetched') this.#counts.deliveries += event.acquired.length;
        this.#traceEvent(event.type, event);
      },
    };
  }

  #traceEvent(type: string, event: Parameters<Checker['observe']>[0]): void {
    switch (event.type) {
      case 'answered':
        this.#trace.add(event.process, `answers batch ${event.batch.batchId} ${JSON.stringify(event.outcome)}`);
        return;
      case 'sent': {
        const { batchId, writer, producer, expectedOffset } = event.batch;
        const sequence = producer ? ` producer ${producer.id}/${producer.epoch}/${producer.baseSequence}` : '';
        const condition = expectedOffset === undefined ? '' : ` at ${expectedOffset}`;
        const what = `batch ${batchId} of ${writer} for ${nameOf(event.batch)}${sequence}${condition}`;
        this.#trace.add(event.process, `gets ${what}`);
        return;
      }
      case 'fetched': {
        const { process, topicId, partition, fetchOffset, error, highWatermark, logStartOffset, records } = event;
        const what = `${error} ${logStartOffset}..${highWatermark} ${records.length > 0 ? `${records[0]!.offset}-${records.at(-1)!.offset}` : ''}`;
        this.#trace.add(process, `answers fetch of ${topicId}-${partition} from ${fetchOffset}: ${what}`);
        return;
      }
      case 'transactionEnded':
        this.#trace.add('client', `transaction ${event.transaction} ${event.committed ? 'committed' : 'aborted'}`);
        return;
      case 'offsetCommitted':
        this.#trace.add(event.process, `committed offset ${event.offset} of ${event.groupId} for ${nameOf(event)}`);
        return;
      case 'memberJoined':
      case 'memberAssigned':
      case 'memberLeft':
      case 'memberTold':
      case 'shareFetchAsked':
      case 'shareFetched':
      case 'shareAcknowledgeAsked':
      case 'shareAcknowledged':
      case 'shareSessionEnded':
      case 'memberHolds':
      case 'commitSent': {
        const { type: _, ...rest } = event;
        this.#trace.add('process' in event ? event.process : 'client', `${type} ${JSON.stringify(rest)}`);
        return;
      }
      case 'offsetListed':
        this.#trace.add(event.process, `answers offset ${JSON.stringify(event.at)} ${event.offset}`);
        return;
      default:
        void type;
    }
  }
}
