/**
 * An S3 server for tests: what Millrace uses of S3, strictly, over node:http. It keeps S3's promises (a racing
 * conditional create has one winner, reads follow writes, listings page in key order), verifies every checksum that a
 * request carries, and can answer SlowDown and its kin on demand. Signatures are not checked and nothing is encrypted.
 *
 * Objects live in memory, or in a directory that a later start reads again. Path-style addresses only:
 *
 *   PUT /bucket                  CreateBucket        GET /bucket?list-type=2   ListObjectsV2
 *   PUT /bucket/key              PutObject           POST /bucket?delete       DeleteObjects
 *   GET|HEAD|DELETE /bucket/key                      POST /bucket/key?restore  RestoreObject
 *
 * Runs alone too: `node test/stand-ins/s3-server.ts [PORT [DIRECTORY]]`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { verifyBody } from './s3-payload.ts';
import { Shelf, type StoredObject } from './s3-shelf.ts';
import { decodeXml, errorXml, S3Error, xml } from './s3-xml.ts';

export interface S3ServerOptions {
  readonly port?: number;
  /** Where objects are kept; absent: in memory. */
  readonly directory?: string;
  /** Treats every create as unconditional, as stores do that do not know `If-None-Match`. */
  readonly ignoresConditions?: boolean;
}

export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Requests answered so far by operation, `PutObject` and so on, failed ones included. */
  readonly requests: ReadonlyMap<string, number>;
  /** The next `count` requests get this answer instead and change nothing. May be Infinity. */
  failNext(count: number, code: keyof typeof INJECTED): void;
  /** Forgets what is left of it. */
  stopFailing(): void;
  /** Makes archived objects readable whose restore was asked for. */
  finishRestores(): void;
  close(): Promise<void>;
}

const INJECTED = {
  SlowDown: 503,
  InternalError: 500,
  ConditionalRequestConflict: 409,
} as const;

