/**
 * Transactions of one transactional id as a pure function (KIP-98, KIP-360, KIP-890): no clock, no store, no markers.
 *
 *            init                  add                       end                         complete
 *   (none) ───────► Empty ─────────────────► Ongoing ──┬─ commit ──► PrepareCommit ──────────────► CompleteCommit ─┐
 *                    ▲  └─ end: abort (v2) ───────┐    └─ abort, timeout, init ┐                                   │
 *                    │                            └───────────────────► PrepareAbort ────────────► CompleteAbort ──┤
 *                    └──────────────────────── init, expected to be at rest ───────────────────────────────────────┘
 *   Empty, CompleteCommit, CompleteAbort ── expire ──► (none)
 *
 * Once prepared, an end is never taken back: `complete` follows when every participant knows it. Epochs tell who may
 * speak. A producer has the current identity; `previous` is the one that the same producer had before, so that it may
 * repeat a request whose answer was lost. Whoever else comes is fenced and changes nothing.
 *
 * Kafka's PrepareEpochFence is a state of its memory alone, and Dead is a record that is gone.
 */
import type { ErrorName } from '../../errors.ts';
import { unreachable } from '../../runtime/assert.ts';

export type TransactionState =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort';

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Partition numbers by topic id. */
export type Partitions = Readonly<Record<string, readonly number[]>>;

export interface Transaction extends ProducerIdentity {
  readonly state: TransactionState;
  /** Grows with each transaction of the id; guards and markers carry it. 0 before the first. */
  readonly transaction: number;
  /** What the producer called itself before the last change of its identity; null when that was another producer. */
  readonly previous: ProducerIdentity | null;
  /** The id that follows when the end is complete, since this one has no epoch left; -1 when it stays. */
  readonly nextProducerId: number;
  readonly timeoutMs: number;
  readonly partitions: Partitions;
  readonly groups: readonly string[];
  /** When the last transaction began, milliseconds since 1970; -1 before the first. */
  readonly startedAt: number;
  readonly updatedAt: number;
}

export type TransactionEvent =
  /** InitProducerId. `freshProducerId` is null until `needsProducerId` asked for one. */
  | {
      readonly type: 'init';
      readonly expected: ProducerIdentity | null;
      readonly timeoutMs: number;
      readonly freshProducerId: number | null;
    }
  /** Participants join, and with the first ones a transaction begins. */
  | {
      readonly type: 'add';
      readonly producer: ProducerIdentity;
      readonly partitions: Partitions;
      readonly groups: readonly string[];
    }
  /** EndTxn. `bumpsEpoch` since its v5 (KIP-890). */
  | {
      readonly type: 'end';
      readonly producer: ProducerIdentity;
      readonly committed: boolean;
      readonly bumpsEpoch: boolean;
      readonly freshProducerId: number | null;
    }
  | { readonly type: 'timeOut' }
  /** Every participant of this transaction knows its end. */
  | { readonly type: 'complete'; readonly transaction: number }
  /** Forgets an id that was last used before. */
  | { readonly type: 'expire'; readonly before: number };

export type Rejection = Extract<
  ErrorName,
  'INVALID_PRODUCER_ID_MAPPING' | 'PRODUCER_FENCED' | 'CONCURRENT_TRANSACTIONS' | 'INVALID_TXN_STATE'
>;

export type Transition =
  /** Null: nothing is kept of the id any more. */
  | { readonly outcome: 'changed'; readonly transaction: Transaction | null }
  /** It is as asked for already. */
  | { readonly outcome: 'unchanged' }
  /** `init` met an open transaction, which is being aborted: it comes again when that is complete. */
  | { readonly outcome: 'aborting'; readonly transaction: Transaction }
  /** The same event is to come again with a fresh producer id. */
  | { readonly outcome: 'needsProducerId' }
  | { readonly outcome: 'rejected'; readonly error: Rejection; readonly message: string };

/** The largest int16. No producer gets it: it is left for fencing the one before. */
export const PRODUCER_EPOCH_MAX = 32_767;

