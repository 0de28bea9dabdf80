/**
 * What brokers say to each other: a byte that tells the kind, then
 *
 *   hello     JSON (`hello.ts`); the first frame of either end
 *   refused   JSON (`hello.ts`); instead of a hello, then the connection ends
 *   goodbye   a sentence; the broker stops in order
 *   call      uint32 id, uint16 method, question
 *   answer    uint32 id, answer
 *   error     uint32 id, uint8 flags, uint8 length and name of the error, message
 *   cancel    uint32 id
 *   ping      uint32 number, payload
 *   pong      uint32 number, payload
 *
 * The opener of a connection calls and pings, the other end answers. Kinds that are not known are left alone, so that a
 * minor version may add some.
 */
import { ERRORS, type ErrorName, KafkaError } from '../errors.ts';
import { PeerUnavailableError } from './peers.ts';

/** Raised when brokers of two versions cannot understand each other any more. */
export const RPC_FORMAT = 1;
/** Raised when methods or kinds are added: brokers of two minors work together. */
export const RPC_MINOR = 0;

export const KIND = {
  hello: 1,
  refused: 2,
  goodbye: 3,
  call: 4,
  answer: 5,
  error: 6,
  cancel: 7,
  ping: 8,
  pong: 9,
} as const;

export const CALL_HEAD_BYTES = 7;
export const ANSWER_HEAD_BYTES = 5;
/** A number is all that a ping and its answer must have. */
export const PING_HEAD_BYTES = 5;
const ERROR_HEAD_BYTES = 7;
/** Of an error's text: nobody reads more. */
const MESSAGE_CHARS_MAX = 2_000;

/** The question changed nothing. */
const FLAG_NO_SIDE_EFFECTS = 1;
/** Nobody answers just now: the caller sees a PeerUnavailableError. */
const FLAG_UNAVAILABLE = 2;

export function callHead(id: number, method: number): Buffer {
  const head = Buffer.allocUnsafe(CALL_HEAD_BYTES);
  head[0] = KIND.call;
  head.writeUInt32BE(id, 1);
  head.writeUInt16BE(method, 5);
  return head;
}

/** A kind and a number: answer, cancel, ping, pong. */
export function numbered(kind: number, id: number): Buffer {
  const head = Buffer.allocUnsafe(ANSWER_HEAD_BYTES);
  head[0] = kind;
  head.writeUInt32BE(id, 1);
  return head;
}

/** A kind and a text, often JSON: hello, refused, goodbye. */
export const worded = (kind: number, text: string): Buffer => Buffer.concat([Buffer.of(kind), Buffer.from(text)]);

export function errorFrame(id: number, error: KafkaError): Buffer {
  const name = Buffer.from(error.error);
  const message = Buffer.from(error.message.slice(0, MESSAGE_CHARS_MAX));
  const head = Buffer.allocUnsafe(ERROR_HEAD_BYTES);
  head[0] = KIND.error;
  head.writeUInt32BE(id, 1);
  const unavailable = error instanceof PeerUnavailableError;
  head[5] = (error.noSideEffects ? FLAG_NO_SIDE_EFFECTS : 0) | (unavailable ? FLAG_UNAVAILABLE : 0);
  head[6] = name.length;
  return Buffer.concat([head, name, message]);
}

/** What the caller is rejected with. Throws RangeError when malformed. */
export function errorOf(frame: Buffer): KafkaError {
  if (frame.length < ERROR_HEAD_BYTES) throw new RangeError('an error is cut short');
  const flags = frame[5]!;
  const nameEnd = ERROR_HEAD_BYTES + frame[6]!;
  const name = frame.toString('latin1', ERROR_HEAD_BYTES, nameEnd);
  const message = frame.toString('utf8', nameEnd);
  const noSideEffects = (flags & FLAG_NO_SIDE_EFFECTS) !== 0;
  if ((flags & FLAG_UNAVAILABLE) !== 0) return new PeerUnavailableError(message, !noSideEffects);
  // A broker of a later version may know errors that this one does not.
  const known: ErrorName = Object.hasOwn(ERRORS, name) ? (name as ErrorName) : 'UNKNOWN_SERVER_ERROR';
  return new KafkaError(known, message, { noSideEffects });
}
