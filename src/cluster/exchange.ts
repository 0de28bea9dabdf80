/**
 * Brokers tell each other of themselves: everything, when a connection comes up and whenever something changed, with an answer of
 * the same kind. Pings carry versions only; who learns from one that it missed something asks.
 */
import { KafkaError } from '../errors.ts';
import type { Peers } from '../rpc/peers.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { EXCHANGE_STATES, type PeerState } from './membership-methods.ts';

const CALL_MS = 1_000;

/** Raised when a place in the array changes its meaning; more may be added at the end. */
const PING_FORMAT = 1;

export interface Ping {
  readonly stateVersion: number;
  /** Of the assignments that the sender knows. */
  readonly assignments: number;
  readonly topics: number;
  readonly configs: number;
}

export const encodePing = ({ stateVersion, assignments, topics, configs }: Ping): Uint8Array =>
  Buffer.from(JSON.stringify([PING_FORMAT, stateVersion, assignments, topics, configs]));

/** Null for what this version does not understand: a ping is never needed. */
export function decodePing(payload: Buffer): Ping | null {
  let values: unknown;
  try {
    values = JSON.parse(payload.toString());
  } catch {
    return null;
  }
  if (!Array.isArray(values) || values[0] !== PING_FORMAT || values.length < 5) return null;
  if (!values.every((value) => Number.isSafeInteger(value))) return null;
  const [, stateVersion, assignments, topics, configs] = values as number[];
  return { stateVersion: stateVersion!, assignments: assignments!, topics: topics!, configs: configs! };
}

/** A broker tells of itself only. Throws CLUSTER_AUTHORIZATION_FAILED. */
export function toldBy(brokerId: number, state: PeerState): PeerState {
  if (state.description.brokerId === brokerId) return state;
  const message = `broker ${brokerId} tells how broker ${state.description.brokerId} is`;
  throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED', message);
}

export interface StateExchangeOptions {
  readonly peers: Peers;
  readonly runtime: Runtime;
  readonly own: () => PeerState;
  readonly onState: (state: PeerState) => void;
}

export class StateExchange {
  readonly #options: StateExchangeOptions;
  readonly #underWay = new Map<number, UnderWay>();

  constructor(options: StateExchangeOptions) {
    this.#options = options;
  }

  /**
   * Resolves when that broker knows how things were at the call, or cannot be told. One call to a broker is under way at a time;
   * what changes meanwhile goes with the next.
   */
  with(brokerId: number): Promise<void> {
    const known = this.#underWay.get(brokerId);
    if (known) {
      known.again = true;
      return known.done;
    }
    const underWay: UnderWay = { again: false, done: Promise.resolve() };
    this.#underWay.set(brokerId, underWay);
    underWay.done = this.#exchange(brokerId, underWay);
    return underWay.done;
  }

  async #exchange(brokerId: number, underWay: UnderWay): Promise<void> {
    const { peers, own, onState, runtime } = this.#options;
    try {
      do {
        underWay.again = false;
        onState(toldBy(brokerId, await peers.call(brokerId, EXCHANGE_STATES, own(), { timeoutMs: CALL_MS })));
      } while (underWay.again);
    } catch (cause) {
      // The next ping of that broker shows that we missed something.
      const fields = { broker: brokerId, reason: String(cause) };
      if (cause instanceof KafkaError) runtime.logger.debug(fields, 'states could not be exchanged');
      else runtime.logger.error({ broker: brokerId, cause }, 'a bug: what a broker tells of itself was not taken in');
    } finally {
      // In this turn: whoever comes later begins another one.
      this.#underWay.delete(brokerId);
    }
  }
}

interface UnderWay {
  /** Another exchange is due when this one has ended. */
  again: boolean;
  done: Promise<void>;
}
