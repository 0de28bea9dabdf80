/**
 * Which records have outlived their topic's configuration: pure, per partition. Whole extents go, oldest first, as Kafka
 * drops whole segments: an extent by time once its newest timestamp is too old (or, when no record carries one, the time
 * it was appended), and by size while the partition without it still holds `retention.bytes`.
 */
import type { Extent, PartitionState } from '../journal/partition-state.ts';

export interface RetentionLimits {
  /** Infinity keeps everything. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

/** The log start offset that retention asks for; the present one when nothing is due. */
export function retainedFrom(partition: PartitionState, limits: RetentionLimits, now: number): number {
  let { logStartOffset, bytes } = partition;
  for (const extent of partition.extents) {
    const tooOld = now - ageTimestamp(extent) > limits.retentionMs;
    const tooMuch = bytes - extent.length >= limits.retentionBytes;
    if (!tooOld && !tooMuch) break;
    logStartOffset = Math.max(logStartOffset, extent.endOffset);
    bytes -= extent.length;
  }
  return logStartOffset;
}

const ageTimestamp = ({ maxTimestamp, appendedAt }: Extent): number => (maxTimestamp >= 0 ? maxTimestamp : appendedAt);
