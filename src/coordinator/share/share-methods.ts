/** What brokers ask of the coordinator of a share group, for clients that talk to them. */
import { jsonMethod, type RpcMethod } from '../../rpc/method.ts';
import type { AcknowledgeOutcome, FetchOutcome, ShareAcknowledgeWish, ShareFetchRequest } from './shares.ts';

/** A session of a client at the broker that asks. */
export interface FrontSession {
  /** That of the group, which the broker that is asked has to lead. */
  readonly journal: number;
  /** Drawn by the broker that asks when a session is opened; 0 when it knows of none. */
  readonly session: number;
}

export interface FetchWish extends FrontSession {
  readonly request: ShareFetchRequest;
}

/** As `Shares.fetch`, for as long as the caller waits. Bounded by the request's `maxBytes`. */
export const SHARES_FETCH: RpcMethod<FetchWish, readonly FetchOutcome[]> = {
  ...jsonMethod<FetchWish, readonly FetchOutcome[]>(66, 'shares.fetch'),
  encodeResponse(outcomes) {
    const told = outcomes.map(({ records, ...outcome }) => ({
      ...outcome,
      sizes: records.map(({ length }) => length),
    }));
    const json = Buffer.from(JSON.stringify(told));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(json.length);
    return [length, json, ...outcomes.flatMap(({ records }) => records)];
  },
  decodeResponse(bytes) {
    const end = LENGTH_BYTES + bytes.readUInt32BE();
    const told = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, end)) as readonly ToldOutcome[];
    let position = end;
    return told.map(({ sizes, ...outcome }) => {
      const records = sizes.map((size) => {
        position += size;
        if (position > bytes.length) throw new RangeError(`${position} bytes of records in ${bytes.length}`);
        return bytes.subarray(position - size, position);
      });
      return { ...outcome, records };
    });
  },
};

type ToldOutcome = Omit<FetchOutcome, 'records'> & { readonly sizes: readonly number[] };

export interface AcknowledgeWish extends FrontSession {
  readonly request: ShareAcknowledgeWish;
}

/** As `Shares.acknowledge`. */
export const SHARES_ACKNOWLEDGE = jsonMethod<AcknowledgeWish, readonly AcknowledgeOutcome[]>(67, 'shares.acknowledge');

export interface EndWish extends FrontSession {
  readonly groupId: string;
  readonly memberId: string;
}

/** The client's connection is gone: what it holds is there for others. Does nothing when it has another session by now. */
export const SHARES_END = jsonMethod<EndWish, null>(68, 'shares.end');

const LENGTH_BYTES = 4;
