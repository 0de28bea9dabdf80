/**
 * ObjectStore on S3, one request a call. What is S3's own here:
 *
 * - PutObject with `If-None-Match: *` creates once: 412 means that the key is taken, 409 that a racer is deciding, which
 *   is worth asking again.
 * - The body goes out unsigned (TLS protects it) with a CRC-32C that S3 checks before it keeps the object. The caller
 *   often knows it; otherwise it is computed natively.
 * - A range that starts at the end or beyond, and any range of an empty object, is InvalidRange; the port calls it empty.
 * - The Date of a listing is the clock that `modified` was written by.
 *
 * What S3 enforces is checked by `probe.ts` before a broker relies on it.
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  RestoreObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { StorageThrottledError, StorageUnavailableError } from '../../errors.ts';
import { awsErrorName, awsErrorStatus, isThrottle, toStorageError } from '../aws-errors.ts';
import { type CollectedBody, GatherBody } from '../aws-request-handler.ts';
import {
  assertByteRange,
  assertDeleteBatch,
  assertListLimit,
  assertObjectKey,
  assertTailLength,
} from '../object-rules.ts';
import {
  type ByteRange,
  type CreateOptions,
  type ObjectEntry,
  type ObjectKey,
  type ObjectPage,
  type ObjectPricing,
  type ObjectStore,
  type ObjectTail,
  objectKey,
  type RequestOptions,
  type StorageClass,
} from '../object-store.ts';
import { answerDate } from './client.ts';

/** us-east-1, S3 Standard. Deletes are free. */
export const S3_PRICING: ObjectPricing = { create: 0.005 / 1_000, read: 0.0004 / 1_000, list: 0.005 / 1_000 };

/** ListObjectsV2 answers at most this many keys. */
const PAGE_KEYS_MAX = 1_000;

export interface S3ObjectStoreOptions {
  readonly client: S3Client;
  readonly bucket: string;
  /** Before every key, without slashes at its ends; empty for none. */
  readonly prefix: string;
  /** For bodies whose checksum the caller does not know. `seed` continues an earlier part. */
  readonly crc32c: (bytes: Uint8Array, seed: number) => number;
}

export class S3ObjectStore implements ObjectStore {
  readonly pricing = S3_PRICING;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #root: string;
  readonly #crc32c: (bytes: Uint8Array, seed: number) => number;

  constructor({ client, bucket, prefix, crc32c }: S3ObjectStoreOptions) {
    this.#client = client;
    this.#bucket = bucket;
    this.#root = prefix === '' ? '' : `${prefix}/`;
    this.#crc32c = crc32c;
  }