const PAGE_KEYS_MAX = 1_000;
const DELETE_KEYS_MAX = 1_000;
const KEY_BYTES_MAX = 1_024;
const ARCHIVED = new Set(['GLACIER', 'DEEP_ARCHIVE']);

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
}

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const shelf = new Shelf(options.directory);
  const requests = new Map<string, number>();
  const injected: { left: number; readonly code: keyof typeof INJECTED }[] = [];
  const s3 = new S3(shelf, options.ignoresConditions === true);

  const server = createServer({ keepAliveTimeout: 30_000 }, async (request, response) => {
    // By hand: URL would resolve dot segments, which are ordinary characters in a key.
    const [, bucket, key, query] = /^\/([^/?]*)\/?([^?]*)\??(.*)$/.exec(request.url ?? '/')!;
    const parameters = new URLSearchParams(query);
    const call = { request, response, bucket: bucket!, key: decodeURIComponent(key!), query: parameters };
    const operation = operationOf(call);
    requests.set(operation, (requests.get(operation) ?? 0) + 1);
    try {
      const next = injected[0];
      if (next) {
        const { code } = next;
        next.left -= 1;
        if (next.left <= 0) injected.shift();
        for await (const _ of request); // Reads the body first, so that the client sees the answer.
        throw new S3Error(INJECTED[code], code, 'injected');
      }
      if (operation === 'Unknown') throw new S3Error(405, 'MethodNotAllowed', `${request.method} ${request.url}`);
      await s3[operation](call);
    } catch (cause) {
      const error = cause instanceof S3Error ? cause : new S3Error(500, 'InternalError', String(cause));
      if (response.headersSent) return void response.destroy();
      send(response, error.status, errorXml(error, request.url ?? ''), { 'content-type': 'application/xml' });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve);
  });

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    failNext: (count, code) => void injected.push({ left: count, code }),
    stopFailing: () => void injected.splice(0),
    finishRestores: () => shelf.finishRestores(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Operation = Exclude<keyof S3, symbol>;

function operationOf({ request: { method }, key, query }: Call): Operation | 'Unknown' {
  if (key === '') {
    if (method === 'PUT') return 'CreateBucket';
    if (method === 'HEAD') return 'HeadBucket';
    if (method === 'GET' && query.get('list-type') === '2') return 'ListObjectsV2';
    if (method === 'POST' && query.has('delete')) return 'DeleteObjects';
    return 'Unknown';
  }
  if (method === 'PUT') return 'PutObject';
  if (method === 'GET' || method === 'HEAD') return 'GetObject';
  if (method === 'DELETE') return 'DeleteObject';
  if (method === 'POST' && query.has('restore')) return 'RestoreObject';
  return 'Unknown';
}

/** One method per operation, under S3's own name. Everything between two awaits is atomic: that is what makes one winner. */
class S3 {
  readonly #shelf: Shelf;
  readonly #ignoresConditions: boolean;

  constructor(shelf: Shelf, ignoresConditions: boolean) {
    this.#shelf = shelf;
    this.#ignoresConditions = ignoresConditions;
  }

  async CreateBucket({ request, response, bucket }: Call): Promise<void> {
    for await (const _ of request); // A location constraint, which does not matter here.
    if (!this.#shelf.createBucket(bucket)) throw new S3Error(409, 'BucketAlreadyOwnedByYou', bucket);
    send(response, 200, null, { location: `/${bucket}` });
  }

  async HeadBucket({ response, bucket }: Call): Promise<void> {
    this.#shelf.objects(bucket);
    send(response, 200, null);
  }

  async PutObject({ request, response, bucket, key }: Call): Promise<void> {
    if (Buffer.byteLength(key) > KEY_BYTES_MAX) throw new S3Error(400, 'KeyTooLongError', key);
    const condition = request.headers['if-none-match'];
    if (condition !== undefined && condition !== '*') throw new S3Error(501, 'NotImplemented', 'If-None-Match');
    const body = await verifyBody(request);
    const objects = this.#shelf.objects(bucket);
    if (condition === '*' && objects.has(key) && !this.#ignoresConditions) {
      throw new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
    }
    const storageClass = String(request.headers['x-amz-storage-class'] ?? 'STANDARD');
    const object = await this.#shelf.put(bucket, key, body, storageClass);
    send(response, 200, null, { etag: object.etag });
  }

  async GetObject({ request, response, bucket, key }: Call): Promise<void> {
    const object = this.#find(bucket, key);
    const headers = {
      etag: object.etag,
      'last-modified': new Date(object.modified).toUTCString(),
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      ...(object.storageClass !== 'STANDARD' && { 'x-amz-storage-class': object.storageClass }),
    };
    if (request.method === 'HEAD') {
      response.writeHead(200, { ...headers, 'content-length': object.bytes }).end();
      return;
    }
    if (ARCHIVED.has(object.storageClass) && !object.restored) {
      throw new S3Error(403, 'InvalidObjectState', "The operation is not valid for the object's storage class");
    }
    const range = rangeOf(request.headers.range, object.bytes);
    const body = await object.read();
    if (!range) return send(response, 200, body, headers);
    const contentRange = `bytes ${range.start}-${range.end - 1}/${object.bytes}`;
    send(response, 206, body.subarray(range.start, range.end), { ...headers, 'content-range': contentRange });
  }

  async DeleteObject({ response, bucket, key }: Call): Promise<void> {
    await this.#shelf.delete(bucket, key);
    send(response, 204, null);
  }

  async DeleteObjects({ request, response, bucket }: Call): Promise<void> {
    const body = (await verifyBody(request, { checksumRequired: true })).toString();
    const keys = [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => decodeXml(key!));
    if (keys.length === 0 || keys.length > DELETE_KEYS_MAX) throw new S3Error(400, 'MalformedXML', 'number of keys');
    for (const key of keys) await this.#shelf.delete(bucket, key);
    const quiet = /<Quiet>true<\/Quiet>/.test(body);
    const deleted = quiet ? '' : keys.map((key) => xml('Deleted', xml('Key', key))).join('');
    send(response, 200, xml('DeleteResult', deleted), { 'content-type': 'application/xml' });
  }

  async ListObjectsV2({ response, bucket, query }: Call): Promise<void> {
    const prefix = query.get('prefix') ?? '';
    const token = query.get('continuation-token');
    const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString();
    const limit = Math.min(Number(query.get('max-keys') ?? PAGE_KEYS_MAX), PAGE_KEYS_MAX);
    const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : (text: string) => text;

    const objects = this.#shelf.objects(bucket);
    const keys = this.#shelf.sortedKeys(bucket).filter((key) => key.startsWith(prefix) && key > after);
    const page = keys.slice(0, limit);
    const contents = page.map((key) => {
      const { modified, etag, bytes, storageClass } = objects.get(key)!;
      const fields = [
        xml('Key', encode(key)),
        xml('LastModified', new Date(modified).toISOString()),
        xml('ETag', etag),
        xml('Size', String(bytes)),
        xml('StorageClass', storageClass),
      ];
      return xml('Contents', fields.join(''));
    });
    const more = keys.length > page.length;
    const next = more ? xml('NextContinuationToken', Buffer.from(page.at(-1) ?? after).toString('base64url')) : '';
    const head = [
      xml('Name', bucket),
      xml('Prefix', encode(prefix)),
      xml('KeyCount', String(page.length)),
      xml('MaxKeys', String(limit)),
      xml('IsTruncated', String(more)),
    ];
    const body = xml('ListBucketResult', head.join('') + next + contents.join(''));
    send(response, 200, body, { 'content-type': 'application/xml' });
  }

  async RestoreObject({ request, response, bucket, key }: Call): Promise<void> {
    await verifyBody(request);
    const object = this.#find(bucket, key);
    if (!ARCHIVED.has(object.storageClass)) throw new S3Error(403, 'InvalidObjectState', 'not archived');
    if (object.restored) return send(response, 200, null);
    if (object.restoring) throw new S3Error(409, 'RestoreAlreadyInProgress', key);
    object.restoring = true;
    send(response, 202, null);
  }

  #find(bucket: string, key: string): StoredObject {
    const object = this.#shelf.objects(bucket).get(key);
    if (!object) throw new S3Error(404, 'NoSuchKey', 'The specified key does not exist.');
    return object;
  }
}

/** Half-open, or null for the whole object. A range that starts at or after the end is 416, as in S3. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const [, first, last] = match as unknown as [string, string, string];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable');
  }
  return { start, end };
}

function send(response: ServerResponse, status: number, body: Buffer | string | null, headers = {}): void {
  response.writeHead(status, { ...headers, 'content-length': body === null ? 0 : Buffer.byteLength(body) });
  response.end(body ?? undefined);
}

if (import.meta.main) {
  const [port = '9000', directory] = process.argv.slice(2);
  const server = await startS3Server({ port: Number(port), ...(directory !== undefined && { directory }) });
  console.log(server.endpoint);
}
