/** What brokers ask of a journal's leader. Every question begins with the number of the journal. */
import { z } from 'zod';
import {
  decodeAppendAnswer,
  decodeAppendRequest,
  encodeAppendAnswer,
  encodeAppendRequest,
} from '../journal/append-codec.ts';
import { ByteReader } from '../journal/byte-reader.ts';
import { ByteWriter } from '../journal/byte-writer.ts';
import type { AppendAnswer, AppendRequest, Change, ChangeOutcome, Lane } from '../journal/journal.ts';
import { readLane, writeLane } from '../journal/lane-codec.ts';
import { jsonMethod, type RpcMethod } from '../rpc/method.ts';
import { count } from '../schema.ts';
import { CHANGE } from './change-schema.ts';

export interface RemoteAppend {
  readonly journal: number;
  readonly request: AppendRequest;
}

/**
 * Appends as `Journal.append` does, in the order in which the questions arrive. Refused with CLUSTER_AUTHORIZATION_FAILED
 * when the lane is not of the broker that asks; with STALE_BROKER_EPOCH when a newer life of that broker has appended; with
 * NOT_LEADER_OR_FOLLOWER when this broker does not lead, or an earlier number of the lane is missing. After the last of these
 * the sender goes back: it sends again from the lowest number that is not answered, the same bytes in the same order.
 */
export const JOURNAL_APPEND: RpcMethod<RemoteAppend, AppendAnswer> = {
  id: 20,
  name: 'journal.append',
  encodeRequest({ journal, request }) {
    const writer = new ByteWriter(REQUEST_BYTES);
    writer.uvarint(journal);
    const parts = encodeAppendRequest(writer, request);
    return [writer.view(), ...parts];
  },
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    const journal = reader.uvarint();
    return { journal, request: decodeAppendRequest(reader, journal) };
  },
  encodeResponse: (answer) => [encodeAppendAnswer(answer)],
  decodeResponse: decodeAppendAnswer,
};

export interface RemoteSkip {
  readonly journal: number;
  readonly lane: Lane;
  readonly number: number;
}

/** As `Journal.skip`; refused as an append is. */
export const JOURNAL_SKIP: RpcMethod<RemoteSkip, null> = {
  id: 21,
  name: 'journal.skip',
  encodeRequest({ journal, lane, number }) {
    const writer = new ByteWriter(SMALL_BYTES);
    writer.uvarint(journal);
    writeLane(writer, lane);
    writer.uvarint(number);
    return [writer.view()];
  },
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    return { journal: reader.uvarint(), lane: readLane(reader), number: reader.uvarint() };
  },
  encodeResponse: () => [],
  decodeResponse: () => null,
};

/** As `Journal.propose`. */
export const JOURNAL_PROPOSE = jsonMethod<{ readonly journal: number; readonly change: Change }, ChangeOutcome>(
  22,
  'journal.propose',
  { request: z.object({ journal: count, change: CHANGE }) },
);

/** Part of the body of an entry: what an inline extent points to. */
export interface InlinePart {
  readonly journal: number;
  readonly seq: number;
  readonly entryId: string;
  readonly position: number;
  readonly length: number;
}

/** As `Journal.readInline`. */
export const JOURNAL_READ_INLINE: RpcMethod<InlinePart, Buffer | null> = {
  id: 23,
  name: 'journal.readInline',
  encodeRequest({ journal, seq, entryId, position, length }) {
    const writer = new ByteWriter(SMALL_BYTES);
    for (const number of [journal, seq, position, length]) writer.uvarint(number);
    writer.hexId(entryId);
    return [writer.view()];
  },
  decodeRequest(bytes) {
    const reader = new ByteReader(bytes);
    const [journal, seq, position, length] = [reader.uvarint(), reader.uvarint(), reader.uvarint(), reader.uvarint()];
    return { journal, seq, position, length, entryId: reader.hexId() };
  },
  encodeResponse: (body) => (body === null ? [] : [FOUND, body]),
  decodeResponse: (bytes) => (bytes.length === 0 ? null : bytes.subarray(FOUND.length)),
};

/** As `Journal.requestSnapshot`. */
export const JOURNAL_REQUEST_SNAPSHOT = jsonMethod<{ readonly journal: number }, null>(24, 'journal.requestSnapshot');

/** Which of the segments the journal refers to: their ids. */
export const JOURNAL_REFERENCES = jsonMethod<
  { readonly journal: number; readonly segmentIds: readonly string[] },
  readonly string[]
>(25, 'journal.references');

/** How far an asker has heard of the segments that a journal released. */
interface Cursor {
  readonly epoch: number;
  readonly position: number;
}

/** Segments that reclaim has to look at, a bounded number of them, behind the cursor. */
export const JOURNAL_RELEASED = jsonMethod<
  { readonly journal: number; readonly cursor: Cursor },
  Cursor & { readonly segmentIds: readonly string[] }
>(26, 'journal.released');

/** An inline part is never empty; an answer with one begins with this. */
const FOUND = Buffer.of(1);
const REQUEST_BYTES = 1_024;
const SMALL_BYTES = 64;
