/**
 * One transactional id, partitions of one journal or of several, and everything that can come late or twice between them: a
 * coordinator that changes, a client that gives up with batches on their way, or that knows nothing of its abort. Invariant
 * 4 of the design is checked in every world.
 *
 *   Empty ─begin─► Ongoing ─guard answered─► Guarded ─commit, abort, time is over─► Ending ─marker answered─► Empty
 */
import { abortedWithin } from '../../src/journal/transactions.ts';
import {
  type Message,
  openIn,
  PRODUCER,
  partitionIn,
  recordsIn,
  type SentBatch,
  type TransactionChain,
} from './transaction-chain.ts';
import { Violation } from './violation.ts';

export interface TransactionBounds {
  readonly transactions: number;
  /** Batches of each; they go to the partitions in turn. */
  readonly batches: number;
  /** Partitions of each transaction, each ordered by a journal of its own. */
  readonly partitions?: number;
  /** Changes of the coordinator: each sends again what was not answered. */
  readonly changes: number;
  /** KIP-890: every end raises the epoch. Else only a fencing end does. */
  readonly bumps: boolean;
}

type Phase = 'Empty' | 'Ongoing' | 'Guarded' | 'Ending';
type Fate = 'open' | 'committed' | 'aborted';

interface ModelBatch extends SentBatch {
  readonly status: 'sent' | 'acknowledged' | 'refused';
}

interface ModelTransaction {
  readonly epoch: number;
  readonly fate: Fate;
  /** The client does not know of its end, and goes on. */
  readonly zombie: boolean;
}

export interface TransactionWorld {
  /** State of each partition's journal. */
  readonly links: readonly number[];
  readonly phase: Phase;
  /** Partitions that have not answered the guard or the marker of the present transaction. */
  readonly unanswered: readonly number[];
  readonly epoch: number;
  readonly coordinatorEpoch: number;
  /** By number, from 1 on. */
  readonly transactions: readonly ModelTransaction[];
  readonly batches: readonly ModelBatch[];
  /** On their way; each may arrive at any time. */
  readonly network: readonly Message[];
  readonly changes: number;
}

export const transactionWorldKey = (world: TransactionWorld): string =>
  JSON.stringify({ ...world, network: world.network.map((message) => JSON.stringify(message)).sort() });

type Visit = (action: string, next: () => TransactionWorld) => void;

export class TransactionActions {
  readonly #chain: TransactionChain;
  readonly #bounds: TransactionBounds;

  constructor(chain: TransactionChain, bounds: TransactionBounds) {
    this.#chain = chain;
    this.#bounds = bounds;
  }

  initial(): TransactionWorld {
    const nothing = { transactions: [], batches: [], network: [] };
    const { changes } = this.#bounds;
    const links = this.#places.map(() => this.#chain.root.id);
    return { links, phase: 'Empty', unanswered: [], epoch: 0, coordinatorEpoch: 0, ...nothing, changes };
  }