  async create(key: ObjectKey, parts: readonly Uint8Array[], options: CreateOptions): Promise<'created' | 'exists'> {
    options.signal?.throwIfAborted();
    assertObjectKey(key);
    const body = new GatherBody(parts);
    const input: PutObjectCommandInput = {
      ...this.#address(key),
      IfNoneMatch: '*',
      Body: body as unknown as Uint8Array,
      ContentLength: body.bytes,
      ChecksumCRC32C: base64OfUint32(options.crc32c ?? parts.reduce((crc, part) => this.#crc32c(part, crc), 0)),
    };
    if (options.storageClass && options.storageClass !== 'STANDARD') input.StorageClass = options.storageClass;
    try {
      await this.#client.send(new PutObjectCommand(input), sendOptions(options));
      return 'created';
    } catch (cause) {
      if (awsErrorStatus(cause) === 412) return 'exists';
      throw failure(cause, 'PutObject', options);
    }
  }

  async read(key: ObjectKey, range: ByteRange, options: RequestOptions): Promise<Buffer | 'archived' | null> {
    assertByteRange(range);
    const answer = await this.#get(key, `bytes=${range.start}-${range.end - 1}`, options);
    if (answer === 'archived' || answer === null) return answer;
    const expected = Math.max(0, Math.min(range.end, answer.size) - range.start);
    return whole(answer, range.start, expected, key).bytes;
  }

  async readLast(key: ObjectKey, length: number, options: RequestOptions): Promise<ObjectTail | 'archived' | null> {
    assertTailLength(length);
    const answer = await this.#get(key, `bytes=-${length}`, options);
    if (answer === 'archived' || answer === null) return answer;
    const start = Math.max(0, answer.size - length);
    return { bytes: whole(answer, start, answer.size - start, key).bytes, size: answer.size };
  }

  async list(prefix: string, after: string, limit: number, options: RequestOptions): Promise<ObjectPage> {
    options.signal?.throwIfAborted();
    assertListLimit(limit);
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: this.#root + prefix,
      MaxKeys: Math.min(limit, PAGE_KEYS_MAX),
      ...(after !== '' && { StartAfter: this.#root + after }),
    });
    const output = await this.#send('ListObjectsV2', () => this.#client.send(command, sendOptions(options)), options);
    const now = answerDate(output);
    if (Number.isNaN(now)) throw new StorageUnavailableError('ListObjectsV2: the answer has no Date');
    const objects = (output.Contents ?? []).map(
      (content): ObjectEntry => ({
        key: objectKey(content.Key!.slice(this.#root.length)),
        bytes: content.Size!,
        modified: content.LastModified!.getTime(),
        storageClass: (content.StorageClass ?? 'STANDARD') as StorageClass,
      }),
    );
    return { objects, more: output.IsTruncated === true, now };
  }

  async delete(keys: readonly ObjectKey[], options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    assertDeleteBatch(keys);
    if (keys.length === 0) return;
    const command = new DeleteObjectsCommand({
      Bucket: this.#bucket,
      Delete: { Quiet: true, Objects: keys.map((key) => ({ Key: this.#root + key })) },
    });
    const output = await this.#send('DeleteObjects', () => this.#client.send(command, sendOptions(options)), options);
    const [first] = output.Errors ?? [];
    if (!first) return;
    const message = `DeleteObjects: ${output.Errors!.length} of ${keys.length} failed, ${first.Key}: ${first.Code}`;
    throw isThrottle(first.Code ?? '') ? new StorageThrottledError(message) : new StorageUnavailableError(message);
  }

  async restore(key: ObjectKey, days: number, options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: 'Standard' as const } };
    try {
      await this.#client.send(
        new RestoreObjectCommand({ ...this.#address(key), RestoreRequest }),
        sendOptions(options),
      );
    } catch (cause) {
      // On its way already, not archived, or gone: nothing is left to ask for.
      const fine = ['RestoreAlreadyInProgress', 'InvalidObjectState', 'NoSuchKey', 'ObjectAlreadyInActiveTierError'];
      if (!fine.includes(awsErrorName(cause))) throw failure(cause, 'RestoreObject', options);
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #address(key: ObjectKey): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#root + key };
  }

  async #get(key: ObjectKey, Range: string, options: RequestOptions): Promise<RangeAnswer | 'archived' | null> {
    options.signal?.throwIfAborted();
    try {
      const output = await this.#client.send(
        new GetObjectCommand({ ...this.#address(key), Range }),
        sendOptions(options),
      );
      const { bytes } = output.Body as unknown as CollectedBody;
      const contentRange = /^bytes (\d+)-\d+\/(\d+)$/.exec(output.ContentRange ?? '');
      return contentRange
        ? { bytes, start: Number(contentRange[1]), size: Number(contentRange[2]) }
        : { bytes, start: 0, size: bytes.length }; // A server may answer the whole object.
    } catch (cause) {
      switch (awsErrorName(cause)) {
        case 'NoSuchKey':
          return null;
        case 'InvalidObjectState':
          return 'archived';
        case 'InvalidRange':
          return { bytes: Buffer.alloc(0), start: 0, size: 0 };
        default:
          throw failure(cause, 'GetObject', options);
      }
    }
  }

  async #send<Output>(what: string, send: () => Promise<Output>, options: RequestOptions): Promise<Output> {
    try {
      return await send();
    } catch (cause) {
      throw failure(cause, what, options);
    }
  }
}

/** `bytes` begin at `start` of an object of `size` bytes. */
interface RangeAnswer {
  readonly bytes: Buffer;
  readonly start: number;
  readonly size: number;
}

/** Exactly the `length` bytes from `start` on: an answer that is shorter must not pass for a shorter object. */
function whole(answer: RangeAnswer, start: number, length: number, key: ObjectKey): RangeAnswer {
  const offset = start - answer.start;
  if (length === 0) return { ...answer, bytes: Buffer.alloc(0) };
  if (offset < 0 || answer.bytes.length < offset + length) {
    const got = `[${answer.start}, ${answer.start + answer.bytes.length})`;
    throw new StorageUnavailableError(`GetObject: ${key} answered ${got} for [${start}, ${start + length})`);
  }
  return { ...answer, bytes: answer.bytes.subarray(offset, offset + length) };
}

const sendOptions = ({ signal }: RequestOptions): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};

function failure(cause: unknown, what: string, { signal }: RequestOptions): unknown {
  return signal?.aborted ? signal.reason : toStorageError(cause, what);
}

function base64OfUint32(value: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}
