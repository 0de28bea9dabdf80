/**
 * Decisions on the journal of a transactional id. Where all participants are kept by the same journal, what they are told
 * goes into the entry of the decision: a partition joins with its guard, and a transaction is prepared, marked and complete
 * at once. Otherwise the entry holds the record alone, and participants are told after it is durable: so the record knows
 * every partition that has a guard, and an end that was prepared is carried out whatever happens.
 */
import { KafkaError } from '../../errors.ts';
import type { CoordinatorCommand, Decided, DecisionView } from '../../journal/journal.ts';
import { decisionBytes } from '../../journal/proposals.ts';
import { RECORDS_CHANGED_BYTES_MAX, TRANSACTION_RECORD_BYTES_MAX } from '../../limits.ts';
import { assert } from '../../runtime/assert.ts';
import { guardKey } from '../group/offsets/offset-records.ts';
import { guardGroup } from '../group/offsets/transactional-offsets.ts';
import { groupOwner } from '../owner.ts';
import {
  eachPartition,
  endOf,
  guards,
  markers,
  NO_PARTICIPANTS,
  type Participants,
  partitionsOf,
  splitGroups,
  splitPartitions,
} from './participants.ts';
import { readTransaction, writeTransaction } from './transaction-records.ts';
import { applyEvent, isPrepared, type Transaction, type TransactionEvent } from './transaction-state.ts';

export type TransactionAnswer =
  | {
      readonly type: 'done';
      readonly transaction: Transaction | null;
      /** Asked for with `add`, and not guarded yet by this decision or an earlier one of this journal. */
      readonly unguarded: Participants;
    }
  | { readonly type: 'needsProducerId' }
  /** The end of the last transaction must be complete first. */
  | { readonly type: 'concurrent' };

/** `groupsHere`: those of the event's groups whose journal this is. Throws Kafka's error, and changes nothing then. */
export function decideTransaction(
  view: DecisionView,
  transactionalId: string,
  event: TransactionEvent,
  groupsHere: readonly string[] = [],
): Decided<TransactionAnswer> {
  const known = readTransaction(view, transactionalId);
  const transition = applyEvent(known, event, view.timestamp);
  switch (transition.outcome) {
    case 'needsProducerId':
      return { commands: [], answer: { type: 'needsProducerId' } };
    case 'rejected':
      if (transition.error === 'CONCURRENT_TRANSACTIONS') return CONCURRENT;
      throw new KafkaError(transition.error, transition.message);
    case 'unchanged':
      return done([], known, event.type === 'add' && known !== null ? unguardedOf(view, known, event) : undefined);
    case 'aborting': {
      const ended = endHere(view, transition.transaction);
      if (ended === null)
        return { ...CONCURRENT, commands: [writeTransaction(transactionalId, transition.transaction)] };
      const again = applyEvent(ended.completed, event, view.timestamp);
      if (again.outcome === 'needsProducerId') return { commands: [], answer: { type: 'needsProducerId' } };
      assert(again.outcome === 'changed', `a producer that begins anew met a transaction that was ${again.outcome}`);
      return done([writeTransaction(transactionalId, again.transaction), ...ended.told], again.transaction);
    }
    case 'changed':
      return decideChanged(view, transactionalId, transition.transaction, event, groupsHere);
  }
}

function decideChanged(
  view: DecisionView,
  transactionalId: string,
  changed: Transaction | null,
  event: TransactionEvent,
  groupsHere: readonly string[],
): Decided<TransactionAnswer> {
  const write = writeTransaction(transactionalId, changed);
  if (changed !== null && event.type === 'add') {
    refuseTooLarge(write);
    const { here, elsewhere } = splitPartitions(view, event.partitions);
    const commands = [write, ...guards(view, changed, { partitions: here, groups: groupsHere })];
    if (!fits(commands)) return done([write], changed, event);
    const groups = event.groups.filter((groupId) => !groupsHere.includes(groupId));
    return done(commands, changed, { partitions: elsewhere, groups });
  }
  const ended = changed !== null && isPrepared(changed) ? endHere(view, changed) : null;
  if (ended === null) return done([write], changed);
  return done([writeTransaction(transactionalId, ended.completed), ...ended.told], ended.completed);
}

/** Null when there are participants elsewhere, or too many for one entry. */
function endHere(
  view: DecisionView,
  prepared: Transaction,
): { readonly completed: Transaction; readonly told: readonly CoordinatorCommand[] } | null {
  const partitions = splitPartitions(view, prepared.partitions);
  const groups = splitGroups(view, prepared);
  if (Object.keys(partitions.elsewhere).length > 0 || groups.elsewhere.length > 0) return null;
  const told = markers(view, endOf(prepared), { partitions: partitions.here, groups: groups.here }, view.epoch);
  if (!fits(told)) return null;
  const completed = applyEvent(prepared, { type: 'complete', transaction: prepared.transaction }, view.timestamp);
  assert(completed.outcome === 'changed' && completed.transaction !== null, 'a prepared transaction was not completed');
  return { completed: completed.transaction, told };
}

/** They are in the record; whether their guards were written cannot be seen for those of other journals. */
function unguardedOf(view: DecisionView, known: Transaction, { partitions, groups }: Participants): Participants {
  const { producerId, producerEpoch, transaction } = known;
  const unguarded = [...eachPartition(partitions)].filter(
    ({ topicId, partition }) => view.openTransaction(topicId, partition, producerId)?.transaction !== transaction,
  );
  const isGuarded = (groupId: string) =>
    view.record(groupOwner(groupId), guardKey(producerId)) !== undefined &&
    guardGroup(view, groupId, producerId, producerEpoch, transaction).length === 0;
  return { partitions: partitionsOf(unguarded), groups: groups.filter((groupId) => !isGuarded(groupId)) };
}

/** Leaves room for the record, and for others in the entry. */
const fits = (commands: readonly CoordinatorCommand[]): boolean =>
  decisionBytes({ commands, answer: null }) <= RECORDS_CHANGED_BYTES_MAX - RECORD_BYTES;

const RECORD_BYTES = 1_024;

/** What can join must be able to end: the record grows a little on the way there. */
function refuseTooLarge(write: CoordinatorCommand): void {
  if (decisionBytes({ commands: [write], answer: null }) <= TRANSACTION_RECORD_BYTES_MAX) return;
  throw new KafkaError('INVALID_REQUEST', 'a transaction has too many partitions and groups');
}

const done = (
  commands: readonly CoordinatorCommand[],
  transaction: Transaction | null,
  { partitions, groups }: Participants = NO_PARTICIPANTS,
): Decided<TransactionAnswer> => ({
  commands,
  answer: { type: 'done', transaction, unguarded: { partitions, groups } },
});

const CONCURRENT: Decided<TransactionAnswer> = { commands: [], answer: { type: 'concurrent' } };
