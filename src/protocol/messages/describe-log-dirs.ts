import { array, bool, type Infer, type Input, int16, int32, int64, list, message, string } from '../schema.ts';

// v1   partitions by log directory with their sizes (KIP-113)
// v2   flexible
// v3   an error of the whole request
// v4   bytes of the volume (KIP-827)
export const DescribeLogDirsRequest = message({
  name: 'DescribeLogDirsRequest',
  apiKey: 35,
  versions: [1, 4],
  flexibleSince: 2,
  fields: {
    /** Null: all. */
    topics: array({ name: string(), partitions: list(int32()) }, { nullableSince: 0 }),
  },
});

export const DescribeLogDirsResponse = message({
  name: 'DescribeLogDirsResponse',
  apiKey: 35,
  versions: [1, 4],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16({ since: 3 }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          index: int32(),
          partitionSize: int64(),
          /** How far the replica is behind the high watermark. */
          offsetLag: int64(),
          /** Is being moved here from another directory. */
          isFutureKey: bool(),
        }),
      }),
      /** -1 when unknown. */
      totalBytes: int64({ since: 4, fallback: -1 }),
      usableBytes: int64({ since: 4, fallback: -1 }),
    }),
  },
});

export type DescribeLogDirsRequest = Infer<typeof DescribeLogDirsRequest>;
export type DescribeLogDirsResponse = Input<typeof DescribeLogDirsResponse>;
