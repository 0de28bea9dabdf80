import { KafkaError } from '../errors.ts';
import type { RpcMethod } from './method.ts';

export interface CallOptions {
  /** Rejects with PeerUnavailableError when there is no answer by then. */
  readonly timeoutMs: number;
  /** Gives up: rejects with the signal's reason, and the other side is told. */
  readonly signal?: AbortSignal;
}

/** Asks other brokers of the cluster. */
export interface Peers {
  /**
   * Calls to one broker leave in the order in which they were made, all of one turn of the event loop in one write, and
   * its handlers are called in that order. Rejects with the KafkaError that the handler threw, or PeerUnavailableError.
   * The question is encoded before this returns: its buffers may be reused.
   */
  call<Request, Response>(
    brokerId: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response>;
}

/**
 * No answer: not connected, cut off, too slow, or too much is waiting for that broker already. A client is told to look
 * for the leader again.
 */
export class PeerUnavailableError extends KafkaError {
  /** The question may have arrived and been carried out. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean, options: ErrorOptions = {}) {
    super('NOT_LEADER_OR_FOLLOWER', message, { ...options, noSideEffects: !sent });
    this.sent = sent;
  }
}
