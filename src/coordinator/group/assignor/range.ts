/**
 * The range assignor: of each topic, subscribers get contiguous ranges in a stable order, the first ones a partition more
 * where it does not divide. Members with equal subscriptions to topics of equally many partitions so get the same
 * partition numbers of each: what joins need. What members had before does not matter; static members keep their ranges
 * over restarts because of the order.
 */
import type { Assignment, Assignor } from './assignor.ts';
import { inStableOrder } from './assignor.ts';

export const range: Assignor = ({ members, partitionCounts }) => {
  const ordered = inStableOrder(members);
  const assignments = new Map<string, Map<string, number[]>>(ordered.map(({ memberId }) => [memberId, new Map()]));
  for (const [topicId, partitionCount] of partitionCounts) {
    const subscribers = ordered.filter(({ topicIds }) => topicIds.has(topicId));
    const quota = Math.floor(partitionCount / subscribers.length);
    const withOneMore = partitionCount % subscribers.length;
    let start = 0;
    for (const [index, { memberId }] of subscribers.entries()) {
      const count = index < withOneMore ? quota + 1 : quota;
      if (count === 0) break;
      const first = start;
      assignments.get(memberId)!.set(
        topicId,
        Array.from({ length: count }, (_, offset) => first + offset),
      );
      start += count;
    }
  }
  return assignments satisfies ReadonlyMap<string, Assignment>;
};