/** `now` is the time of the entry, milliseconds since 1970. */
export function applyEvent(known: Transaction | null, event: TransactionEvent, now: number): Transition {
  if (event.type === 'init') return init(known, event, now);
  if (known === null) return unknownId(event);
  switch (event.type) {
    case 'add':
      return add(known, event, now);
    case 'end':
      return event.bumpsEpoch ? endAndBump(known, event, now) : end(known, event, now);
    case 'timeOut':
      return isTimedOut(known, now) ? become(fence(known, now)) : UNCHANGED;
    case 'complete':
      return complete(known, event.transaction, now);
    case 'expire':
      return isAtRest(known) && known.updatedAt < event.before ? become(null) : UNCHANGED;
    default:
      return unreachable(event);
  }
}

/** Who may go on: what InitProducerId and EndTxn answer. */
export const identityOf = ({ producerId, producerEpoch, nextProducerId }: Transaction): ProducerIdentity =>
  nextProducerId === -1 ? { producerId, producerEpoch } : { producerId: nextProducerId, producerEpoch: 0 };

export const isPrepared = ({ state }: Transaction): boolean => state === 'PrepareCommit' || state === 'PrepareAbort';

export const isTimedOut = ({ state, startedAt, timeoutMs }: Transaction, now: number): boolean =>
  state === 'Ongoing' && startedAt + timeoutMs <= now;

/** Why the producer may not speak now, as when it adds partitions; null when it may. */
export const refusalOf = (known: Transaction | null, producer: ProducerIdentity): Rejection | null =>
  refuseProducer(known, producer)?.error ?? null;

/** Tells why a partition may not be written under this identity now, null when it may (AddPartitionsToTxn v4, `verifyOnly`). */
export function partitionVerifier(
  known: Transaction | null,
  producer: ProducerIdentity,
): (topicId: string, partition: number) => Rejection | 'TRANSACTION_ABORTABLE' | null {
  const refused = refusalOf(known, producer);
  if (refused !== null) return () => refused;
  const joined = new Map<string, ReadonlySet<number>>();
  if (known?.state === 'Ongoing') {
    for (const [topicId, numbers] of Object.entries(known.partitions)) joined.set(topicId, new Set(numbers));
  }
  return (topicId, partition) => (joined.get(topicId)?.has(partition) ? null : 'TRANSACTION_ABORTABLE');
}

type EventOf<T extends TransactionEvent['type']> = Extract<TransactionEvent, { readonly type: T }>;

function init(known: Transaction | null, event: EventOf<'init'>, now: number): Transition {
  const { expected, timeoutMs, freshProducerId } = event;
  if (known === null) {
    if (freshProducerId === null) return NEEDS_PRODUCER_ID;
    return become({ ...NEVER, producerId: freshProducerId, producerEpoch: 0, timeoutMs, updatedAt: now });
  }
  const isCurrent = expected !== null && isSame(expected, known);
  const isRepeated = expected !== null && !isCurrent && isSame(expected, known.previous);
  if (expected !== null && !isCurrent && !isRepeated) return fenced(known, expected);
  if (isPrepared(known)) return CONCURRENT;
  if (known.state === 'Ongoing') {
    if (expected === null) return { outcome: 'aborting', transaction: fence(known, now) };
    return isCurrent ? abortOwn(known, freshProducerId, now) : fenced(known, expected);
  }
  const atRest = { ...known, state: 'Empty', timeoutMs, startedAt: -1, updatedAt: now } as const;
  if (isRepeated) return become(atRest);
  const previous = expected;
  if (!isExhausted(known)) return become({ ...atRest, producerEpoch: known.producerEpoch + 1, previous });
  if (freshProducerId === null) return NEEDS_PRODUCER_ID;
  return become({ ...atRest, producerId: freshProducerId, producerEpoch: 0, previous });
}

