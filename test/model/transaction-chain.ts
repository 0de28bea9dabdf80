/**
 * A partition's journal under messages of a transaction's coordinator and of its producer: the real decisions and the real
 * fold, each state computed once. What a switched-off rule would decide is put in place of a message before it is
 * delivered, so that the product knows nothing of it.
 */
import { StateDraft } from '../../src/journal/draft.ts';
import { EntryBuilder } from '../../src/journal/entry-builder.ts';
import { decodeEntry } from '../../src/journal/entry-codec.ts';
import { foldEntry, NO_FOOTERS } from '../../src/journal/fold.ts';
import type { AppendRequest, CoordinatorCommand, OpenTransaction } from '../../src/journal/journal.ts';
import type { PartitionState } from '../../src/journal/partition-state.ts';
import { type Proposal, ProposalQueue } from '../../src/journal/proposals.ts';
import { copyState, JournalState } from '../../src/journal/state.ts';
import { CONTROL_BATCH_BYTES } from '../../src/record/control-batch.ts';

export interface TransactionRules {
  /** Rule 8: transactional batches need a guard. Off: a batch that finds none opens one by itself. */
  readonly guards: boolean;
  /** Guards carry the number of their transaction. Off: a guard opens whenever none is open. */
  readonly guardNumbers: boolean;
  /** Markers carry the number of their transaction. Off: a marker ends whatever is open. */
  readonly markerNumbers: boolean;
  /** A marker that overtakes its guard is remembered. Off: it is ignored. */
  readonly overtaking: boolean;
  /** A batch belongs to the transaction that was open when it came in. */
  readonly boundBatches: boolean;
  /** How a transaction ends is durable before a marker leaves. Off: the next coordinator decides anew. */
  readonly prepares: boolean;
}

export const ALL_TRANSACTION_RULES: TransactionRules = {
  guards: true,
  guardNumbers: true,
  markerNumbers: true,
  overtaking: true,
  boundBatches: true,
  prepares: true,
};

/** `place` is the partition that it is for; each has a journal of its own. */
export type Message =
  | { readonly type: 'guard'; readonly place: number; readonly transaction: number; readonly epoch: number }
  | {
      readonly type: 'marker';
      readonly place: number;
      readonly transaction: number;
      readonly epoch: number;
      readonly coordinatorEpoch: number;
      readonly committed: boolean;
    }
  /** The batch's upload is over. */
  | { readonly type: 'append'; readonly batch: number };

export interface SentBatch {
  readonly place: number;
  readonly transaction: number;
  readonly epoch: number;
  readonly sequence: number;
  /** What was open when it came in; -1 when nothing was. */
  readonly cameUnder: number;
}

/** What a batch was answered; null for the others' messages. */
export type Answer = 'appended' | 'duplicate' | 'refused' | null;

export interface Link {
  readonly id: number;
  readonly state: JournalState;
}

export const PRODUCER = 7;
const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';
const TRANSACTIONAL = 0x10;
const BATCH_BYTES = 100;

export class TransactionChain {
  readonly root: Link;
  readonly rules: TransactionRules;
  readonly #links: Link[] = [];
  readonly #byContents = new Map<string, Link>();
  readonly #delivered = new Map<string, { readonly link: Link; readonly answer: Answer }>();

  constructor(rules: TransactionRules) {
    this.rules = rules;
    const state = new JournalState(0);
    commit(state, { type: 'change', change: { type: 'createPartitions', topicId: TOPIC, partitions: [0] } });
    this.root = this.#intern(state);
  }

  link(id: number): Link {
    return this.#links[id]!;
  }

  deliver(
    at: number,
    message: Message,
    batches: readonly SentBatch[],
  ): { readonly link: Link; readonly answer: Answer } {
    const key = `${at}/${JSON.stringify(message)}/${message.type === 'append' ? JSON.stringify(batches[message.batch]) : ''}`;
    const known = this.#delivered.get(key);
    if (known) return known;
    const state = copyState(this.link(at).state);
    const answer = this.#decide(state, message, batches);
    const delivered = { link: this.#intern(state), answer };
    this.#delivered.set(key, delivered);
    return delivered;
  }

  #decide(state: JournalState, message: Message, batches: readonly SentBatch[]): Answer {
    if (message.type !== 'append') {
      const command = this.#commandOf(state, message);
      if (command) coordinate(state, command);
      return null;
    }
    const batch = batches[message.batch]!;
    if (!this.rules.guards && !openIn(state)) coordinate(state, guard(endedIn(state) + 1, batch.epoch));
    let answer: Answer = 'refused';
    const resolve = (type: Answer) => {
      answer = type;
    };
    commit(state, appendOf(message.batch, batch, this.rules.boundBatches && this.rules.guards, resolve));
    return answer;
  }

