/**
 * DescribeLogDirs (35), v1-4. One directory per broker: the object store, or the data directory of embedded stores. The size
 * of a partition is that of the batches that can be read, without footers, copies and garbage. No replica lags.
 *
 * v4 tells the bytes of the volume, -1 where there is none. Partitions that are missing are left out, as in Kafka.
 */
import { statfs } from 'node:fs/promises';
import type { Topic, TopicPartition } from '../../cluster/topics.ts';
import type { DescribeLogDirsRequest } from '../../protocol/messages/describe-log-dirs.ts';
import type { Broker, Call, Handler } from '../handler.ts';

export const describeLogDirs: Handler<'DescribeLogDirs'> = {
  async handle({ topics }, call) {
    const { broker } = call;
    const wanted = topics === null ? broker.topics.list('', '', broker.topics.count) : named(topics, broker);
    const described = topics === null ? wanted : wanted.map((topic) => only(topic, topics));
    const dir = {
      errorCode: 0,
      logDir: logDirOf(broker),
      topics: described
        .map(({ name, partitions }) => ({
          name,
          partitions: partitions.flatMap((partition) => sizeOf(partition, call)),
        }))
        .filter(({ partitions }) => partitions.length > 0),
      ...(call.apiVersion >= 4 && (await volume(broker))),
    };
    return { errorCode: 0, results: [dir] };
  },
  refuse: (_request, error, call) => {
    const { apiVersion, broker } = call;
    const errorCode = call.code(error.error);
    // Before v3 there is no error of the whole request.
    return { errorCode, results: apiVersion >= 3 ? [] : [{ errorCode, logDir: logDirOf(broker), topics: [] }] };
  },
};

type Requested = NonNullable<DescribeLogDirsRequest['topics']>;

const named = (topics: Requested, broker: Broker): Topic[] =>
  [...new Set(topics.map(({ name }) => name))].flatMap((name) => broker.topics.byName(name) ?? []);

/** The topic with those of its partitions that the request names. */
function only(topic: Topic, requested: Requested): Topic {
  const indexes = new Set(requested.filter(({ name }) => name === topic.name).flatMap(({ partitions }) => partitions));
  return { ...topic, partitions: topic.partitions.filter(({ partition }) => indexes.has(partition)) };
}

function sizeOf(partition: TopicPartition, { broker }: Call) {
  const partitionSize = broker.report.bytesOf(partition);
  if (partitionSize === null) return [];
  return [{ index: partition.partition, partitionSize, offsetLag: 0, isFutureKey: false }];
}

const logDirOf = ({ config }: Broker): string => (config.store === '' ? config.data : config.store);

async function volume({ config }: Broker): Promise<{ totalBytes: number; usableBytes: number }> {
  if (config.store !== '') return { totalBytes: -1, usableBytes: -1 };
  try {
    const { blocks, bavail, bsize } = await statfs(config.data);
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
  } catch {
    return { totalBytes: -1, usableBytes: -1 }; // No directory: a broker on stores in memory.
  }
}
