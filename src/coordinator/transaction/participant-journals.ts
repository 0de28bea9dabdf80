/**
 * Carries guards and markers into the journals of participants: here, or by a call to who leads them, where the same
 * decision is made. Whatever is said may be said again: numbers of transactions tell what is late.
 *
 * A group's journal is asked for at the very place where it is written: the group may have been deleted meanwhile, and be
 * kept by another journal by now.
 */

import type { LeaderCalls } from '../../cluster/leader-calls.ts';
import type { Placements } from '../../cluster/placements.ts';
import type { Topics } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { CoordinatorCommand, DecisionView, Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import { refuse, requireLeading } from '../coordinator-error.ts';
import { groupOwner } from '../owner.ts';
import { eachPartition, guards, markers, type Participants, type Place, partitionsOf } from './participants.ts';
import {
  type GuardWish,
  type MarkWish,
  type PlaceGroupWish,
  TRANSACTIONS_GUARD,
  TRANSACTIONS_MARK,
  TRANSACTIONS_PLACE_GROUP,
} from './transaction-methods.ts';

/** A leader whose store is slow takes seconds. */
const TIMEOUT_MS = 10_000;

export interface ParticipantJournalsOptions {
  readonly journals: Journals;
  readonly placements: Placements;
  readonly topics: Topics;
  readonly calls: LeaderCalls;
  /** The journal of a group that need not exist yet; null: whose share it is does not count. */
  readonly placeGroup: (groupId: string, client: string | null) => Promise<Journal>;
}

export class ParticipantJournals {
  readonly #options: ParticipantJournalsOptions;

  constructor(options: ParticipantJournalsOptions) {
    this.#options = options;
  }

  /**
   * The journal of a group that need not exist yet, wherever it is led. Throws what `Groups.place` throws, and as `guard`
   * does.
   */
  async placeGroup(groupId: string, client: string): Promise<number> {
    const { placements, calls, placeGroup } = this.#options;
    const { id, role } = await placements.recall(groupOwner(groupId));
    if (role === 'leading') return (await placeGroup(groupId, client)).id;
    await calls.ask(id, TRANSACTIONS_PLACE_GROUP, { journal: id, groupId, client }, { timeoutMs: TIMEOUT_MS });
    return id;
  }

  async placeGroupHere({ journal, groupId, client }: PlaceGroupWish): Promise<void> {
    requireHome(this.#led(journal), await this.#options.placeGroup(groupId, client));
  }

  /** Durable when it resolves. Throws NOT_LEADER_OR_FOLLOWER, NOT_COORDINATOR for a group that has moved, and what `placeGroup` throws. */
  async guard(wish: GuardWish): Promise<void> {
    const journal = this.#options.journals.get(wish.journal);
    if (journal?.role === 'leading') await this.guardHere(wish);
    else await this.#options.calls.ask(wish.journal, TRANSACTIONS_GUARD, wish, { timeoutMs: TIMEOUT_MS });
  }

  async guardHere({ journal: id, guarded, participants, client }: GuardWish): Promise<void> {
    const journal = this.#led(id);
    for (const groupId of participants.groups) requireHome(journal, await this.#options.placeGroup(groupId, client));
    const guarding = journal.coordinate((view) => {
      const commands = guards(view, guarded, participants);
      return { commands, answer: commands.some((command) => isNews(view, command)) };
    });
    if (!(await guarding.catch((cause) => refuse(journal, cause)))) await confirm(journal);
  }

  /** Durable when it resolves. Throws NOT_LEADER_OR_FOLLOWER, NOT_COORDINATOR for a group that has moved. */
  async mark(wish: MarkWish): Promise<void> {
    const journal = this.#options.journals.get(wish.journal);
    if (journal?.role === 'leading') await this.markHere(wish);
    else await this.#options.calls.ask(wish.journal, TRANSACTIONS_MARK, wish, { timeoutMs: TIMEOUT_MS });
  }

  async markHere({ journal: id, ended, participants, coordinatorEpoch, guardMayCome }: MarkWish): Promise<void> {
    const journal = this.#led(id);
    for (const groupId of participants.groups) {
      if (!(await this.#isToBeTold(groupId, journal, guardMayCome))) return confirm(journal);
    }
    const isWritten = await journal.coordinate((view) => {
      const commands = markers(view, ended, participants, coordinatorEpoch);
      return { commands, answer: commands.some((command) => isNews(view, command)) };
    });
    if (!isWritten) await confirm(journal);
  }

  /**
   * Participants by the journals that keep them, also such as are not known here. A partition that the store does not have
   * either is over: whichever journal still keeps it may be told. Throws what the store says.
   */
  async byJournal({ partitions, groups }: Participants): Promise<ReadonlyMap<number, Participants>> {
    const { journals, placements, topics } = this.#options;
    const found = new Map<number, { places: Place[]; groups: string[] }>();
    const of = (journal: number) => {
      const known = found.get(journal) ?? { places: [], groups: [] };
      found.set(journal, known);
      return known;
    };
    for (const place of eachPartition(partitions)) {
      const topic = await topics.lookUp(place.topicId, place.partition + 1);
      const journal = topic?.partitions[place.partition]?.journal ?? null;
      if (journal !== null) of(journal).places.push(place);
      else for (const { id } of journals) of(id).places.push(place);
    }
    for (const groupId of groups) of((await placements.recall(groupOwner(groupId))).id).groups.push(groupId);
    return new Map([...found].map(([id, { places, groups }]) => [id, { partitions: partitionsOf(places), groups }]));
  }

  /** Another broker said that it does not coordinate them. */
  mistrust(groups: readonly string[]): void {
    for (const groupId of groups) this.#options.placements.mistrust(groupOwner(groupId));
  }

  /** Another broker may have created it a moment ago. */
  async hasTopic(topicId: string): Promise<boolean> {
    const { topics } = this.#options;
    return topics.byId(topicId) !== undefined || (await topics.findById(topicId)) !== undefined;
  }

  /** A group that is gone after its guard was durable need not be told: what it held of the transaction went with it. */
  async #isToBeTold(groupId: string, journal: Journal, guardMayCome: boolean): Promise<boolean> {
    const owner = groupOwner(groupId);
    if (journal.state.records(owner).size > 0) return true;
    if (guardMayCome) {
      requireHome(journal, await this.#options.placeGroup(groupId, null));
      return true;
    }
    requireHome(journal, (await this.#options.placements.locate(owner)).journal);
    return journal.state.records(owner).size > 0;
  }

  #led(id: number): Journal {
    const journal = this.#options.journals.get(id);
    if (journal) return requireLeading(journal);
    throw new KafkaError('NOT_COORDINATOR', `this broker does not know journal ${id}`);
  }
}

function requireHome(journal: Journal, home: Journal): void {
  if (home !== journal) throw new KafkaError('NOT_COORDINATOR', `the group is kept by journal ${home.id}`);
}

/** Whether it is sure to come into the entry: what means nothing any more is left out of it. */
function isNews(view: DecisionView, command: CoordinatorCommand): boolean {
  if (command.type === 'recordsChanged') return true;
  const { topicId, partition, producerId, transaction } = command;
  const isOpen = view.openTransaction(topicId, partition, producerId)?.transaction === transaction;
  if (command.type === 'transactionMarked') return isOpen;
  return !isOpen && view.partition(topicId, partition) !== undefined;
}

/** Where nothing had to be written: a successor may have seen what is not known here. Throws NOT_COORDINATOR. */
async function confirm(journal: Journal): Promise<void> {
  if (await journal.confirmLeadership()) return;
  throw new KafkaError('NOT_COORDINATOR', `another broker took over journal ${journal.id}`);
}