  /** Null: ignored. */
  #commandOf(state: JournalState, message: Exclude<Message, { type: 'append' }>): CoordinatorCommand | null {
    const { guardNumbers, markerNumbers, overtaking } = this.rules;
    const open = openIn(state);
    const { transaction, epoch } = message;
    if (message.type === 'guard') {
      return guard(guardNumbers || open ? transaction : Math.max(transaction, endedIn(state) + 1), epoch);
    }
    if (!overtaking && !open) return null;
    const { coordinatorEpoch, committed } = message;
    const number = markerNumbers ? transaction : (open?.transaction ?? transaction);
    return { type: 'transactionMarked', ...place(number, epoch), coordinatorEpoch, committed };
  }

  #intern(state: JournalState): Link {
    const contents = JSON.stringify([
      [...partitionIn(state).extents].map(({ length, maxTimestamp }) => [length, maxTimestamp]),
      [...partitionIn(state).abortedTransactions],
      [...state.producersByKey.values()],
      [...state.lanes.keys()].sort(),
    ]);
    const known = this.#byContents.get(contents);
    if (known) return known;
    const link = { id: this.#links.length, state };
    this.#links.push(link);
    this.#byContents.set(contents, link);
    return link;
  }
}

export const partitionIn = (state: JournalState): PartitionState => state.partition(TOPIC, 0)!;

export const openIn = (state: JournalState): OpenTransaction | undefined => state.openTransaction(TOPIC, 0, PRODUCER);

const endedIn = (state: JournalState): number =>
  [...state.producers(TOPIC, 0)].find(({ producerId }) => producerId === PRODUCER)?.endedTransaction ?? 0;

/** Batches in the order of their offsets, by number; markers are left out. */
export function recordsIn(state: JournalState): readonly { readonly batch: number; readonly offset: number }[] {
  return [...partitionIn(state).extents]
    .filter(({ length }) => length !== CONTROL_BATCH_BYTES)
    .map(({ maxTimestamp, baseOffset }) => ({ batch: maxTimestamp, offset: baseOffset }));
}

const place = (transaction: number, producerEpoch: number) => ({
  topicId: TOPIC,
  partition: 0,
  producerId: PRODUCER,
  producerEpoch,
  transaction,
});
const guard = (transaction: number, epoch: number): CoordinatorCommand => ({
  type: 'transactionGuarded',
  ...place(transaction, epoch),
});

function coordinate(state: JournalState, command: CoordinatorCommand): void {
  const decide = () => ({ commands: [command], answer: null });
  commit(state, { type: 'decision', decide });
}

type Wish = Proposal extends infer P
  ? P extends Proposal
    ? Omit<P, 'bytesMax' | 'resolve' | 'reject'>
    : never
  : never;

/** One entry of its own: decided, encoded, decoded and folded. */
function commit(state: JournalState, wish: Wish & { readonly resolve?: (answer: never) => void }): void {
  const queue = new ProposalQueue();
  queue.push({ bytesMax: 300, resolve: () => {}, reject: () => {}, ...wish } as Proposal);
  const builder = new EntryBuilder(0, new StateDraft(copyState(state)), { isNamed: () => false });
  const seq = state.lastSeq + 1;
  const built = builder.build({ seq, id: seq.toString(16).padStart(32, '0'), epoch: 0, timestamp: 0 }, queue);
  if (built.bytes) foldEntry(new StateDraft(state), decodeEntry(0, seq, built.bytes), NO_FOOTERS);
  built.settle();
}

/** A lane of its own, so that nothing but the rules keeps batches in order. Its number is its timestamp. */
function appendOf(number: number, batch: SentBatch, bound: boolean, resolve: (answer: Answer) => void) {
  const described = {
    position: 0,
    length: BATCH_BYTES,
    offsetCount: 1,
    producerId: PRODUCER,
    producerEpoch: batch.epoch,
    baseSequence: batch.sequence,
    attributes: TRANSACTIONAL,
    baseTimestamp: number,
    maxTimestamp: number,
    baseOffset: -1,
    leaderEpoch: -1,
  };
  const request: AppendRequest = {
    lane: { brokerId: 1, brokerEpoch: 1, lane: number },
    number: 0,
    source: { type: 'inline', parts: [], bytes: BATCH_BYTES },
    partitions: [{ topicId: TOPIC, partition: 0, journal: 0, batches: [described] }],
    ...(bound && { conditions: [{ partitionIndex: 0, batchIndex: 0, transaction: batch.cameUnder }] }),
  };
  return {
    type: 'append' as const,
    request,
    body: Buffer.alloc(BATCH_BYTES),
    resolve: ({ answers }: { readonly answers: readonly (readonly { readonly type: Answer }[])[] }) =>
      resolve(answers[0]![0]!.type),
  };
}
