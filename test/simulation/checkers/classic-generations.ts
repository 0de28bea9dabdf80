/**
 * Generations of classic groups: they only grow, over restarts and takeovers, too; what a generation assigns is what its
 * leader sent; and what a member is answered is what its generation assigns. So no two members of one generation hold a
 * partition, since leaders here give none to two.
 */
import { type FoldedGroup, GroupFold, groupIdOf } from '../group-fold.ts';
import { type Checker, type HistoryEvent, Violation } from '../history.ts';

/** Base64 by member id. */
type Assignments = ReadonlyMap<string, string>;

/** One generation as its journal has it. */
interface Generation {
  /** Also of static members whose id is another one by now. */
  readonly assignments: Map<string, string>;
  /** Of those who were answered: whose a partition is, by instance id where there is one. */
  readonly holders: Map<string, string>;
}

export class ClassicGenerations implements Checker {
  readonly name = 'classic generations';
  readonly #partitionsOf: (assignment: string) => readonly string[];
  readonly #fold = new GroupFold();
  /** What leaders sent, by group and generation. A leader that hears nothing sends again, perhaps something else. */
  readonly #sent = new Map<string, { readonly leader: string; readonly assignments: Assignments }[]>();
  readonly #generations = new Map<string, Generation>();

  /** How members here write down their partitions. */
  constructor(partitionsOf: (assignment: string) => readonly string[]) {
    this.#partitionsOf = partitionsOf;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'assignmentsSent': {
        const key = keyOf(event.groupId, event.generation);
        const sent = this.#sent.get(key) ?? [];
        sent.push({ leader: event.memberId, assignments: event.assignments });
        this.#sent.set(key, sent);
        return;
      }
      case 'recordsChanged': {
        const groupId = groupIdOf(event.owner);
        if (groupId === null) return;
        const { type, generation } = this.#fold.find(groupId);
        const concerns = this.#fold.apply(groupId, event.changes);
        const group = this.#fold.find(groupId);
        if (concerns && group.type === 'classic') this.#written(groupId, group, type === 'classic' ? generation : -1);
        return;
      }
      case 'memberAssigned':
        this.#assigned(event);
        return;
      default:
    }
  }

  #written(groupId: string, group: FoldedGroup, before: number): void {
    const { generation, members } = group;
    if (generation < before) this.#fail(`group ${groupId} goes from generation ${before} back to ${generation}`);
    const key = keyOf(groupId, generation);
    if (generation === before) {
      this.#rewritten(groupId, group);
      return;
    }
    this.#generations.set(key, { assignments: assignmentsOf(group), holders: new Map() });
    if (members.size === 0) return;
    const sent = this.#sent.get(key)?.filter(({ leader }) => leader === group.leader) ?? [];
    if (sent.some(({ assignments }) => isSame(group, assignments))) return;
    this.#fail(`generation ${generation} of group ${groupId} assigns what its leader ${group.leader} never sent`);
  }

  /** The same generation once more: a static member has another id, and what it had. */
  #rewritten(groupId: string, group: FoldedGroup): void {
    const known = this.#generations.get(keyOf(groupId, group.generation))!;
    for (const [memberId, { assignment, instance }] of group.members) {
      const before = known.assignments.get(memberId);
      if (before === assignment) continue;
      const where = `generation ${group.generation} of group ${groupId}`;
      if (before !== undefined) this.#fail(`${where} changes what it assigns to ${memberId}`);
      if (instance === null) this.#fail(`${where} gets a new member ${memberId}`);
      if (![...known.assignments.values()].includes(assignment)) {
        this.#fail(`${where} assigns something new to ${memberId}, who takes the place of ${instance}`);
      }
      known.assignments.set(memberId, assignment);
    }
  }

  #assigned(event: Extract<HistoryEvent, { type: 'memberAssigned' }>): void {
    const { groupId, memberId, instanceId, generation, assignment, process } = event;
    const where = `${process} answers ${memberId} of generation ${generation} of group ${groupId}`;
    const known = this.#generations.get(keyOf(groupId, generation));
    if (known === undefined) this.#fail(`${where}, which is not in its journal`);
    const written = known.assignments.get(memberId);
    if (written === undefined) this.#fail(`${where}, which has no such member`);
    if (written !== assignment) this.#fail(`${where} with something else than its leader sent`);
    const holder = instanceId ?? memberId;
    for (const partition of this.#partitionsOf(assignment)) {
      const other = known.holders.get(partition);
      if (other !== undefined && other !== holder) this.#fail(`${where} with ${partition}, which ${other} has`);
      known.holders.set(partition, holder);
    }
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const keyOf = (groupId: string, generation: number): string => `${generation} ${groupId}`;

const assignmentsOf = ({ members }: FoldedGroup): Map<string, string> =>
  new Map([...members].map(([memberId, { assignment }]) => [memberId, assignment]));

const isSame = ({ members }: FoldedGroup, sent: Assignments): boolean =>
  [...members].every(([memberId, { assignment }]) => (sent.get(memberId) ?? '') === assignment);
