/** Request bodies: their type, and their bytes up to a limit that holds while they arrive. */
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import { KafkaError } from '../errors.ts';
import type { Holding } from './byte-budget.ts';
import type { HttpEnv } from './context.ts';
import { HttpError } from './problem.ts';

export type BodyType = 'json' | 'ndjson';

const BODY_TYPES: Readonly<Record<string, BodyType>> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
};

/**
 * Throws 415 for a type that is not among `accepted`. A missing one is refused too: browsers send such requests, and
 * forms, from any page to a broker on the same machine without asking it first.
 */
export function bodyType(contentType: string | null, accepted: readonly BodyType[]): BodyType {
  const [essence, ...parameters] = (contentType ?? '').toLowerCase().split(';');
  const type = BODY_TYPES[essence!.trim()];
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const utf8 = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  if (type !== undefined && accepted.includes(type) && utf8) return type;
  const types = accepted.map((name) => (name === 'json' ? 'application/json' : 'application/x-ndjson')).join(', ');
  const given = contentType === null ? 'no Content-Type' : `Content-Type ${contentType}`;
  throw new HttpError('INVALID_REQUEST', `${given}: send one of ${types}, in UTF-8`, {
    status: 415,
    headers: { Accept: types },
  });
}

/** Reads the whole body. Throws 413 as soon as it is known to exceed `bytesMax`, without reading on. */
export async function readBody(c: Context<HttpEnv>, bytesMax: number, holding: Holding): Promise<Buffer> {
  const { headers } = c.req.raw;
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw new HttpError('INVALID_REQUEST', `Content-Encoding ${encoding} is not supported: send the body as it is`, {
      status: 415,
      headers: { 'Accept-Encoding': 'identity' },
    });
  }
  if (Number(headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const incoming = c.env?.incoming;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const keep = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    holding.take(chunk.length);
    holding.bodyBytes = bytes;
    chunks.push(chunk);
  };
  if (incoming !== undefined) await readIncoming(incoming, keep);
  else for await (const chunk of c.req.raw.body ?? []) keep(Buffer.from(chunk as Uint8Array));
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
}

/** Events instead of `for await`: a promise per chunk would cost more than small bodies do. */
function readIncoming(incoming: IncomingMessage, keep: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      incoming.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut);
      if (error === undefined) return resolve();
      incoming.pause();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      try {
        keep(chunk);
      } catch (error) {
        settle(error);
      }
    };
    const onEnd = () => settle();
    const onCut = (cause?: Error) => settle(new KafkaError('INVALID_REQUEST', 'the body was cut short', { cause }));
    incoming.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
    if (incoming.destroyed) onCut();
  });
}

const tooLarge = (bytesMax: number) =>
  new KafkaError(
    'MESSAGE_TOO_LARGE',
    `the body has more than ${bytesMax} bytes (http.body.bytes.max): send less at once`,
  );
