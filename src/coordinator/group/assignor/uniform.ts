/**
 * The uniform assignor: as balanced as subscriptions allow first, as few moves as balance allows second.
 *
 * With equal subscriptions loads differ by one at most, and no assignment that is as balanced moves fewer partitions. With
 * different ones no member could take a partition from another that has two more than itself.
 */
import { type Assignor, inStableOrder, isHomogeneous } from './assignor.ts';
import { NOBODY, Ownership } from './ownership.ts';

export const uniform: Assignor = ({ members, partitionCounts }) => {
  const ordered = inStableOrder(members);
  const ownership = new Ownership(ordered, partitionCounts);
  if (ordered.length > 0) {
    if (isHomogeneous(ordered)) fillToQuota(ownership);
    else {
      const topics = topicsOf(ordered, ownership);
      assignToLeastLoaded(topics, ownership);
      balance(topics, ownership);
    }
  }
  return ownership.assignments();
};

function fillToQuota(ownership: Ownership): void {
  const { loads, byTopic, partitionCount } = ownership;
  const quotas = quotasOf(loads, partitionCount);
  for (const owners of byTopic.values()) {
    for (let partition = owners.length - 1; partition >= 0; partition--) {
      const owner = owners[partition]!;
      if (owner !== NOBODY && loads[owner]! > quotas[owner]!) ownership.move(owners, partition, NOBODY);
    }
  }
  let next = 0;
  for (const owners of byTopic.values()) {
    for (let partition = 0; partition < owners.length; partition++) {
      if (owners[partition] !== NOBODY) continue;
      while (loads[next]! >= quotas[next]!) next++;
      ownership.move(owners, partition, next);
    }
  }
}

/** Those who kept most are the ones who may have a partition more. */
function quotasOf(loads: Int32Array, partitionCount: number): Int32Array {
  const quota = Math.floor(partitionCount / loads.length);
  const withOneMore = partitionCount % loads.length;
  const quotas = new Int32Array(loads.length).fill(quota);
  const byLoad = Array.from(loads.keys()).sort((a, b) => loads[b]! - loads[a]! || a - b);
  for (const member of byLoad.slice(0, withOneMore)) quotas[member] = quota + 1;
  return quotas;
}

interface SubscribedTopic {
  readonly owners: Int32Array;
  readonly subscribers: readonly number[];
}

/** Those with the fewest subscribers first: they have the least choice. */
function topicsOf(
  members: readonly { readonly topicIds: ReadonlySet<string> }[],
  ownership: Ownership,
): SubscribedTopic[] {
  const subscribersByTopic = new Map<string, number[]>();
  for (const [member, { topicIds }] of members.entries()) {
    for (const topicId of topicIds) {
      const subscribers = subscribersByTopic.get(topicId);
      if (subscribers) subscribers.push(member);
      else subscribersByTopic.set(topicId, [member]);
    }
  }
  const topics: SubscribedTopic[] = [];
  for (const [topicId, owners] of ownership.byTopic) {
    topics.push({ owners, subscribers: subscribersByTopic.get(topicId) ?? [] });
  }
  return topics.sort((a, b) => a.subscribers.length - b.subscribers.length);
}

function assignToLeastLoaded(topics: readonly SubscribedTopic[], ownership: Ownership): void {
  for (const { owners, subscribers } of topics) {
    if (subscribers.length === 0) continue;
    for (let partition = 0; partition < owners.length; partition++) {
      if (owners[partition] === NOBODY) ownership.move(owners, partition, leastLoaded(subscribers, ownership.loads));
    }
  }
}

/** Ends because each move makes the sum of the squares of the loads smaller. */
function balance(topics: readonly SubscribedTopic[], ownership: Ownership): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const topic of topics) if (topic.subscribers.length > 1 && balanceTopic(topic, ownership)) moved = true;
  }
}

function balanceTopic({ owners, subscribers }: SubscribedTopic, ownership: Ownership): boolean {
  const { loads } = ownership;
  for (let moved = false; ; moved = true) {
    const to = leastLoaded(subscribers, loads);
    let partition = -1;
    let heaviest = loads[to]! + 1;
    for (let candidate = 0; candidate < owners.length; candidate++) {
      const load = loads[owners[candidate]!]!;
      if (load <= heaviest) continue;
      heaviest = load;
      partition = candidate;
    }
    if (partition === -1) return moved;
    ownership.move(owners, partition, to);
  }
}

function leastLoaded(members: readonly number[], loads: Int32Array): number {
  let least = members[0]!;
  for (const member of members) if (loads[member]! < loads[least]!) least = member;
  return least;
}
