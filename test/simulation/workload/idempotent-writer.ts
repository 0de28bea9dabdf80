/**
 * An idempotent producer as clients are (KIP-98): up to five batches of a partition in flight, each repeated until its fate
 * is known, oldest first. When it gives up a batch it goes on with a new epoch, or as a new producer. A batch that has not been
 * heard of may get any number of later ones behind it at another broker: the limit is one of connections.
 */
import type { ProduceOutcome } from '../../../src/log/log.ts';
import { Client } from '../connection.ts';
import { nameOf, type PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { buildBatch, type Outgoing, send } from './sending.ts';

const WINDOW = 5;
/** A batch that is repeated for so long is given up by some clients. */
const GIVE_UP_AFTER_MS = 15_000;
/** Requests that arrive twice: the second meets the first one while that is not durable yet. */
const TWICE_CHANCE = 0.05;

/** Errors that end a producer: it must begin anew. */
const FATAL: ReadonlySet<string> = new Set([
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
]);

/** What is not settled of one partition, oldest first. */
class Window {
  pending: Pending[] = [];
  /** Something failed: nothing is sent until all that is under way was heard of, then all of it again, in order. */
  recovering = false;
  /** Batches were given up: what comes next must be of a new epoch. */
  hasGap = false;

  get underWay(): boolean {
    return this.pending.some(({ inFlight }) => inFlight);
  }
}

interface Pending {
  readonly outgoing: Outgoing;
  readonly since: number;
  inFlight: boolean;
  /** Nothing before it was unsettled when it was sent last. */
  first: boolean;
}

export async function idempotentWriter(world: World, name: string, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  const producer = new Producer(world, name, random, client);
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs));
    const target = world.topics.pickPartition(random);
    if (target) await producer.write(target);
  }
  await producer.drain();
}

class Producer {
  readonly #world: World;
  readonly #name: string;
  readonly #random: SeededRandom;
  readonly #client: Client;
  #id = -1;
  #epoch = 0;
  /** Next sequence per partition. */
  readonly #sequences = new Map<string, number>();
  readonly #windows = new Map<string, Window>();
  #changed: (() => void)[] = [];

  constructor(world: World, name: string, random: SeededRandom, client: Client) {
    this.#world = world;
    this.#name = name;
    this.#random = random;
    this.#client = client;
  }

  /** Waits for room in the partition's window, then sends. */
  async write(target: PartitionName): Promise<void> {
    if (this.#id < 0) await this.#begin();
    const key = nameOf(target);
    const window = this.#windows.get(key) ?? new Window();
    this.#windows.set(key, window);
    while (window.pending.length >= WINDOW) await this.#change();
    if (this.#id < 0) return; // It ended while this waited.
    if (window.hasGap) {
      this.#beginAnew();
      return;
    }
    const baseSequence = this.#sequences.get(key) ?? 0;
    const producer = { id: this.#id, epoch: this.#epoch, baseSequence };
    const wanted = { ...target, writer: this.#name, kind: 'idempotent', producer } as const;
    const outgoing = buildBatch(this.#world, this.#random, wanted);
    this.#sequences.set(key, baseSequence + outgoing.batch.recordCount);
    const pending = { outgoing, since: this.#world.time.monotonic(), inFlight: false, first: false };
    window.pending.push(pending);
    if (!window.recovering) this.#send(window, pending);
  }

  async drain(): Promise<void> {
    while ([...this.#windows.values()].some((window) => window.pending.length > 0)) await this.#change();
  }

  async #begin(): Promise<void> {
    const reply = await this.#client.call({
      what: 'allocateProducerId',
      at: (core) => core.log.allocateProducerId(),
      onAnswer: (id) => this.#world.history.add({ type: 'producerIdGiven', id }),
    });
    if (reply.type === 'answered') {
      this.#id = reply.value;
      this.#epoch = 0;
    } else {
      await this.#world.time.sleep(this.#random.between(20, 200));
    }
  }

  #send(window: Window, pending: Pending): void {
    pending.inFlight = true;
    pending.first = window.pending[0] === pending;
    const sending = send(this.#world, this.#client, [pending.outgoing], { origin: 'kafka' });
    if (this.#random.chance(TWICE_CHANCE))
      void send(this.#world, this.#client, [pending.outgoing], { origin: 'kafka' });
    void sending.then((reply) => {
      pending.inFlight = false;
      // Otherwise given up meanwhile.
      if (window.pending.includes(pending))
        this.#heard(window, pending, reply.type === 'answered' ? reply.value[0]! : null);
      if (window.recovering && !window.underWay) this.#recover(window);
      this.#wake();
    });
  }

  #heard(window: Window, pending: Pending, outcome: ProduceOutcome | null): void {
    const { batch } = pending.outgoing;
    const error = outcome?.error ?? 'NETWORK_EXCEPTION';
    // With the other one it is there, too: so long that its offset is not remembered.
    if (error === 'NONE' || error === 'DUPLICATE_SEQUENCE_NUMBER') {
      this.#settle(window, pending);
    } else if (error === 'UNKNOWN_TOPIC_OR_PARTITION' && !this.#world.topics.knows(batch.topicId)) {
      // Its deletion may not have been done yet, and the next batch may wait for room already.
      window.hasGap = true;
      for (const each of [...window.pending]) this.#settle(window, each);
    } else if (FATAL.has(error)) {
      this.#beginAnew();
    } else if (error === 'OUT_OF_ORDER_SEQUENCE_NUMBER' && pending.first) {
      this.#world.history.add({ type: 'sequenceLost', batch });
      this.#beginAnew();
    } else if (this.#world.time.monotonic() - pending.since > GIVE_UP_AFTER_MS && this.#random.chance(0.3)) {
      this.#beginAnew();
    } else {
      window.recovering = true;
    }
  }

  #recover(window: Window): void {
    this.#world.time.after(this.#random.between(5, 150), () => {
      if (!window.recovering || window.underWay) return;
      window.recovering = false;
      for (const pending of window.pending) this.#send(window, pending);
    });
  }

  #settle(window: Window, pending: Pending): void {
    window.pending.splice(window.pending.indexOf(pending), 1);
  }

  /** What is not acknowledged is given up: it may be there or not, but no more than once. */
  #beginAnew(): void {
    for (const window of this.#windows.values()) {
      for (const each of [...window.pending]) this.#settle(window, each);
      window.recovering = false;
      window.hasGap = false;
    }
    this.#sequences.clear();
    if (this.#id >= 0 && this.#random.chance(0.5)) this.#epoch++;
    else this.#id = -1;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const resolve of changed) resolve();
  }
}
