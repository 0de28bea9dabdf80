/**
 * The other end of a connection that a broker opened: its calls are handed to the handlers in the order in which they
 * came, its pings are answered.
 */
import { KafkaError, toKafkaError } from '../errors.ts';
import { RPC_CALLS_IN_FLIGHT_MAX, RPC_FRAME_BYTES_MAX, RPC_WAITING_BYTES_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Connection } from './connection.ts';
import type { Hello } from './hello.ts';
import type { PeerIdentity, RpcCall, RpcHandler, RpcMethod } from './method.ts';
import { PeerUnavailableError } from './peers.ts';
import type { RpcMetrics } from './rpc-metrics.ts';
import type { Channel } from './transport.ts';
import { CALL_HEAD_BYTES, errorFrame, KIND, numbered, PING_HEAD_BYTES } from './wire.ts';

/** Answers from here on may be overtaken by smaller ones. */
const BULK_BYTES = 64 * 1024;
/** Answers that the other end has not taken: more of them are dropped. */
const UNTAKEN_BYTES_MAX = RPC_WAITING_BYTES_MAX + RPC_FRAME_BYTES_MAX;

export interface Served {
  readonly method: RpcMethod<unknown, unknown>;
  readonly handler: RpcHandler<unknown, unknown>;
}

export interface ServingHost {
  readonly runtime: Runtime;
  readonly metrics: RpcMetrics;
  /** By method id. */
  readonly handlers: ReadonlyMap<number, Served>;
  onPing(from: PeerIdentity, payload: Buffer): void;
  /** What the answer to a ping carries. */
  pongPayload(from: PeerIdentity): readonly Uint8Array[];
  /** Once. */
  onClosed(why: string): void;
}

/** What a handler knows of the call that it answers. */
export class ServedCall implements RpcCall {
  readonly from: PeerIdentity;
  #controller: AbortController | null = null;
  #gone: string | null = null;
  #release: (() => void) | null = null;

  constructor(from: PeerIdentity) {
    this.from = from;
  }

  /** Made when it is asked for: most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#gone !== null && !this.#controller.signal.aborted) this.#controller.abort(new Error(this.#gone));
    return this.#controller.signal;
  }

  get gone(): boolean {
    return this.#gone !== null;
  }

  onSent(release: () => void): void {
    assert(this.#release === null, 'an answer is released twice');
    this.#release = release;
  }

  abandon(why: string): void {
    this.#gone = why;
    this.#controller?.abort(new Error(why));
  }

  /** What has to be called when the answer's bytes are not needed any more. */
  takeRelease(): (() => void) | undefined {
    const release = this.#release ?? undefined;
    this.#release = null;
    return release;
  }
}

/** What a caller is told of a failure of a handler. What is no operating error is a bug, and logged. */
export function failureOf(cause: unknown, method: string, { logger }: Runtime): KafkaError {
  const known = toKafkaError(cause);
  if (known !== null) return known;
  logger.error({ method, cause }, 'the handler of a call failed');
  return new KafkaError('UNKNOWN_SERVER_ERROR', `${method} failed`, { noSideEffects: false });
}

export class ServingConnection extends Connection {
  readonly #host: ServingHost;
  readonly #from: PeerIdentity;
  readonly #calls = new Map<number, ServedCall>();
  /** Those that were cancelled, too, until their handlers have ended. */
  #inWork = 0;

  constructor(channel: Channel, other: Hello, host: ServingHost) {
    super(channel, other, host.runtime);
    this.#host = host;
    this.#from = { brokerId: other.brokerId, brokerEpoch: other.brokerEpoch };
  }

