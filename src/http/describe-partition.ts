import type { Topic } from '../cluster/topics.ts';
import { toKafkaError } from '../errors.ts';
import type { HttpContext } from './context.ts';

/** What this broker knows of each partition now. One whose journal is away says so, and does not hide the others. */
export const partitionDescriptions = ({ log }: HttpContext, { topicId, partitions }: Topic) =>
  partitions.map(({ partition }) => {
    try {
      const { logStartOffset, highWatermark, leaderEpoch } = log.watermarks({ topicId, partition });
      return {
        partition,
        log_start_offset: logStartOffset,
        high_watermark: highWatermark,
        leader_epoch: leaderEpoch,
      };
    } catch (cause) {
      const error = toKafkaError(cause);
      if (error === null) throw cause;
      return { partition, error: error.error };
    }
  });
