/** Creating the bucket, for `millrace storage init` and for tests. What protects it (access, encryption) is set up elsewhere. */
import { CreateBucketCommand, HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { awsErrorName, awsErrorStatus, toStorageError } from '../aws-errors.ts';

/** Creates the bucket unless it is there. Says whether it was this call that created it. */
export async function createBucket(client: S3Client, bucket: string): Promise<boolean> {
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return false;
  } catch (cause) {
    if (awsErrorStatus(cause) !== 404) throw toStorageError(cause, `HeadBucket ${bucket}`);
  }
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket })); // The SDK adds the region.
    return true;
  } catch (cause) {
    if (awsErrorName(cause) === 'BucketAlreadyOwnedByYou') return false;
    throw toStorageError(cause, `CreateBucket ${bucket}`);
  }
}
