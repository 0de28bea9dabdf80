/**
 * Who is in the cluster, who is the controller, and who leads which journal, as this broker sees it; and its own part in it.
 * For brokers that share their stores. One that is alone needs none of it: see `alone.ts`.
 *
 * At start, in this order:
 *   1. `agreeOnFormat`, `registerBroker`, `agreeOnJournals` (registration.ts): the broker has an id and an epoch.
 *   2. The composition root opens the internal listener with that identity, and the seats.
 *   3. `new MembershipService`: registers what other brokers may ask. Nothing is sent or decided yet.
 *   4. `start(addresses)`: tells the table and the other brokers where it can be reached, connects to them, becomes the
 *      controller when there is none, and takes over what it is assigned. Resolves after the first look at the table.
 *   5. `whenReady()`: it leads, or knows who leads, every journal. Then the doors open.
 *   6. `announce(addresses)`: clients may be told of it.
 *
 * At the end: `leave()` while the doors still answer, then the doors close, then `close()`, then the seats.
 * `failed` resolves when the broker must stop: its id was registered anew, or the table does not know it any more.
 */
import { KafkaError } from '../errors.ts';
import type { PeerIdentity, RpcRegistry } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';
import { sleep, type TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type {
  BrokerAddresses,
  BrokerDescription,
  BrokerItem,
  BrokerState,
  ClusterItems,
  ControllerItem,
} from './cluster-items.ts';
import { ClusterView, type KnownBroker } from './cluster-view.ts';
import { Controller } from './controller.ts';
import { ControllerCalls } from './controller-calls.ts';
import { decodePing, encodePing, StateExchange, toldBy } from './exchange.ts';
import { Heartbeats } from './heartbeat.ts';
import { Images } from './images.ts';
import { LeaderTable } from './leader-table.ts';
import type { DownReason, Links } from './links.ts';
import type { Leaders, Member, Members } from './members.ts';
import {
  type ControllerRequest,
  EXCHANGE_STATES,
  type PeerState,
  RELINQUISH,
  TELL_ASSIGNMENTS,
} from './membership-methods.ts';
import { MembershipMetrics } from './membership-metrics.ts';
import { PeerTable } from './peer-table.ts';
import { type Readiness, ReadinessWatch } from './readiness.ts';
import { Reconciler } from './reconciler.ts';
import type { Seats } from './seats.ts';
import { within } from './within.ts';

/** A present leader that does not answer by then is fenced. */
const HAND_OVER_MS = 1_000;
const TELL_MS = 1_000;
const LEAVE_LOOK_MS = 50;
/** A stopping broker waits for its journals to move, no longer. */
const LEAVE_MS_MAX = 5_000;
/** And for the last words to the table, and to the others. */
const FAREWELL_MS_MAX = 2_000;
/** For puts that are under way then. */
const HALT_MS_MAX = 1_000;

export interface MembershipOptions {
  readonly clusterId: string;
  readonly runtime: Runtime;
  readonly metadata: MetadataStore;
  /** Of `registerBroker`. */
  readonly registration: BrokerItem;
  /** Of the stores at start: another one later means that the table is another one. */
  readonly incarnation: string | null;
  readonly seats: Seats;
  readonly peers: Peers;
  readonly registry: RpcRegistry;
  readonly links: Links;
}

export class MembershipService implements Members {
  readonly leaders: Leaders;
  /** Resolves with the reason when this broker must stop. */
  readonly failed: Promise<Error>;
  readonly controller: Controller;
  readonly heartbeats: Heartbeats;
  readonly images: Images;
  readonly #options: MembershipOptions;
  readonly #table: PeerTable;
  readonly #view: ClusterView;
  readonly #leaderTable: LeaderTable;
  readonly #reconciler: Reconciler;
  readonly #exchange: StateExchange;
  readonly #calls: ControllerCalls;
  readonly #readiness: ReadinessWatch;
  readonly #listeners = new Set<() => void>();
  #own: BrokerDescription;
  #stateVersion = 0;
  #fail!: (why: Error) => void;
  #fit = true;
  #started = false;
  #stopped = false;
  #left = false;
  #timer: TimerHandle | null = null;
  #live: readonly Member[] = [];
  #changing = false;
  #told = '';

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { clusterId, metadata, runtime, seats, peers, links } = options;
    const { counter: _, ...own } = options.registration;
    this.#own = own;
    const { brokerId, brokerEpoch } = own;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failed = promise;
    this.#fail = resolve;
    this.#table = new PeerTable(brokerId, () => runtime.clock.monotonic());
    this.#view = new ClusterView(
      () => ({
        description: this.#own,
        fit: this.#fit,
        knowing: this.#started && this.heartbeats.hasRead,
        stopped: this.#stopped,
        controller: this.controller.item,
        journals: seats.count,
      }),
      this.#table,
      () => runtime.clock.monotonic(),
    );
    this.#leaderTable = new LeaderTable({
      assignedTo: (journal) => this.#view.assignedTo(journal),
      isThere: (id) => this.#view.isThere(id),
    });
    this.leaders = this.#leaderTable;
    this.controller = new Controller({
      clusterId,
      brokerId,
      brokerEpoch,
      metadata,
      runtime,
      surroundings: (item) => this.#view.surroundings(item, this.#leaderTable),
      onItem: (item, own) => this.#onItem(item, own),
      refresh: () => this.heartbeats.refresh(),
    });
    this.#calls = new ControllerCalls({
      brokerId,
      controller: this.controller,
      peers,
      registry: options.registry,
      runtime,
      controllerId: () => (this.#stopped ? null : this.controllerId),
      grow: (journals) => this.#grow(journals),
    });
    const metrics = new MembershipMetrics(runtime.metrics, {
      live: () => this.#live.length,
      isController: () => this.controller.leads,
      led: () => this.#reconciler.led.size,
      unled: () => this.#unled().length,
    });
    this.heartbeats = new Heartbeats({
      onBeat: (outcome) => metrics.heartbeat(outcome),
      clusterId,
      metadata,
      runtime,
      own: () => this.#own,
      onItems: (items, askedAt) => this.#onItems(items, askedAt),
      onLost: (why) => void this.#lost(why),
      onFit: (fit) => {
        this.#fit = fit;
        this.#changedOwn();
      },
    });
    this.images = new Images({
      clusterId,
      metadata,
      runtime,
      peers,
      registry: options.registry,
      connected: () => this.#view.connected(),
      missesSome: () => this.#view.missesSome(),
      heardAll: (withinMs) => this.#view.heardAll(withinMs),
    });
    this.#exchange = new StateExchange({
      peers,
      runtime,
      own: () => this.#ownState(),
      onState: (state) => this.#onState(state),
    });
    this.#reconciler = new Reconciler({
      onAttempt: (outcome) => metrics.takeover(outcome),
      seats,
      runtime,
      assignmentOf: (journal) => this.#view.assignmentOf(journal),
      newestEpoch: (journal) => this.#leaderTable.newestEpoch(journal),
      handOver: (journal) => this.#handOver(journal),
      refresh: () => this.heartbeats.refresh(),
      onLed: () => {
        this.#leaderTable.claim(brokerId, this.#led());
        this.#changedOwn();
      },
    });
    this.#readiness = new ReadinessWatch({
      runtime,
      isStopping: () => this.#stopped || this.#left,
      seesController: () => this.controllerId !== null,
      isFit: () => this.#fit,
      journals: () => seats.count,
      unled: () => this.#unled(),
    });
    this.#answerPeers();
    links.onUp((peer) => this.#onUp(peer));
    links.onDown((id, reason) => this.#onDown(id, reason));
    links.onPing((peer, payload) => this.#onPing(peer, payload));
    links.onPong((peer, payload, sentAt) => {
      if (this.#onPing(peer, payload)) this.#table.heard(peer, sentAt);
    });
    links.onStall((ms) => {
      this.#table.forgive(ms);
      this.#readiness.forgive(ms);
      this.#changed();
    });
    links.setPingPayload(() => this.#ping());
    this.#live = [this.self];
  }

  get self(): Member {
    return this.#view.self;
  }

  get controllerId(): number | null {
    const item = this.controller.item;
    return item !== null && this.#view.isThere(item.brokerId) ? item.brokerId : null;
  }

  live(): readonly Member[] {
    return this.#live;
  }

  get(brokerId: number): Member | undefined {
    return this.#live.find((member) => member.brokerId === brokerId);
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Brokers that are there, and those that are gone without having said goodbye, in order of ids. */
  known(): readonly KnownBroker[] {
    return this.#view.known();
  }

  /** Who says that it leads; null when nobody does. */
  leaderOf(journal: number): { readonly brokerId: number; readonly epoch: number } | null {
    return this.#leaderTable.claimedBy(journal);
  }

  /** Has the controller carry something out. Throws NOT_CONTROLLER when none can be asked, or what it says. */
  ask(request: ControllerRequest): Promise<void> {
    return this.#calls.ask(request);
  }

  async start(addresses: BrokerAddresses): Promise<void> {
    this.#started = true;
    this.#describe({ ...addresses });
    await this.heartbeats.start();
    this.#changed();
  }

  /** Clients may be told of this broker from now on. */
  async announce(addresses: BrokerAddresses): Promise<void> {
    this.#describe({ ...addresses, state: 'running' });
    await this.heartbeats.write();
  }

  readiness(): Readiness {
    return this.#readiness.look();
  }

  /** Rejects with the signal's reason, or when the broker fails meanwhile. */
  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#readiness.whenReady(this.failed, signal);
  }

  #unled(): number[] {
    const isUnled = (journal: number) => this.#leaderTable.claimedBy(journal) === null;
    return Array.from(this.#options.seats, ({ id }) => id).filter(isUnled);
  }

  /**
   * Gives all journals to others, as far as there are any, waits for `whenEmpty` while the others still know this broker, and
   * says goodbye. Calls to others go on until `close`. Rejects as `whenEmpty` only.
   */
  async leave(whenEmpty: () => Promise<void> = async () => {}): Promise<void> {
    if (this.#stopped || this.#left) return;
    this.#left = true;
    if (this.#started) {
      this.#describe({ state: 'draining' });
      await this.#untilEmpty();
      await whenEmpty();
      await this.#atMost(HALT_MS_MAX, this.#reconciler.halt());
    }
    this.#describe({ state: 'stopped' });
    this.controller.stop();
    const told = this.#view.connected().map((id) => this.#exchange.with(id));
    await this.#atMost(FAREWELL_MS_MAX, Promise.all([this.heartbeats.write(), ...told]));
    this.heartbeats.stop();
  }

  /** Stops deciding and telling. What is led stays led until the seats are closed. */
  close(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.controller.stop();
    this.heartbeats.stop();
    this.images.stop();
    this.#reconciler.stop();
    if (this.#started) this.#options.links.want([]);
  }

  #answerPeers(): void {
    const { registry, seats } = this.#options;
    registry.handle(EXCHANGE_STATES, (state, { from }) => {
      this.#onState(toldBy(from.brokerId, state));
      return this.#ownState();
    });
    registry.handle(TELL_ASSIGNMENTS, (item) => {
      this.controller.adopt(item);
      return { version: this.controller.item?.version ?? 0 };
    });
    registry.handle(RELINQUISH, async ({ journal, version }) => {
      if (seats.get(journal) === undefined)
        throw new KafkaError('RESOURCE_NOT_FOUND', `there is no journal ${journal}`);
      if (version > (this.controller.item?.version ?? 0)) await this.heartbeats.refresh();
      const isOurs = this.#view.assignedTo(journal) === this.#own.brokerId;
      if (isOurs && version <= (this.controller.item?.version ?? 0)) return { released: false };
      await this.#reconciler.relinquish(journal);
      return { released: true };
    });
  }

  #grow(journals: number): void {
    if (journals <= this.#options.seats.count) return;
    this.#options.seats.grow(journals);
    this.#changed();
  }

  async #handOver(journal: number): Promise<void> {
    const { peers, runtime } = this.#options;
    const leader = this.#leaderTable.claimedBy(journal);
    const version = this.controller.item?.version ?? 0;
    if (leader === null || leader.brokerId === this.#own.brokerId) return;
    try {
      await peers.call(leader.brokerId, RELINQUISH, { journal, version }, { timeoutMs: HAND_OVER_MS });
    } catch (cause) {
      const fields = { journal, leader: leader.brokerId, reason: String(cause) };
      runtime.logger.info(fields, 'the leader of a journal did not let go; it is fenced');
    }
  }

  #onState(state: PeerState): void {
    const { brokerId } = state.description;
    if (this.#stopped || brokerId === this.#own.brokerId || !this.#table.learn(state)) return;
    this.#leaderTable.claim(brokerId, state.led);
    this.#changed();
  }

  #onItems(items: ClusterItems, askedAt: number): void {
    const { incarnation } = this.#options;
    if (incarnation !== null && items.incarnation !== null && items.incarnation !== incarnation) {
      void this.#lost(`the table has incarnation ${items.incarnation}, it had ${incarnation} when this broker started`);
      return;
    }
    this.#table.observe(items.brokers, askedAt);
    this.#grow(items.journals);
    if (items.controller !== null) this.controller.adopt(items.controller);
    this.images.seen(items.images);
    this.#changed();
  }

  #onItem(item: ControllerItem, own: boolean): void {
    this.#grow(item.assigned.length);
    // It wrote this after we saw it last: it lives, and we do not see it.
    if (!own && this.#table.proven(item.brokerId)) void this.heartbeats.refresh();
    this.#reconciler.look();
    this.#changed();
    if (!own) return;
    const { peers } = this.#options;
    for (const brokerId of this.#view.connected()) {
      peers.call(brokerId, TELL_ASSIGNMENTS, item, { timeoutMs: TELL_MS }).catch(() => {
        // Its next ping or heartbeat brings it.
      });
    }
  }

  #onUp(peer: PeerIdentity): void {
    if (this.#stopped) return;
    if (!this.#table.linkUp(peer)) void this.heartbeats.refresh();
    this.#changedOwn();
  }

  #onDown(brokerId: number, reason: DownReason): void {
    if (this.#stopped) return;
    this.#table.linkDown(brokerId, reason);
    this.#changedOwn();
  }

  #onPing({ brokerId }: PeerIdentity, payload: Buffer): boolean {
    const ping = decodePing(payload);
    const peer = this.#table.get(brokerId);
    if (ping === null || this.#stopped) return false;
    if (peer === undefined || ping.stateVersion !== peer.stateVersion) void this.#exchange.with(brokerId);
    if (ping.assignments > (this.controller.item?.version ?? 0)) void this.heartbeats.refresh();
    this.images.seen(ping);
    return true;
  }

  #ping(): Uint8Array {
    const assignments = this.controller.item?.version ?? 0;
    return encodePing({ stateVersion: this.#stateVersion, assignments, ...this.images.versions() });
  }

  async #lost(why: string): Promise<void> {
    if (this.#stopped) return;
    const { runtime } = this.#options;
    runtime.logger.warn({ broker: this.#own.brokerId }, `${why}; this broker leads nothing any more and stops`);
    const halted = this.#reconciler.halt();
    this.close();
    this.#fail(new Error(`${why}; this broker stops`));
    await halted;
  }

  #describe(change: Partial<BrokerAddresses> & { readonly state?: BrokerState }): void {
    this.#own = { ...this.#own, ...change, revision: this.#own.revision + 1 };
    this.#changedOwn();
  }

  #changedOwn(): void {
    this.#stateVersion++;
    if (this.#started && !this.#stopped) for (const id of this.#view.connected()) void this.#exchange.with(id);
    this.#changed();
  }

  #ownState(): PeerState {
    const [description, stateVersion, fit] = [this.#own, this.#stateVersion, this.#fit];
    return { description, stateVersion, led: this.#led(), fit, sees: this.#view.connected() };
  }

  #led(): (readonly [number, number])[] {
    return [...(this.#reconciler?.led ?? [])];
  }

  /** A table that is away keeps nobody from stopping: what becomes of a put that is under way the next leader reads. */
  async #atMost(ms: number, act: Promise<unknown>): Promise<void> {
    await within(this.#options.runtime.timers, () => act, { ms }).catch(() => {});
  }

  async #untilEmpty(): Promise<void> {
    const { timers, clock } = this.#options.runtime;
    const until = clock.monotonic() + LEAVE_MS_MAX;
    while (this.#reconciler.led.size > 0 && clock.monotonic() < until && this.#view.hasHeirs()) {
      await sleep(timers, LEAVE_LOOK_MS);
    }
  }

  /** Something changed: who is there is worked out anew, once for all changes of a turn. */
  #changed(): void {
    if (this.#changing || this.#stopped || !this.#started) return;
    this.#changing = true;
    queueMicrotask(() => {
      this.#changing = false;
      if (!this.#stopped) this.#settle();
    });
  }

  #settle(): void {
    const { runtime, links, seats } = this.#options;
    links.want(this.#view.wanted());
    this.#view.settle();
    if (this.#view.hasLostSomebody()) this.images.doubt();
    this.#reconciler.look();
    this.controller.look();
    this.#leaderTable.tell(seats.count);
    this.#tellMembers();
    if (this.controllerId !== null) this.#readiness.sees();
    this.#timer?.cancel();
    const next = this.#table.nextChangeAt();
    if (next !== null) this.#timer = runtime.timers.after(next - runtime.clock.monotonic(), () => this.#changed());
  }

  #tellMembers(): void {
    const live = this.#view.members();
    const told = JSON.stringify([live, this.controllerId]);
    if (told === this.#told) return;
    this.#told = told;
    this.#live = live;
    for (const listener of [...this.#listeners]) listener();
  }
}
