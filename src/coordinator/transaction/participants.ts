/**
 * What a transaction's coordinator tells its participants, as commands for their journals: guards before a transaction may
 * touch a partition or a group, markers when it ends (design §4, rule 8). Pure. Whatever is said may be said again.
 */
import type { CoordinatorCommand, DecisionView } from '../../journal/journal.ts';
import { guardKey } from '../group/offsets/offset-records.ts';
import { endGroupTransaction, guardGroup } from '../group/offsets/transactional-offsets.ts';
import { groupOwner } from '../owner.ts';
import type { Partitions, ProducerIdentity, Transaction } from './transaction-state.ts';

export interface Participants {
  readonly partitions: Partitions;
  readonly groups: readonly string[];
}

export const NO_PARTICIPANTS: Participants = { partitions: {}, groups: [] };

export const countOf = ({ partitions, groups }: Participants): number =>
  Object.values(partitions).reduce((count, numbers) => count + numbers.length, groups.length);

export interface Place {
  readonly topicId: string;
  readonly partition: number;
}

export function* eachPartition(partitions: Partitions): Generator<Place> {
  for (const [topicId, numbers] of Object.entries(partitions)) {
    for (const partition of numbers) yield { topicId, partition };
  }
}

export function partitionsOf(places: Iterable<Place>): Partitions {
  const partitions: Record<string, number[]> = {};
  for (const { topicId, partition } of places) {
    const numbers = partitions[topicId];
    if (numbers) numbers.push(partition);
    else partitions[topicId] = [partition];
  }
  return partitions;
}

/** Partitions of this journal, and the others. */
export function splitPartitions(
  view: Pick<DecisionView, 'partition'>,
  partitions: Partitions,
): { readonly here: Partitions; readonly elsewhere: Partitions } {
  const here: Place[] = [];
  const elsewhere: Place[] = [];
  for (const place of eachPartition(partitions)) {
    const isHere = view.partition(place.topicId, place.partition) !== undefined;
    (isHere ? here : elsewhere).push(place);
  }
  return { here: partitionsOf(here), elsewhere: partitionsOf(elsewhere) };
}

/** Groups that know of the transaction in this journal, and those whose guard is elsewhere or never came. */
export function splitGroups(
  view: DecisionView,
  { producerId, groups }: Transaction,
): { readonly here: readonly string[]; readonly elsewhere: readonly string[] } {
  const here: string[] = [];
  const elsewhere: string[] = [];
  for (const groupId of groups) {
    const isHere = view.record(groupOwner(groupId), guardKey(producerId)) !== undefined;
    (isHere ? here : elsewhere).push(groupId);
  }
  return { here, elsewhere };
}

/** A transaction to its guards. */
export interface Guarded extends ProducerIdentity {
  readonly transaction: number;
}

/** A transaction to its markers. */
export interface Ended extends Guarded {
  readonly committed: boolean;
}

export const guardedBy = ({ producerId, producerEpoch, transaction }: Transaction): Guarded => ({
  producerId,
  producerEpoch,
  transaction,
});

export const endOf = (prepared: Transaction): Ended => ({
  ...guardedBy(prepared),
  committed: prepared.state === 'PrepareCommit',
});

/** Lets the transaction touch participants of this journal. */
export function guards(
  view: DecisionView,
  { producerId, producerEpoch, transaction }: Guarded,
  { partitions, groups }: Participants,
): CoordinatorCommand[] {
  const commands: CoordinatorCommand[] = [];
  for (const place of eachPartition(partitions)) {
    commands.push({ type: 'transactionGuarded', ...place, producerId, producerEpoch, transaction });
  }
  for (const groupId of groups) commands.push(...guardGroup(view, groupId, producerId, producerEpoch, transaction));
  return commands;
}

/** Tells participants of this journal how the prepared transaction ends. */
export function markers(
  view: DecisionView,
  ended: Ended,
  { partitions, groups }: Participants,
  coordinatorEpoch: number,
): CoordinatorCommand[] {
  const commands: CoordinatorCommand[] = [];
  for (const place of eachPartition(partitions)) {
    commands.push({ type: 'transactionMarked', ...place, ...ended, coordinatorEpoch });
  }
  for (const groupId of groups) commands.push(...endGroupTransaction(view, groupId, ended));
  return commands;
}

/** Pieces that fit an entry each. A group alone, since its offsets may fill one. */
export function piecesOf({ partitions, groups }: Participants, countMax: number): Participants[] {
  const places = [...eachPartition(partitions)];
  const pieces: Participants[] = groups.map((groupId) => ({ ...NO_PARTICIPANTS, groups: [groupId] }));
  for (let start = 0; start < places.length; start += countMax) {
    pieces.push({ ...NO_PARTICIPANTS, partitions: partitionsOf(places.slice(start, start + countMax)) });
  }
  return pieces;
}