  successors(world: TransactionWorld, visit: Visit): void {
    let actions = 0;
    const checked: Visit = (action, next) => {
      actions++;
      visit(action, () => this.#check(next()));
    };
    this.#ofCoordinator(world, checked);
    this.#ofClient(world, checked);
    for (const [at, message] of world.network.entries()) {
      checked(`${describe(message)} arrives`, () => this.#arrive(world, at, message));
    }
    if (actions === 0) visit('nothing is left to happen', () => this.#checkEnd(world));
  }

  #ofCoordinator(world: TransactionWorld, visit: Visit): void {
    const { phase, changes, epoch, transactions, network, coordinatorEpoch } = world;
    const current = transactions.length;
    if (phase === 'Empty' && current < this.#bounds.transactions) {
      visit(`transaction ${current + 1} begins`, () => ({
        ...world,
        phase: 'Ongoing',
        unanswered: this.#places,
        transactions: [...transactions, { epoch, fate: 'open', zombie: false }],
        network: [
          ...network,
          ...this.#places.map((place) => ({ type: 'guard' as const, place, transaction: current + 1, epoch })),
        ],
      }));
    }
    if (phase === 'Ongoing' || phase === 'Guarded') {
      visit(`transaction ${current} runs out of time`, () => this.#end(world, 'aborted', true));
    }
    if (changes === 0 || (phase !== 'Ongoing' && phase !== 'Ending')) return;
    const changed = { ...world, changes: changes - 1, coordinatorEpoch: coordinatorEpoch + 1 };
    if (phase === 'Ending' && !this.#chain.rules.prepares) {
      visit('another coordinator knows of no end', () => this.#end(changed, 'aborted', true));
      return;
    }
    const again = world.unanswered.map((place) =>
      phase === 'Ongoing' ? this.#guardOf(changed, place) : this.#markerOf(changed, place),
    );
    visit('another coordinator sends again', () => ({ ...changed, network: [...network, ...again] }));
  }

  #ofClient(world: TransactionWorld, visit: Visit): void {
    const { phase, transactions, batches } = world;
    const current = transactions.length;
    for (const [at, { zombie }] of transactions.entries()) {
      const number = at + 1;
      const sent = batches.filter(({ transaction }) => transaction === number).length;
      const goesOn = zombie || (number === current && phase === 'Guarded');
      if (goesOn && sent < this.#bounds.batches) {
        visit(`the client sends batch ${batches.length} of transaction ${number}`, () => this.#send(world, number));
      }
    }
    if (phase !== 'Guarded') return;
    const ofCurrent = batches.filter(({ transaction }) => transaction === current);
    if (ofCurrent.every(({ status }) => status === 'acknowledged')) {
      visit(`the client commits transaction ${current}`, () => this.#end(world, 'committed', false));
    }
    visit(`the client aborts transaction ${current}`, () => this.#end(world, 'aborted', false));
  }

  #send(world: TransactionWorld, transaction: number): TransactionWorld {
    const { batches, network, transactions, links } = world;
    const { epoch } = transactions[transaction - 1]!;
    const place = batches.filter((sent) => sent.transaction === transaction).length % this.#places.length;
    const sequence = batches.filter((sent) => sent.epoch === epoch && sent.place === place).length;
    const cameUnder = openIn(this.#chain.link(links[place]!).state)?.transaction ?? -1;
    return {
      ...world,
      batches: [...batches, { place, transaction, epoch, sequence, cameUnder, status: 'sent' }],
      network: [...network, { type: 'append', batch: batches.length }],
    };
  }

  /** The decision is durable; its marker is on its way. */
  #end(world: TransactionWorld, fate: Fate, fencing: boolean): TransactionWorld {
    const epoch = fencing || this.#bounds.bumps ? world.epoch + 1 : world.epoch;
    const transactions = world.transactions.map((transaction, at) =>
      at === world.transactions.length - 1 ? { ...transaction, fate, zombie: fencing } : transaction,
    );
    const ending: TransactionWorld = { ...world, phase: 'Ending', unanswered: this.#places, epoch, transactions };
    const markers = this.#places.map((place) => this.#markerOf(ending, place));
    return { ...ending, network: [...world.network, ...markers] };
  }

  get #places(): readonly number[] {
    return Array.from({ length: this.#bounds.partitions ?? 1 }, (_, place) => place);
  }

  #guardOf({ transactions, epoch }: TransactionWorld, place: number): Message {
    return { type: 'guard', place, transaction: transactions.length, epoch };
  }

  #markerOf({ transactions, epoch, coordinatorEpoch }: TransactionWorld, place: number): Message {
    const committed = transactions.at(-1)!.fate === 'committed';
    return { type: 'marker', place, transaction: transactions.length, epoch, coordinatorEpoch, committed };
  }

  #arrive(world: TransactionWorld, at: number, message: Message): TransactionWorld {
    const place = message.type === 'append' ? world.batches[message.batch]!.place : message.place;
    const { link, answer } = this.#chain.deliver(world.links[place]!, message, world.batches);
    const links = world.links.with(place, link.id);
    const arrived = { ...world, links, network: world.network.filter((_, index) => index !== at) };
    const isCurrent = message.type !== 'append' && message.transaction === world.transactions.length;
    switch (message.type) {
      case 'guard':
        return isCurrent && world.phase === 'Ongoing' ? answered(arrived, place, 'Guarded') : arrived;
      case 'marker':
        return isCurrent && world.phase === 'Ending' ? answered(arrived, place, 'Empty') : arrived;
      case 'append': {
        const batch = world.batches[message.batch]!;
        const open = openIn(link.state)?.transaction;
        if (answer === 'appended' && open !== batch.transaction) {
          throw new Violation(`batch ${message.batch} of transaction ${batch.transaction} lands in ${open}`);
        }
        const status = answer === 'refused' ? 'refused' : 'acknowledged';
        const batches = world.batches.map((each, index) => (index === message.batch ? { ...each, status } : each));
        return { ...arrived, batches } as TransactionWorld;
      }
    }
  }

  /** What holds at any time. */
  #check(world: TransactionWorld): TransactionWorld {
    for (const place of this.#places) this.#checkPartition(world, place);
    return world;
  }

  #checkPartition(world: TransactionWorld, place: number): void {
    const { state } = this.#chain.link(world.links[place]!);
    const current = world.transactions.length;
    if (world.phase === 'Guarded' && openIn(state)?.transaction !== current) {
      throw new Violation(`transaction ${current} is not open any more, and nobody ended it`);
    }
    const { lastStableOffset, abortedTransactions } = partitionIn(state);
    for (const { batch, offset } of recordsIn(state)) {
      if (offset >= lastStableOffset) continue;
      const { transaction } = world.batches[batch]!;
      const { fate } = world.transactions[transaction - 1]!;
      const isHidden = abortedWithin(abortedTransactions, offset, offset + 1).some((a) => a.producerId === PRODUCER);
      if (fate === 'open') throw new Violation(`batch ${batch} is shown while transaction ${transaction} is open`);
      if (isHidden !== (fate === 'aborted')) {
        throw new Violation(
          `batch ${batch} of transaction ${transaction}, ${fate}, is ${isHidden ? 'hidden' : 'shown'}`,
        );
      }
    }
  }

  /** What holds when all has ended. */
  #checkEnd(world: TransactionWorld): TransactionWorld {
    if (world.phase !== 'Empty') throw new Violation(`the coordinator is stuck in ${world.phase}`);
    for (const place of this.#places) this.#checkEndOf(world, place);
    return world;
  }

  #checkEndOf(world: TransactionWorld, place: number): void {
    const { state } = this.#chain.link(world.links[place]!);
    const { lastStableOffset, nextOffset } = partitionIn(state);
    if (openIn(state)) throw new Violation(`transaction ${openIn(state)!.transaction} stays open for ever`);
    if (lastStableOffset !== nextOffset) throw new Violation(`the last stable offset stays at ${lastStableOffset}`);
    const there = new Set(recordsIn(state).map(({ batch }) => batch));
    for (const [number, { transaction, place: sentTo }] of world.batches.entries()) {
      if (sentTo !== place || there.has(number)) continue;
      if (world.transactions[transaction - 1]!.fate !== 'committed') continue;
      throw new Violation(`batch ${number} of the committed transaction ${transaction} is lost`);
    }
  }
}

/** The last partition to answer ends the phase. */
function answered(world: TransactionWorld, place: number, next: Phase): TransactionWorld {
  const unanswered = world.unanswered.filter((other) => other !== place);
  return { ...world, unanswered, phase: unanswered.length === 0 ? next : world.phase };
}

function describe(message: Message): string {
  if (message.type === 'append') return `batch ${message.batch}`;
  const { type, place, transaction, epoch } = message;
  return `the ${type} of transaction ${transaction} (epoch ${epoch}) in partition ${place}`;
}
