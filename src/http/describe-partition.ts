import type { Topic } from '../cluster/topics.ts';
import { toKafkaError } from '../errors.ts';
import type { HttpContext } from './context.ts';

/** What the leader of each partition knows of it. One whose journal is away says so, and does not hide the others. */
export function partitionDescriptions({ log }: HttpContext, { topicId, partitions }: Topic) {
  const described = partitions.map(async ({ partition }) => {
    try {
      const { logStartOffset, highWatermark, leaderEpoch } = await log.watermarks({ topicId, partition });
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
  return Promise.all(described);
}
