/**
 * The body of an S3 request: read, freed of its `aws-chunked` framing, and compared with every checksum that came with
 * it, in a header or in the trailer. A checksum that differs is BadDigest, as in S3.
 *
 *   aws-chunked:  <length in hex>[;chunk-signature=…]\r\n <bytes> \r\n … 0[;…]\r\n  name:value\r\n … \r\n
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import { S3Error } from './s3-xml.ts';

const bigEndian = (value: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
};

/** Header or trailer name → what its value must be. */
const CHECKSUMS: Record<string, (body: Buffer) => string> = {
  'content-md5': (body) => createHash('md5').update(body).digest('base64'),
  'x-amz-checksum-crc32': (body) => bigEndian(crc32(body)),
  'x-amz-checksum-crc32c': (body) => bigEndian(crc32c(body)),
  'x-amz-checksum-sha1': (body) => createHash('sha1').update(body).digest('base64'),
  'x-amz-checksum-sha256': (body) => createHash('sha256').update(body).digest('base64'),
};

export async function verifyBody(request: IncomingMessage, options = { checksumRequired: false }): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const raw = Buffer.concat(parts);
  const { headers } = request;
  const payloadHash = String(headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD');
  const chunked = payloadHash.startsWith('STREAMING-') || headers['content-encoding']?.includes('aws-chunked');
  const { body, trailers } = chunked ? decodeChunks(raw) : { body: raw, trailers: {} };

  const verified = verifyChecksums(body, { ...headers, ...trailers });
  if (options.checksumRequired && verified === 0) {
    throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5');
  }
  const announced = headers['x-amz-trailer'];
  if (announced !== undefined && !(String(announced) in trailers)) {
    throw new S3Error(400, 'MalformedTrailerError', `the trailer ${announced} is missing`);
  }
  const length = headers['x-amz-decoded-content-length'];
  if (chunked && length !== undefined && Number(length) !== body.length) {
    throw new S3Error(400, 'IncompleteBody', `${body.length} bytes, announced were ${length}`);
  }
  if (/^[0-9a-f]{64}$/.test(payloadHash) && createHash('sha256').update(body).digest('hex') !== payloadHash) {
    throw new S3Error(400, 'XAmzContentSHA256Mismatch', 'x-amz-content-sha256 does not match the body');
  }
  return body;
}

/** How many checksums there were; all of them right. */
function verifyChecksums(body: Buffer, headers: IncomingHttpHeaders): number {
  const given = Object.keys(CHECKSUMS).filter((name) => headers[name] !== undefined);
  for (const name of given) {
    const expected = CHECKSUMS[name]!(body);
    if (headers[name] !== expected) {
      throw new S3Error(400, 'BadDigest', `${name} is ${headers[name]}, the body has ${expected}`);
    }
  }
  return given.length;
}

function decodeChunks(raw: Buffer): { body: Buffer; trailers: Record<string, string> } {
  const parts: Buffer[] = [];
  let position = 0;
  const line = (): string => {
    const end = raw.indexOf('\r\n', position);
    if (end < 0) throw new S3Error(400, 'IncompleteBody', 'a chunk was cut');
    const text = raw.toString('latin1', position, end);
    position = end + 2;
    return text;
  };
  for (;;) {
    const length = Number.parseInt(line(), 16);
    if (!(length >= 0)) throw new S3Error(400, 'InvalidChunkSizeError', 'a chunk has no length');
    if (length === 0) break;
    if (position + length + 2 > raw.length) throw new S3Error(400, 'IncompleteBody', 'a chunk was cut');
    parts.push(raw.subarray(position, position + length));
    position += length + 2;
  }
  const trailers: Record<string, string> = {};
  while (position < raw.length) {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line()) ?? [];
    if (name !== undefined && value !== undefined) trailers[name.toLowerCase()] = value;
  }
  return { body: Buffer.concat(parts), trailers };
}
