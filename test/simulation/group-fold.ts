/**
 * What the journals say of the members of groups, folded from their records by a fold of its own: not what the coordinators
 * under test read back.
 */
import type { RecordChange } from '../../src/journal/journal.ts';

export interface FoldedGroup {
  /** Empty while there is no record of the group itself: offsets alone, or nothing. */
  type: '' | 'classic' | 'consumer' | 'share';
  /** Of a classic group its generation, of all others their epoch. */
  generation: number;
  /** Of a consumer group: the epoch that its targets were made for. */
  targetEpoch: number;
  /** Of a classic group. */
  leader: string | null;
  readonly members: Map<string, FoldedMember>;
}

export interface FoldedMember {
  readonly instance: string | null;
  /** Of a classic group: base64, as its leader sent it. */
  readonly assignment: string;
  /** Of all others. */
  readonly epoch: number;
  /** Names of partitions (`nameOf`). */
  readonly assigned: readonly string[];
  readonly revoking: readonly string[];
}

const GROUP_OWNER = 'group/';
const MEMBER = 'm/';

/** Null for owners that are no groups. */
export const groupIdOf = (owner: string): string | null =>
  owner.startsWith(GROUP_OWNER) ? owner.slice(GROUP_OWNER.length) : null;

export class GroupFold {
  readonly #groups = new Map<string, FoldedGroup>();

  find(groupId: string): FoldedGroup {
    const group = this.#groups.get(groupId) ?? emptyGroup();
    this.#groups.set(groupId, group);
    return group;
  }

  /** One decision. True when it concerns the members. */
  apply(groupId: string, changes: readonly RecordChange[]): boolean {
    const group = this.find(groupId);
    let concerns = false;
    for (const { key, value } of changes) {
      if (key === 'group') readGroup(group, value);
      else if (key.startsWith(MEMBER)) readMember(group, key.slice(MEMBER.length), value);
      else continue;
      concerns = true;
    }
    return concerns;
  }
}

const emptyGroup = (): FoldedGroup => ({ type: '', generation: 0, targetEpoch: 0, leader: null, members: new Map() });

function readGroup(group: FoldedGroup, value: string | null): void {
  const record = value === null ? { type: '' } : JSON.parse(value);
  group.type = record.type;
  group.generation = record.generation ?? record.epoch ?? 0;
  group.targetEpoch = record.targetEpoch ?? 0;
  group.leader = record.leader ?? null;
}

function readMember({ members }: FoldedGroup, memberId: string, value: string | null): void {
  if (value === null) {
    members.delete(memberId);
    return;
  }
  const { instance, assignment, epoch, assigned, revoking } = JSON.parse(value);
  members.set(memberId, {
    instance: instance ?? null,
    assignment: assignment ?? '',
    epoch: epoch ?? -1,
    assigned: partitionsOf(assigned ?? {}),
    revoking: partitionsOf(revoking ?? {}),
  });
}

/** From runs by topic id. */
function partitionsOf(written: Readonly<Record<string, string>>): string[] {
  return Object.entries(written).flatMap(([topicId, runs]) =>
    runs.split(',').flatMap((run) => {
      const [first, last = first] = run.split('-').map(Number);
      return Array.from({ length: last! - first! + 1 }, (_, index) => `${topicId}-${first! + index}`);
    }),
  );
}