  protected override take(frame: Buffer): void {
    // Errors and pongs are never dropped: who asks on without reading them would have them pile up.
    if (this.channel.waitingBytes > UNTAKEN_BYTES_MAX) {
      this.channel.close(`broker ${this.other.brokerId} asks and takes no answers`);
      return;
    }
    switch (frame[0]) {
      case KIND.call:
        this.#serve(frame.readUInt32BE(1), frame.readUInt16BE(5), frame);
        break;
      case KIND.cancel:
        this.#cancel(frame.readUInt32BE(1));
        break;
      case KIND.ping:
        this.channel.send([numbered(KIND.pong, frame.readUInt32BE(1)), ...this.#host.pongPayload(this.#from)]);
        this.#host.onPing(this.#from, frame.subarray(PING_HEAD_BYTES));
        break;
      case KIND.goodbye:
        this.channel.close(frame.toString('utf8', 1));
        break;
    }
  }

  #serve(id: number, methodId: number, frame: Buffer): void {
    const served = this.#host.handlers.get(methodId);
    if (served === undefined) {
      const message = `this broker does not know method ${methodId}: it may be of an older version`;
      this.#fail(id, new KafkaError('UNSUPPORTED_VERSION', message));
      return;
    }
    if (this.#inWork >= RPC_CALLS_IN_FLIGHT_MAX) {
      const message = `${served.method.name} was not begun: ${this.#inWork} calls of this broker are in work`;
      this.#fail(id, new PeerUnavailableError(message, false));
      return;
    }
    const { method, handler } = served;
    const meter = this.#host.metrics.of(method.name);
    meter.served++;
    meter.receivedBytes += frame.length;
    let request: unknown;
    try {
      request = method.decodeRequest(frame.subarray(CALL_HEAD_BYTES));
    } catch (cause) {
      this.runtime.logger.error({ method: method.name, broker: this.#from.brokerId, cause }, 'a malformed call');
      this.#fail(id, new KafkaError('UNKNOWN_SERVER_ERROR', `the question of ${method.name} is malformed`));
      return;
    }
    const call = new ServedCall(this.#from);
    this.#calls.set(id, call);
    this.#inWork++;
    try {
      const response = handler(request, call);
      if (response instanceof Promise) {
        response.then(
          (settled) => this.#answer(id, call, method, settled),
          (cause) => this.#answerFailure(id, call, method, cause),
        );
      } else {
        this.#answer(id, call, method, response);
      }
    } catch (cause) {
      this.#answerFailure(id, call, method, cause);
    }
  }

  #answer(id: number, call: ServedCall, method: RpcMethod<unknown, unknown>, response: unknown): void {
    if (call.gone) {
      this.#forget(id, call);
      return;
    }
    let answer: Uint8Array[];
    try {
      answer = [numbered(KIND.answer, id), ...method.encodeResponse(response)];
    } catch (cause) {
      this.#answerFailure(id, call, method, cause);
      return;
    }
    let bytes = 0;
    for (const part of answer) bytes += part.length;
    const problem = this.#unsendable(bytes, method);
    if (problem !== null) {
      this.#answerFailure(id, call, method, problem);
      return;
    }
    this.#host.metrics.of(method.name).sentBytes += bytes;
    const release = call.takeRelease();
    this.#forget(id, call);
    this.channel.send(answer, release, bytes >= BULK_BYTES);
  }

  #unsendable(bytes: number, { name }: RpcMethod<unknown, unknown>): KafkaError | null {
    if (bytes > RPC_FRAME_BYTES_MAX) {
      const message = `the answer to ${name} takes ${bytes} bytes; brokers send each other at most ${RPC_FRAME_BYTES_MAX}`;
      return new KafkaError('MESSAGE_TOO_LARGE', message, { noSideEffects: false });
    }
    const { waitingBytes } = this.channel;
    if (waitingBytes + bytes <= UNTAKEN_BYTES_MAX) return null;
    return new PeerUnavailableError(`the answer to ${name} was dropped: ${waitingBytes} bytes wait to be sent`, true);
  }

  #answerFailure(id: number, call: ServedCall, { name }: RpcMethod<unknown, unknown>, cause: unknown): void {
    const gone = call.gone;
    this.#forget(id, call);
    // Most handlers throw the signal's reason when nobody waits any more.
    if (!gone) this.#fail(id, failureOf(cause, name, this.runtime));
  }

  #fail(id: number, error: KafkaError): void {
    this.channel.send([errorFrame(id, error)]);
  }

  #cancel(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.abandon('the caller gave up');
  }

  /** The handler has ended. Releases an answer that will not be sent. */
  #forget(id: number, call: ServedCall): void {
    this.#inWork--;
    // A caller that gave up may have used the id again.
    if (this.#calls.get(id) === call) this.#calls.delete(id);
    call.takeRelease()?.();
  }

  protected override ended(why: string): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.abandon(why);
    this.#host.onClosed(why);
  }
}
