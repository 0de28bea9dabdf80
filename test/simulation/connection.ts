/**
 * Clients, and a client's connection to one process: requests arrive in the order in which they were sent, answers come back in
 * theirs after a while, and what was under way when the process died, or for too long, gets no answer at all.
 */
import { type KafkaError, toKafkaError } from '../../src/errors.ts';
import type { Core } from '../../src/server.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type CoordinatorKey, findCoordinator } from './find-coordinator.ts';
import { nameOf, type PartitionName } from './history.ts';
import type { SeededRandom } from './seeded-random.ts';
import { describeError } from './simulated-runtime.ts';
import type { World } from './world.ts';

export type Reply<T> =
  | { readonly type: 'answered'; readonly value: T }
  | { readonly type: 'failed'; readonly error: KafkaError }
  /** Nobody knows whether it was done. */
  | { readonly type: 'lost' }
  /** It never arrived. */
  | { readonly type: 'refused' };

export interface Call<T> {
  readonly what: string;
  /** Any broker when absent. */
  readonly to?: Target;
  /** Runs in the process; must call the broker before it returns. */
  readonly at: (core: Core, process: string, enter: (callback: () => void) => void) => Promise<T>;
  /** The answer leaves the process: for the history, whether it reaches the client or not. */
  readonly onAnswer?: (value: T) => void;
  readonly timeoutMs?: number;
}

const NETWORK_MS = [0.05, 2] as const;
const TIMEOUT_MS = 30_000;
/** A request that takes longer than this although all is well will never be answered. */
const STUCK_MS = 20_000;

const LOST: Reply<never> = { type: 'lost' };
const REFUSED: Reply<never> = { type: 'refused' };

export class Connection {
  readonly process: BrokerProcess;
  readonly #world: World;
  readonly #random: SeededRandom;
  #lastArrival = 0;
  #lastReply = 0;

  constructor(world: World, process: BrokerProcess, random: SeededRandom) {
    this.process = process;
    this.#world = world;
    this.#random = random;
  }

  get open(): boolean {
    return this.process.phase !== 'ended';
  }

  /** Never rejects. */
  call<T>(call: Call<T>): Promise<Reply<T>> {
    const { time } = this.#world;
    const { process } = this;
    return new Promise((resolve) => {
      const sentAt = time.monotonic();
      const settle = (reply: Reply<T>) => {
        timeout.cancel();
        ignoreDeath();
        resolve(reply);
      };
      const timeout = time.after(call.timeoutMs ?? TIMEOUT_MS, () => {
        this.#reportStuck(call.what, sentAt);
        settle(LOST);
      });
      const ignoreDeath = process.gate.onDeath(() => time.after(this.#latency(), () => settle(LOST)));
      if (process.gate.state === 'dead') {
        time.after(this.#latency(), () => settle(REFUSED));
        return;
      }
      this.#lastArrival = Math.max(this.#lastArrival, sentAt + this.#latency());
      time.after(this.#lastArrival - sentAt, () => {
        process.gate.enter(() => this.#arrive(call, (reply) => this.#reply(() => settle(reply))));
      });
    });
  }

  /** Answers arrive in the order in which they left: of those under way when a process dies, the later ones are lost. */
  #reply(settle: () => void): void {
    const { time } = this.#world;
    const now = time.monotonic();
    this.#lastReply = Math.max(this.#lastReply, now + this.#latency());
    time.after(this.#lastReply - now, settle);
  }

  #arrive<T>({ what, at, onAnswer }: Call<T>, reply: (reply: Reply<T>) => void): void {
    const { core, name, gate } = this.process;
    if (core === null) {
      reply(REFUSED);
      return;
    }
    at(core, name, (callback) => gate.enter(callback)).then(
      (value) => {
        onAnswer?.(value);
        reply({ type: 'answered', value });
      },
      (cause: unknown) => {
        const error = toKafkaError(cause);
        if (error) reply({ type: 'failed', error });
        else
          this.#world.history.add({ type: 'internalError', process: name, what: `${what}: ${describeError(cause)}` });
      },
    );
  }

  #reportStuck(what: string, sentAt: number): void {
    const { weather, history, time } = this.#world;
    const wellSince = Math.max(sentAt, weather.calmSince ?? Infinity, this.process.runningSince ?? Infinity);
    const waitedMs = time.monotonic() - wellSince;
    if (waitedMs >= STUCK_MS) history.add({ type: 'stuck', what: `${what} at ${this.process.name}`, waitedMs });
  }

  #latency(): number {
    const [from, to] = NETWORK_MS;
    return this.#random.between(from, to);
  }
}

