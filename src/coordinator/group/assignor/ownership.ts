/** Who is to have which partition, while an assignor is at work: members are numbered, partitions are cells of arrays. */
import type { Assignment, AssignorMember } from './assignor.ts';

/** No member. */
export const NOBODY = -1;

export class Ownership {
  /** Per topic with subscribers, index = partition, value = number of the member or NOBODY. In order of topic ids. */
  readonly byTopic: ReadonlyMap<string, Int32Array>;
  /** Partitions per member. */
  readonly loads: Int32Array;
  readonly #members: readonly AssignorMember[];

  constructor(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<string, number>) {
    this.#members = members;
    this.loads = new Int32Array(members.length);
    const subscribed = new Set<string>();
    for (const { topicIds } of members) for (const topicId of topicIds) subscribed.add(topicId);
    const topicIds = [...partitionCounts.keys()].filter((topicId) => subscribed.has(topicId)).sort();
    this.byTopic = new Map(topicIds.map((id) => [id, new Int32Array(partitionCounts.get(id)!).fill(NOBODY)]));
    for (const [member, { topicIds: wanted, previous }] of members.entries()) {
      for (const [topicId, partitions] of previous) {
        if (wanted.has(topicId)) this.#keep(member, topicId, partitions);
      }
    }
  }

  /** What a member keeps of before: partitions that still exist and that no member ahead of it has. */
  #keep(member: number, topicId: string, partitions: readonly number[]): void {
    const owners = this.byTopic.get(topicId);
    if (!owners) return;
    for (const partition of partitions) {
      if (partition < owners.length && owners[partition] === NOBODY) this.move(owners, partition, member);
    }
  }

  move(owners: Int32Array, partition: number, to: number): void {
    const from = owners[partition]!;
    if (from !== NOBODY) this.loads[from]!--;
    if (to !== NOBODY) this.loads[to]!++;
    owners[partition] = to;
  }

  get partitionCount(): number {
    let count = 0;
    for (const owners of this.byTopic.values()) count += owners.length;
    return count;
  }

  assignments(): Map<string, Assignment> {
    const assignments = this.#members.map(() => new Map<string, number[]>());
    for (const [topicId, owners] of this.byTopic) {
      for (const [partition, owner] of owners.entries()) {
        if (owner === NOBODY) continue;
        const partitions = assignments[owner]!.get(topicId);
        if (partitions) partitions.push(partition);
        else assignments[owner]!.set(topicId, [partition]);
      }
    }
    return new Map(this.#members.map(({ memberId }, member) => [memberId, assignments[member]!]));
  }
}
