/**
 * Messages in frames: the size, the header, the body.
 *
 *   request    size int32 │ api key int16 │ api version int16 │ correlation id int32 │ client id string ┊ tagged fields │ body
 *   response   size int32 │ correlation id int32 ┊ tagged fields │ body
 *
 * Headers carry tagged fields (request header v2, response header v1) when the message is flexible. The client id keeps its
 * int16 length in all versions, so that a request of unknown version can be read as far as here. The response of
 * ApiVersions never has tagged fields in its header: the client cannot know yet what the broker understands (KIP-511).
 */
import { assert } from '../runtime/assert.ts';
import { ELEMENTS_PER_REQUEST_MAX, Reader, Writer } from './buffer.ts';
import { codec } from './codec.ts';
import type { Fields, Infer, Input, Message } from './schema.ts';

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Where the header's tagged fields or, without them, the body begins. */
  readonly end: number;
}

/** Reads the part of a request's header that is the same in all versions. Throws INVALID_REQUEST. */
export function readRequestHeader(frame: Buffer): RequestHeader {
  const reader = new Reader(frame, 'request header');
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const length = reader.int16();
  if (length < -1) reader.refuse(`client id of length ${length}`);
  const clientId = length === -1 ? null : reader.string(length);
  return { apiKey, apiVersion, correlationId, clientId, end: reader.position };
}

/**
 * Decodes the body. The caller has checked that `request` has the header's version. Throws INVALID_REQUEST.
 *
 * Bytes behind the body are ignored, as Kafka does: librdkafka sends three with a flexible Metadata request for all topics
 * (its issue 5049).
 */
export function decodeRequest<F extends Fields>(
  request: Message<F>,
  header: RequestHeader,
  frame: Buffer,
): Infer<Message<F>> {
  const reader = new Reader(frame, request.name, header.end, ELEMENTS_PER_REQUEST_MAX);
  if (hasHeaderTags(request, header.apiVersion)) skipTags(reader);
  return codec(request, header.apiVersion).read(reader);
}

/** A whole frame with its size, as a gather list: records are not copied. */
export function encodeResponse<F extends Fields>(
  response: Message<F>,
  version: number,
  correlationId: number,
  body: Input<Message<F>>,
): readonly Uint8Array[] {
  const writer = new Writer();
  writer.int32(0);
  writer.int32(correlationId);
  if (hasHeaderTags(response, version)) writer.uvarint(0);
  codec(response, version).write(writer, body);
  return writer.finishFrame();
}

export interface RequestEnvelope {
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** The client's side: a whole frame with its size, as a gather list. */
export function encodeRequest<F extends Fields>(
  request: Message<F>,
  version: number,
  { correlationId, clientId }: RequestEnvelope,
  body: Input<Message<F>>,
): readonly Uint8Array[] {
  const writer = new Writer();
  writer.int32(0);
  writer.int16(request.apiKey);
  writer.int16(version);
  writer.int32(correlationId);
  if (clientId === null) {
    writer.int16(-1);
  } else {
    const bytes = Buffer.byteLength(clientId, 'utf8');
    assert(bytes <= 0x7fff, `client id of ${bytes} bytes`);
    writer.int16(bytes);
    writer.string(clientId, bytes);
  }
  if (hasHeaderTags(request, version)) writer.uvarint(0);
  codec(request, version).write(writer, body);
  return writer.finishFrame();
}

/** The client's side: a frame without its size. Throws INVALID_REQUEST. */
export function decodeResponse<F extends Fields>(
  response: Message<F>,
  version: number,
  frame: Buffer,
): { readonly correlationId: number; readonly body: Infer<Message<F>> } {
  const reader = new Reader(frame, response.name);
  const correlationId = reader.int32();
  if (hasHeaderTags(response, version)) skipTags(reader);
  const body = codec(response, version).read(reader);
  reader.expectEnd();
  return { correlationId, body };
}

function hasHeaderTags(message: Message, version: number): boolean {
  return version >= (message.headerFlexibleSince ?? message.flexibleSince);
}

function skipTags(reader: Reader): void {
  for (let left = reader.uvarint(); left > 0; left--) {
    reader.uvarint();
    reader.skip(reader.uvarint());
  }
}