/** Whom a request is for. */
export type Target =
  /** As Metadata tells: a stable broker for each partition. */
  ({ readonly type: 'partition' } & PartitionName) | ({ readonly type: 'coordinator' } & CoordinatorKey);

export const partitionOf = ({ topicId, partition }: PartitionName): Target => ({
  type: 'partition',
  topicId,
  partition,
});
export const coordinatorOf = (groupId: string): Target => ({ type: 'coordinator', kind: 'group', key: groupId });
export const transactionCoordinatorOf = (transactionalId: string): Target => ({
  type: 'coordinator',
  kind: 'transaction',
  key: transactionalId,
});

/** How a client chooses among the brokers of a cluster. */
const HABITS = ['home', 'by partition', 'any'] as const;

/** A client that stays with one process for what it asks until that is gone or refuses it. */
export class Client {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #habit: (typeof HABITS)[number];
  /** By what they are for. */
  readonly #connections = new Map<string, Connection>();
  /** By coordinator's key: null while nobody knows. */
  readonly #coordinators = new Map<string, Promise<number | null>>();
  /** When it last found nobody: not even a stale process is tried again in the same moment. */
  #nobodyAt = -1;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    this.#habit = world.scenario.isAlone ? 'home' : random.pick(HABITS);
  }

  async call<T>(call: Call<T>): Promise<Reply<T>> {
    const { to } = call;
    if (to?.type !== 'coordinator' || this.#world.scenario.isAlone) {
      return this.#callAt(this.#purposeOf(to), null, call);
    }
    const key = `${to.kind} ${to.key}`;
    const finding = this.#coordinators.get(key) ?? this.#find(to);
    this.#coordinators.set(key, finding);
    const brokerId = await finding;
    const reply: Reply<T> = brokerId === null ? REFUSED : await this.#callAt(`broker ${brokerId}`, brokerId, call);
    // Whatever it is that went wrong, a client asks again.
    if (reply.type !== 'answered' && this.#coordinators.get(key) === finding) this.#coordinators.delete(key);
    return reply;
  }

  async #callAt<T>(purpose: string, brokerId: number | null, call: Call<T>): Promise<Reply<T>> {
    const connection = this.#connect(purpose, brokerId);
    // At once: what is called later must not overtake it.
    if (connection === null) return REFUSED;
    const reply = await connection.call(call);
    const misplaced = reply.type === 'failed' && ELSEWHERE.has(reply.error.error);
    if (misplaced || reply.type === 'lost' || reply.type === 'refused') this.#leave(connection);
    return reply;
  }

  /** Turns to others with the next calls. */
  reconnect(): void {
    this.#connections.clear();
    this.#coordinators.clear();
  }

  #leave(connection: Connection): void {
    for (const [purpose, standing] of this.#connections) {
      if (standing === connection) this.#connections.delete(purpose);
    }
  }

  async #find(to: CoordinatorKey): Promise<number | null> {
    const reply = await this.#callAt('any', null, {
      what: `coordinator of ${to.kind} ${to.key}`,
      at: (core) => findCoordinator(core, to),
    });
    return reply.type === 'answered' ? reply.value : null;
  }

  #purposeOf(to: Target | undefined): string {
    if (this.#habit !== 'home' && to?.type === 'partition') return nameOf(to);
    return this.#habit === 'any' ? `any ${this.#random.integer(0, ANY)}` : 'home';
  }

  #connect(purpose: string, brokerId: number | null): Connection | null {
    const standing = this.#connections.get(purpose);
    if (standing?.open) return standing;
    const now = this.#world.time.monotonic();
    if (this.#nobodyAt === now) return null;
    const process = this.#world.supervisor.pick(this.#random, brokerId);
    if (process === null) {
      this.#nobodyAt = now;
      return null;
    }
    const same = [...this.#connections.values()].find((connection) => connection.process === process);
    const connection = same ?? new Connection(this.#world, process, this.#random);
    this.#connections.set(purpose, connection);
    return connection;
  }
}

/** Connections that a client without a habit keeps. */
const ANY = 4;

const ELSEWHERE: ReadonlySet<string> = new Set(['NOT_LEADER_OR_FOLLOWER', 'NOT_COORDINATOR', 'STALE_BROKER_EPOCH']);
