/**
 * Epochs of consumer groups (KIP-848): those of the group, of its target and of each member only grow; a partition is a
 * member's only when its former owner gave it up, or was fenced; and a member is told what its journal says.
 *
 * What a member holds is what it says itself: it may have been told of it by a process that did not know it was succeeded.
 */
import { type FoldedGroup, type FoldedMember, GroupFold, groupIdOf } from '../group-fold.ts';
import { type Checker, type HistoryEvent, Violation } from '../history.ts';

interface Version {
  readonly epoch: number;
  readonly assigned: readonly string[];
}

interface Held {
  readonly groupId: string;
  readonly memberId: string;
  readonly partitions: ReadonlySet<string>;
}

/** Of a static member that is away. */
const AWAY = -2;

export class ConsumerEpochs implements Checker {
  readonly name = 'consumer epochs';
  readonly #fold = new GroupFold();
  /** All that journals ever said of a member, oldest first; null where it was none. */
  readonly #versions = new Map<string, (Version | null)[]>();
  /** What members that are alive hold. */
  readonly #held = new Map<string, Held>();

  /** How often the journals have changed the member. */
  changes(groupId: string, memberId: string): number {
    return this.#versions.get(keyOf(groupId, memberId))?.length ?? 0;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'recordsChanged': {
        const groupId = groupIdOf(event.owner);
        if (groupId === null) return;
        const before = { ...this.#fold.find(groupId), members: new Map(this.#fold.find(groupId).members) };
        const concerns = this.#fold.apply(groupId, event.changes);
        const after = this.#fold.find(groupId);
        if (concerns && after.type === 'consumer') this.#written(groupId, before, after);
        return;
      }
      case 'memberTold':
        this.#told(event);
        return;
      case 'memberHolds':
        this.#holds(event);
        return;
      default:
    }
  }

  #written(groupId: string, before: FoldedGroup, after: FoldedGroup): void {
    const known = before.type === 'consumer' ? before : { generation: 0, targetEpoch: 0 };
    const where = `group ${groupId}`;
    if (after.generation < known.generation) {
      this.#fail(`${where} goes from epoch ${known.generation} back to ${after.generation}`);
    }
    if (after.targetEpoch < known.targetEpoch || after.targetEpoch > after.generation) {
      this.#fail(`${where} of epoch ${after.generation} has a target of epoch ${after.targetEpoch}`);
    }
    this.#checkShares(where, after);
    for (const memberId of before.members.keys()) {
      if (!after.members.has(memberId)) this.#remember(groupId, memberId, null);
    }
    for (const [memberId, member] of after.members) {
      const standing = before.members.get(memberId);
      if (standing !== undefined && isSame(standing, member)) continue;
      this.#checkMember(groupId, after, memberId, standing ?? null);
      this.#remember(groupId, memberId, member);
    }
  }

  /** What members have, or are to give up, is with one of them. */
  #checkShares(where: string, { members }: FoldedGroup): void {
    const owners = new Map<string, string>();
    for (const [memberId, { assigned, revoking }] of members) {
      for (const partition of [...assigned, ...revoking]) {
        const other = owners.get(partition);
        if (other !== undefined) this.#fail(`${where} gives ${partition} to ${other} and ${memberId}`);
        owners.set(partition, memberId);
      }
    }
  }

  #checkMember(groupId: string, group: FoldedGroup, memberId: string, before: FoldedMember | null): void {
    const { epoch, assigned } = group.members.get(memberId)!;
    const where = `member ${memberId} of group ${groupId}`;
    if (epoch > group.targetEpoch) this.#fail(`${where} is at epoch ${epoch}, its target at ${group.targetEpoch}`);
    if (before !== null && epoch < before.epoch && epoch !== AWAY) {
      this.#fail(`${where} goes from epoch ${before.epoch} back to ${epoch}`);
    }
    for (const partition of assigned) {
      if (before?.assigned.includes(partition)) continue;
      const holder = this.#holderOf(groupId, group, partition, memberId);
      if (holder !== null) this.#fail(`${where} gets ${partition}, which ${holder} still holds`);
    }
  }

  /** Another member that has not given the partition up; those who were fenced do not count. */
  #holderOf(groupId: string, { members }: FoldedGroup, partition: string, except: string): string | null {
    for (const held of this.#held.values()) {
      if (held.groupId !== groupId || held.memberId === except) continue;
      if (held.partitions.has(partition) && members.has(held.memberId)) return held.memberId;
    }
    return null;
  }

  #told({ groupId, memberId, process, epoch, assigned, changesBefore }: ToldEvent): void {
    const versions = this.#versions.get(keyOf(groupId, memberId)) ?? [];
    const where = `${process} tells ${memberId} of group ${groupId} of epoch ${epoch}`;
    if (assigned === null) {
      // A process that was succeeded may not know yet of the last ones.
      if (!versions.some((version) => version?.epoch === epoch)) this.#fail(`${where}, at which it never was`);
      return;
    }
    const since = versions.slice(Math.max(changesBefore - 1, 0));
    const isTrue = since.some((version) => version?.epoch === epoch && isEqual(version.assigned, assigned));
    if (!isTrue) this.#fail(`${where} with ${assigned.join(', ') || 'nothing'}, as it never stood since it asked`);
  }

  #holds({ groupId, memberId, partitions }: Extract<HistoryEvent, { type: 'memberHolds' }>): void {
    const key = keyOf(groupId, memberId);
    const before = this.#held.get(key)?.partitions ?? new Set();
    if (partitions.length === 0) this.#held.delete(key);
    else this.#held.set(key, { groupId, memberId, partitions: new Set(partitions) });
    const { members } = this.#fold.find(groupId);
    if (!members.has(memberId)) return; // It was fenced, and will hear of it.
    for (const partition of partitions) {
      if (before.has(partition)) continue;
      for (const [otherId, { assigned }] of members) {
        if (otherId === memberId || !assigned.includes(partition)) continue;
        this.#fail(`member ${memberId} of group ${groupId} takes ${partition}, which is given to ${otherId}`);
      }
    }
  }

  #remember(groupId: string, memberId: string, version: Version | null): void {
    const key = keyOf(groupId, memberId);
    const versions = this.#versions.get(key) ?? [];
    this.#versions.set(key, versions);
    versions.push(version);
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

type ToldEvent = Extract<HistoryEvent, { type: 'memberTold' }>;

const keyOf = (groupId: string, memberId: string): string => `${groupId} ${memberId}`;

const isSame = (a: FoldedMember, b: FoldedMember): boolean => a.epoch === b.epoch && isEqual(a.assigned, b.assigned);

const isEqual = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && new Set([...a, ...b]).size === a.length;
