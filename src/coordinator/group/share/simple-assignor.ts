/**
 * The assignor of share groups, "simple": partitions are shared. Every partition with subscribers has at least one of them,
 * every member has at least one partition of its topics, and as far as that allows members have equally many. Where there
 * are more members than partitions, several have the same one. What members had stays with them where it can.
 *
 * Topics with the same subscribers are dealt out together.
 */
import { type Assignment, type AssignorMember, type AssignorSpec, inStableOrder } from '../assignor/assignor.ts';

export const SIMPLE_ASSIGNOR = 'simple';

interface Block {
  readonly members: readonly AssignorMember[];
  readonly topicIds: string[];
}

interface Place {
  readonly topicId: string;
  readonly partition: number;
  readonly holders: Set<number>;
}

/** By member id; every member of the spec is in it. */
export function assignSimple({ members, partitionCounts }: AssignorSpec): ReadonlyMap<string, Assignment> {
  const assigned = new Map<string, Map<string, number[]>>(members.map(({ memberId }) => [memberId, new Map()]));
  for (const block of blocksOf(inStableOrder(members))) {
    for (const { topicId, partition, holders } of deal(block, partitionCounts)) {
      for (const holder of holders) {
        const own = assigned.get(block.members[holder]!.memberId)!;
        const partitions = own.get(topicId);
        if (partitions) partitions.push(partition);
        else own.set(topicId, [partition]);
      }
    }
  }
  return assigned;
}

function blocksOf(members: readonly AssignorMember[]): Block[] {
  const subscribers = new Map<string, number[]>();
  for (const [index, { topicIds }] of members.entries()) {
    for (const topicId of topicIds) subscribers.set(topicId, [...(subscribers.get(topicId) ?? []), index]);
  }
  const blocks = new Map<string, Block>();
  for (const topicId of [...subscribers.keys()].sort()) {
    const indices = subscribers.get(topicId)!;
    const name = indices.join();
    const block = blocks.get(name) ?? { members: indices.map((index) => members[index]!), topicIds: [] };
    block.topicIds.push(topicId);
    blocks.set(name, block);
  }
  return [...blocks.values()];
}

function deal({ members, topicIds }: Block, partitionCounts: ReadonlyMap<string, number>): Place[] {
  const places: Place[] = [];
  for (const topicId of topicIds) {
    for (let partition = 0; partition < (partitionCounts.get(topicId) ?? 0); partition++) {
      places.push({ topicId, partition, holders: new Set() });
    }
  }
  if (places.length === 0) return places;
  const sharing = Math.ceil(members.length / places.length);
  const wanted = wantedCounts(members.length, places.length * sharing);
  keep(members, places, sharing, wanted);
  fill(places, sharing, wanted);
  return places;
}

/** How many each member is to have: as equal as can be. */
function wantedCounts(memberCount: number, total: number): number[] {
  const each = total / memberCount;
  return Array.from({ length: memberCount }, (_, index) => Math.ceil(each * (index + 1)) - Math.ceil(each * index));
}

/** Lowers `wanted` by what members keep. */
function keep(members: readonly AssignorMember[], places: readonly Place[], sharing: number, wanted: number[]): void {
  for (const [index, { previous }] of members.entries()) {
    if (previous.size === 0) continue;
    const had = new Map([...previous].map(([topicId, partitions]) => [topicId, new Set(partitions)]));
    for (const { topicId, partition, holders } of places) {
      if (wanted[index] === 0) break;
      if (holders.size >= sharing || !had.get(topicId)?.has(partition)) continue;
      holders.add(index);
      wanted[index]! -= 1;
    }
  }
}

/**
 * Members who want more take neighbouring partitions, which records can hold as runs. A partition may be left with fewer
 * than `sharing` holders when all who want more have it already, never with none.
 */
function fill(places: readonly Place[], sharing: number, wanted: number[]): void {
  const hungry = [...wanted.keys()].filter((index) => wanted[index]! > 0);
  for (let level = 0; level < sharing; level++) {
    for (const { holders } of places) {
      if (holders.size > level || hungry.length === 0) continue;
      const at = hungry.findIndex((index) => !holders.has(index));
      if (at === -1) continue;
      const index = hungry[at]!;
      holders.add(index);
      wanted[index]! -= 1;
      if (wanted[index] === 0) hungry.splice(at, 1);
    }
  }
}