/** The producer itself begins anew: it goes on with the identity that the abort leaves it. */
function abortOwn(known: Transaction, freshProducerId: number | null, now: number): Transition {
  const aborted = prepareAndBump(known, false, freshProducerId, now);
  return aborted === null ? NEEDS_PRODUCER_ID : { outcome: 'aborting', transaction: aborted };
}

function add(known: Transaction, { producer, partitions, groups }: EventOf<'add'>, now: number): Transition {
  const refused = refuseProducer(known, producer);
  if (refused) return refused;
  if (known.state === 'Ongoing') {
    if (includesAll(known, partitions, groups)) return UNCHANGED;
    return become({
      ...known,
      partitions: unionOf(known.partitions, partitions),
      groups: [...new Set([...known.groups, ...groups])],
      updatedAt: now,
    });
  }
  return become({
    ...known,
    state: 'Ongoing',
    transaction: known.transaction + 1,
    partitions: unionOf({}, partitions),
    groups: [...new Set(groups)],
    startedAt: now,
    updatedAt: now,
  });
}

/** Of AddPartitionsToTxn and AddOffsetsToTxn. One whose end is still being told to participants waits. */
function refuseProducer(known: Transaction | null, producer: ProducerIdentity): Rejected | null {
  if (known === null) return UNKNOWN_ID;
  const identity = identityOf(known);
  if (producer.producerId !== known.producerId && producer.producerId !== identity.producerId) {
    return otherProducer(known, producer);
  }
  if (!isSame(producer, identity)) return fenced(known, producer);
  return isPrepared(known) ? CONCURRENT : null;
}

/** EndTxn up to v4: the epoch stays, so a repeat is told by the state. */
function end(known: Transaction, { producer, committed }: EventOf<'end'>, now: number): Transition {
  if (producer.producerId !== known.producerId) return otherProducer(known, producer);
  if (producer.producerEpoch !== known.producerEpoch) return fenced(known, producer);
  switch (known.state) {
    case 'Ongoing':
      return become({ ...known, state: committed ? 'PrepareCommit' : 'PrepareAbort', updatedAt: now });
    case 'PrepareCommit':
      return committed ? CONCURRENT : wrongState(known, committed);
    case 'PrepareAbort':
      return committed ? wrongState(known, committed) : CONCURRENT;
    case 'CompleteCommit':
      return committed ? UNCHANGED : wrongState(known, committed);
    case 'CompleteAbort':
      return committed ? wrongState(known, committed) : UNCHANGED;
    case 'Empty':
      return wrongState(known, committed);
    default:
      return unreachable(known.state);
  }
}

/** EndTxn since v5: every end takes an epoch, so a repeat is told by the identity. */
function endAndBump(known: Transaction, event: EventOf<'end'>, now: number): Transition {
  const { producer, committed, freshProducerId } = event;
  const isRepeated = isSame(producer, known.previous);
  if (producer.producerId !== known.producerId && !isRepeated) return otherProducer(known, producer);
  if (!isRepeated && !isSame(producer, known)) return fenced(known, producer);
  const didCommit = known.state === 'PrepareCommit' || known.state === 'CompleteCommit';
  switch (known.state) {
    case 'PrepareCommit':
    case 'PrepareAbort':
      if (!isRepeated) return fenced(known, producer);
      return committed === didCommit ? CONCURRENT : wrongState(known, committed);
    case 'Empty':
    case 'Ongoing':
      if (isRepeated) return fenced(known, producer);
      break;
    default:
      if (isRepeated) return committed === didCommit ? UNCHANGED : wrongState(known, committed);
  }
  if (committed && known.state !== 'Ongoing') return wrongState(known, committed);
  const prepared = prepareAndBump(known, committed, freshProducerId, now);
  return prepared === null ? NEEDS_PRODUCER_ID : become(prepared);
}

