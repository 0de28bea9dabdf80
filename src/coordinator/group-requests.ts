/**
 * Requests of the HTTP door about a group, on their way to the broker that coordinates it: the same door answers there. One
 * hop and no more: whoever was asked by a broker answers itself.
 */
import type { LeaderCalls } from '../cluster/leader-calls.ts';
import type { Placements } from '../cluster/placements.ts';
import { KafkaError } from '../errors.ts';
import type { Journals } from '../journal/journals.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { CoordinatorCluster } from './coordinator-cluster.ts';
import { requireLeading, toCoordinatorError } from './coordinator-error.ts';
import { groupOwner } from './owner.ts';
import { type Patience, patiently } from './patience.ts';

export interface DoorRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  /** Who asked, at the broker that was asked first. */
  readonly client: string;
}

export interface DoorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The door of this broker, for requests that came to another one. */
export type Door = (request: DoorRequest) => Promise<DoorReply>;

interface Forwarded {
  /** Of the group, which the broker that is asked has to lead; null: it is to answer for itself. */
  readonly coordinated: { readonly journal: number; readonly groupId: string } | null;
  readonly request: DoorRequest;
}

/** Head as JSON, then the body. */
export const HTTP_FORWARD: RpcMethod<Forwarded, DoorReply> = {
  id: 69,
  name: 'http.forward',
  encodeRequest({ coordinated, request: { body, ...request } }) {
    return framed({ coordinated, request, hasBody: body !== null }, body);
  },
  decodeRequest(bytes) {
    const { head, body } = unframed(bytes);
    const { coordinated, request, hasBody } = head as Forwarded & { readonly hasBody: boolean };
    return { coordinated, request: { ...request, body: hasBody ? body : null } };
  },
  encodeResponse: ({ body, ...head }) => framed(head, body),
  decodeResponse(bytes) {
    const { head, body } = unframed(bytes);
    return { ...(head as Omit<DoorReply, 'body'>), body };
  },
};

/** Above the longest that a door takes. */
const TIMEOUT_MS = 35_000;
const LENGTH_BYTES = 4;

export interface GroupRequestsOptions {
  readonly journals: Journals;
  readonly placements: Placements;
  readonly calls: LeaderCalls;
  readonly cluster: CoordinatorCluster | null;
  readonly patience: Patience;
}

export class GroupRequests {
  readonly #options: GroupRequestsOptions;
  #door: Door | null = null;

  constructor(options: GroupRequestsOptions) {
    this.#options = options;
    options.cluster?.registry.handle(HTTP_FORWARD, (forwarded) => this.#answer(forwarded));
  }

  /** What answers requests that other brokers pass on. */
  answerAt(door: Door): void {
    this.#door = door;
  }

  /** Whether another broker is to answer for the group. Throws COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR. */
  async isElsewhere(groupId: string): Promise<boolean> {
    const { placements, calls } = this.#options;
    if (calls.isAlone) return false;
    try {
      return (await placements.recall(groupOwner(groupId))).role !== 'leading';
    } catch (cause) {
      throw toCoordinatorError(cause);
    }
  }

  /** The answer of the group's coordinator. Throws NOT_COORDINATOR while there is none, and what that broker threw. */
  async forward(groupId: string, request: DoorRequest, signal: AbortSignal): Promise<DoorReply> {
    const { placements, calls, patience } = this.#options;
    const owner = groupOwner(groupId);
    const attempt = async () => {
      const { id: journal, role } = await placements.recall(owner);
      if (role === 'leading') return this.#answer({ coordinated: null, request });
      return calls.ask(journal, HTTP_FORWARD, { coordinated: { journal, groupId }, request }, options);
    };
    const options = { timeoutMs: TIMEOUT_MS, signal };
    try {
      return await patiently(
        // Who changes something asks again: it may have been done.
        request.method === 'GET' ? patience : { ...patience, patienceMs: 0 },
        attempt,
        () => placements.mistrust(owner),
      );
    } catch (cause) {
      throw toCoordinatorError(cause);
    }
  }

  /** The answers of all other brokers of the cluster. Throws COORDINATOR_NOT_AVAILABLE when one does not answer. */
  async askOthers(request: DoorRequest, signal: AbortSignal): Promise<readonly DoorReply[]> {
    const { cluster } = this.#options;
    if (cluster === null) return [];
    const others = cluster.members.live().filter(({ brokerId }) => brokerId !== cluster.brokerId);
    const asked = others.map(({ brokerId }) =>
      cluster.peers.call(brokerId, HTTP_FORWARD, { coordinated: null, request }, { timeoutMs: ASK_TIMEOUT_MS, signal }),
    );
    try {
      return await Promise.all(asked);
    } catch (cause) {
      const { message } = toCoordinatorError(cause);
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `a broker does not answer: ${message}`, { cause });
    }
  }

  async #answer({ coordinated, request }: Forwarded): Promise<DoorReply> {
    if (coordinated !== null) await this.#requireCoordinated(coordinated.journal, coordinated.groupId);
    if (this.#door === null) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'the broker is starting');
    return this.#door(request);
  }

  async #requireCoordinated(id: number, groupId: string): Promise<void> {
    const { journals, placements } = this.#options;
    const journal = journals.get(id);
    if (journal === undefined) throw new KafkaError('NOT_COORDINATOR', `this broker does not know journal ${id}`);
    requireLeading(journal);
    const { journal: home } = await placements.locate(groupOwner(groupId));
    if (home !== journal) throw new KafkaError('NOT_COORDINATOR', `the group is kept by journal ${home.id}`);
  }
}

const ASK_TIMEOUT_MS = 10_000;

function framed(head: unknown, body: Uint8Array | null): readonly Uint8Array[] {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return body === null || body.length === 0 ? [length, json] : [length, json, body];
}

function unframed(bytes: Buffer): { readonly head: unknown; readonly body: Buffer } {
  const end = LENGTH_BYTES + bytes.readUInt32BE();
  if (end > bytes.length) throw new RangeError(`a head of ${end - LENGTH_BYTES} bytes in ${bytes.length}`);
  return { head: JSON.parse(bytes.toString('utf8', LENGTH_BYTES, end)), body: bytes.subarray(end) };
}
