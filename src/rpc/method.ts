/**
 * What brokers ask of each other, as data: a method has a number, a name, and the bytes of its question and answer. Methods
 * are declared and handled by their owners (`cluster/`, `log/`, `coordinator/`); this folder carries them.
 *
 * | ids     | owner                          |
 * |---------|--------------------------------|
 * | 1 - 19  | `cluster/`, membership         |
 * | 20 - 39 | `cluster/`, journals           |
 * | 40 - 59 | `log/`                         |
 * | 60 - 79 | `coordinator/`                 |
 * | 80 - 99 | the doors                      |
 */
import type { z } from 'zod';
import { firstIssue } from '../schema.ts';

/** Ids are spoken between brokers of two minor versions: never renumber, never use one again. */
export interface RpcMethod<Request, Response> {
  readonly id: number;
  /** For logs, metrics and errors: `journal.append`. */
  readonly name: string;
  readonly encodeRequest: (request: Request) => readonly Uint8Array[];
  /** Views into `bytes` are good until the handler's promise has settled. Throws when malformed. */
  readonly decodeRequest: (bytes: Buffer) => Request;
  readonly encodeResponse: (response: Response) => readonly Uint8Array[];
  /** The answer owns `bytes`. Throws when malformed. */
  readonly decodeResponse: (bytes: Buffer) => Response;
}

/**
 * What question and answer must look like; for those that are kept, or acted on later. A broker proved that it knows the secret,
 * not that it has no bugs. Fields that are not known are those of a later minor, and stay.
 */
export interface Schemas<Request, Response> {
  readonly request?: z.ZodType<Request>;
  readonly response?: z.ZodType<Response>;
}

/** A method whose question and answer are small and rare: JSON. */
export function jsonMethod<Request, Response>(
  id: number,
  name: string,
  { request, response }: Schemas<Request, Response> = {},
): RpcMethod<Request, Response> {
  const encode = (value: unknown) => [Buffer.from(JSON.stringify(value ?? null))];
  const decode = <T>(bytes: Buffer, schema: z.ZodType<T> | undefined) => {
    const value: unknown = JSON.parse(bytes.toString());
    const wrong = schema?.safeParse(value).error;
    if (wrong) throw new TypeError(`this is not what ${name} is told: ${firstIssue(wrong)}`);
    return value as T;
  };
  return {
    id,
    name,
    encodeRequest: encode,
    decodeRequest: (bytes) => decode(bytes, request),
    encodeResponse: encode,
    decodeResponse: (bytes) => decode(bytes, response),
  };
}

/** Who is at the other end, as both ends proved when they met. */
export interface PeerIdentity {
  readonly brokerId: number;
  readonly brokerEpoch: number;
}

export interface RpcCall {
  readonly from: PeerIdentity;
  /** Aborted when the caller gave up or is gone: a long poll should answer then; nobody hears it. */
  readonly signal: AbortSignal;
  /**
   * Called once with the answer's bytes handed to the connection, or dropped: when the answer holds buffers that are
   * recycled. At most one callback.
   */
  onSent(release: () => void): void;
}

/** A KafkaError that a handler throws reaches the caller as it is; anything else as UNKNOWN_SERVER_ERROR, and is logged. */
export type RpcHandler<Request, Response> = (request: Request, call: RpcCall) => Response | Promise<Response>;

/** Where owners register what they answer. One handler a method. */
export interface RpcRegistry {
  handle<Request, Response>(method: RpcMethod<Request, Response>, handler: RpcHandler<Request, Response>): void;
}