/** Null when it takes a fresh producer id. */
function prepareAndBump(
  known: Transaction,
  committed: boolean,
  freshProducerId: number | null,
  now: number,
): Transaction | null {
  const { producerId, producerEpoch } = known;
  if (isExhausted(known) && freshProducerId === null) return null;
  return {
    ...known,
    state: committed ? 'PrepareCommit' : 'PrepareAbort',
    producerEpoch: Math.min(producerEpoch + 1, PRODUCER_EPOCH_MAX),
    previous: { producerId, producerEpoch },
    nextProducerId: isExhausted(known) ? freshProducerId! : -1,
    // One without participants may be aborted, too: its start is not known.
    startedAt: known.state === 'Ongoing' ? known.startedAt : now,
    updatedAt: now,
  };
}

/** Aborts in the name of the coordinator. Nobody is given the new epoch: the producer that had the old one is out. */
function fence(known: Transaction, now: number): Transaction {
  const producerEpoch = Math.min(known.producerEpoch + 1, PRODUCER_EPOCH_MAX);
  return { ...known, state: 'PrepareAbort', producerEpoch, previous: null, updatedAt: now };
}

function complete(known: Transaction, transaction: number, now: number): Transition {
  if (!isPrepared(known) || known.transaction !== transaction) return UNCHANGED;
  return become({
    ...known,
    ...identityOf(known),
    nextProducerId: -1,
    state: known.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    partitions: {},
    groups: [],
    updatedAt: now,
  });
}

const unknownId = ({ type }: TransactionEvent): Transition =>
  type === 'add' || type === 'end' ? UNKNOWN_ID : UNCHANGED;

const isAtRest = (known: Transaction): boolean => known.state !== 'Ongoing' && !isPrepared(known);
const isExhausted = ({ producerEpoch }: Transaction): boolean => producerEpoch >= PRODUCER_EPOCH_MAX - 1;

const isSame = (a: ProducerIdentity, b: ProducerIdentity | null): boolean =>
  a.producerId === b?.producerId && a.producerEpoch === b.producerEpoch;

function includesAll(known: Transaction, partitions: Partitions, groups: readonly string[]): boolean {
  for (const [topicId, numbers] of Object.entries(partitions)) {
    const has = new Set(known.partitions[topicId]);
    if (!numbers.every((number) => has.has(number))) return false;
  }
  return groups.every((groupId) => known.groups.includes(groupId));
}

function unionOf(known: Partitions, added: Partitions): Partitions {
  const union: Record<string, readonly number[]> = { ...known };
  for (const [topicId, numbers] of Object.entries(added)) {
    union[topicId] = [...new Set([...(union[topicId] ?? []), ...numbers])];
  }
  return union;
}

const NEVER = {
  state: 'Empty',
  transaction: 0,
  previous: null,
  nextProducerId: -1,
  partitions: {},
  groups: [],
  startedAt: -1,
} as const;

type Rejected = Extract<Transition, { readonly outcome: 'rejected' }>;

const become = (transaction: Transaction | null): Transition => ({ outcome: 'changed', transaction });
const reject = (error: Rejection, message: string): Rejected => ({ outcome: 'rejected', error, message });

const UNCHANGED: Transition = { outcome: 'unchanged' };
const NEEDS_PRODUCER_ID: Transition = { outcome: 'needsProducerId' };
const UNKNOWN_ID = reject('INVALID_PRODUCER_ID_MAPPING', 'nothing is known of this transactional id');
const CONCURRENT = reject('CONCURRENT_TRANSACTIONS', 'the end of the last transaction is not complete yet');

const otherProducer = (known: Transaction, { producerId }: ProducerIdentity): Rejected =>
  reject('INVALID_PRODUCER_ID_MAPPING', `the transactional id has producer id ${known.producerId}, not ${producerId}`);

const fenced = (known: Transaction, { producerId, producerEpoch }: ProducerIdentity): Rejected =>
  reject(
    'PRODUCER_FENCED',
    `epoch ${producerEpoch} of producer ${producerId} is over: it is ${known.producerEpoch} of ${known.producerId}`,
  );

const wrongState = ({ state }: Transaction, committed: boolean): Rejected =>
  reject('INVALID_TXN_STATE', `a transaction in state ${state} cannot be ${committed ? 'committed' : 'aborted'}`);
