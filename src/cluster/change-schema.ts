/** What another broker may propose to a journal. An entry is for ever, and all read it: nothing goes in that is none. */
import { z } from 'zod';
import type { Change } from '../journal/journal.ts';
import { PARTITIONS_PER_TOPIC_MAX } from '../limits.ts';
import { count, listOf } from '../schema.ts';

const topicId = z.string();
const partition = count.max(PARTITIONS_PER_TOPIC_MAX - 1);
const partitions = listOf(partition);
const segmentIds = listOf(z.string());

const segment = z.object({
  id: z.string(),
  bytes: count,
  footerPosition: count,
  footerLength: count,
  footerCrc: count.max(2 ** 32 - 1),
});

const extent = z.object({
  baseOffset: count,
  endOffset: count,
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('segment'), segmentId: z.string() }),
    z.object({ type: z.literal('inline'), seq: count, entryId: z.string() }),
  ]),
  position: count,
  length: count,
  batchCount: count,
  maxTimestamp: z.number(),
  leaderEpoch: count,
  absolute: z.boolean(),
  appendedAt: z.number(),
});

const swap = z.object({ topicId, partition, remove: listOf(extent), add: listOf(extent) });

export const CHANGE: z.ZodType<Change> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('createPartitions'), topicId, partitions }),
  z.object({ type: z.literal('deletePartitions'), topicId, partitions }),
  z.object({ type: z.literal('advanceLogStart'), topicId, partition, logStartOffset: count }),
  z.object({ type: z.literal('merge'), segments: listOf(segment), swaps: listOf(swap) }),
  z.object({ type: z.literal('condemn'), segmentIds }),
  z.object({ type: z.literal('forget'), segmentIds }),
  z.object({ type: z.literal('expire'), before: z.number(), keysBefore: z.number() }),
  z.object({ type: z.literal('allocateProducerIds'), count }),
]);
