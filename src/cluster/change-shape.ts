/** What another broker may propose to a journal. An entry is for ever, and all read it: nothing goes in that is none. */
import { PARTITIONS_PER_TOPIC_MAX } from '../limits.ts';
import { count, either, flag, integer, listOf, number, objectOf, oneOf, type Shape, text } from '../rpc/shape.ts';

const partition = integer(0, PARTITIONS_PER_TOPIC_MAX - 1);
const type = oneOf;

const SEGMENT = objectOf({
  id: text,
  bytes: count,
  footerPosition: count,
  footerLength: count,
  footerCrc: integer(0, 2 ** 32 - 1),
});

const EXTENT = objectOf({
  baseOffset: count,
  endOffset: count,
  source: either(
    objectOf({ type: type('segment'), segmentId: text }),
    objectOf({ type: type('inline'), seq: count, entryId: text }),
  ),
  position: count,
  length: count,
  batchCount: count,
  maxTimestamp: number,
  leaderEpoch: count,
  absolute: flag,
  appendedAt: number,
});

const SWAP = objectOf({ topicId: text, partition, remove: listOf(EXTENT), add: listOf(EXTENT) });

export const CHANGE: Shape = either(
  objectOf({ type: type('createPartitions', 'deletePartitions'), topicId: text, partitions: listOf(partition) }),
  objectOf({ type: type('advanceLogStart'), topicId: text, partition, logStartOffset: count }),
  objectOf({ type: type('merge'), segments: listOf(SEGMENT), swaps: listOf(SWAP) }),
  objectOf({ type: type('condemn', 'forget'), segmentIds: listOf(text) }),
  objectOf({ type: type('expire'), before: number, keysBefore: number }),
  objectOf({ type: type('allocateProducerIds'), count }),
);
