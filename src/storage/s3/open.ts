/** The S3 adapter on a bucket, with the SDK's own settings for endpoint, region and credentials. */
import { StartupError } from '../../errors.ts';
import type { Timers } from '../../runtime/clock.ts';
import { regionOf } from '../aws-region.ts';
import { createBucket } from './bucket.ts';
import { createS3Client } from './client.ts';
import { S3ObjectStore } from './object-store.ts';

export interface S3Options {
  readonly timers: Timers;
  readonly crc32c: (bytes: Uint8Array, seed: number) => number;
}

export interface OpenedS3 {
  readonly objects: S3ObjectStore;
  /** Creates the bucket unless it is there; says whether it did. */
  createBucket(): Promise<boolean>;
}

/** Sends nothing yet. Throws StartupError when no region is configured. */
export async function openS3({ bucket, prefix }: S3Location, { timers, crc32c }: S3Options): Promise<OpenedS3> {
  const client = createS3Client(timers);
  await regionOf(client);
  return {
    objects: new S3ObjectStore({ client, bucket, prefix, crc32c }),
    createBucket: () => createBucket(client, bucket),
  };
}

export interface S3Location {
  readonly bucket: string;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
}

/** `s3://bucket/prefix` taken apart. */
export function parseS3Url(url: string): S3Location {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(url);
  if (!match) throw new StartupError(`${JSON.stringify(url)} is not s3://bucket/prefix`);
  return { bucket: match[1]!, prefix: (match[2] ?? '').replace(/^\/+|\/+$/g, '') };
}
