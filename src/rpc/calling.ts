/**
 * The opener's end of a connection: it calls and pings. Questions leave in the order of `call`; answers come in any order.
 * Whatever ends the connection rejects what is open: it may have been carried out.
 */
import { KafkaError } from '../errors.ts';
import { RPC_CALLS_IN_FLIGHT_MAX, RPC_FRAME_BYTES_MAX, RPC_WAITING_BYTES_MAX } from '../limits.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Connection } from './connection.ts';
import type { Hello } from './hello.ts';
import type { RpcMethod } from './method.ts';
import { type CallOptions, PeerUnavailableError } from './peers.ts';
import type { MethodMeter, RpcMetrics } from './rpc-metrics.ts';
import type { Channel } from './transport.ts';
import { ANSWER_HEAD_BYTES, CALL_HEAD_BYTES, callHead, errorOf, KIND, numbered, PING_HEAD_BYTES } from './wire.ts';

const ID_MAX = 0xffff_ffff;
/** Large questions are copied, since the caller may use its buffers again; small ones the channel copies anyway. */
const COPY_BYTES = 16 * 1024;
/** Pings without an answer that are remembered for the round trip. */
const PINGS_OPEN_MAX = 8;

interface OpenCall {
  readonly method: RpcMethod<unknown, unknown>;
  readonly meter: MethodMeter;
  readonly resolve: (response: unknown) => void;
  readonly reject: (cause: unknown) => void;
  readonly startedAt: number;
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | null;
}

export interface CallingHost {
  readonly runtime: Runtime;
  readonly metrics: RpcMetrics;
  /** The answer to a ping that was sent then, by the monotonic clock. */
  onPong(sentAt: number, payload: Buffer): void;
  /** Once. `inOrder` when the other end said goodbye. */
  onClosed(why: string, inOrder: boolean): void;
}

export class CallingConnection extends Connection {
  /** Of the last ping that was answered. */
  roundTripMs: number | null = null;
  readonly #host: CallingHost;
  readonly #calls = new Map<number, OpenCall>();
  readonly #pings = new Map<number, number>();
  #lastId = 0;
  #lastPing = 0;
  #deadlineTimer: TimerHandle | null = null;
  #nextDeadline = Number.POSITIVE_INFINITY;
  #closed = false;
  #goodbye: string | null = null;

  constructor(channel: Channel, other: Hello, host: CallingHost) {
    super(channel, other, host.runtime);
    this.#host = host;
  }

  get callsInFlight(): number {
    return this.#calls.size;
  }

  call<Request, Response>(
    method: RpcMethod<Request, Response>,
    request: Request,
    { timeoutMs, signal }: CallOptions,
  ): Promise<Response> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const meter = this.#host.metrics.of(method.name);
    const full = this.#full();
    if (full !== null) {
      meter.unavailable++;
      return Promise.reject(new PeerUnavailableError(`${method.name} was not sent to ${this.#name()}: ${full}`, false));
    }
    const parts = method.encodeRequest(request);
    const question: Uint8Array[] = [];
    let bytes = CALL_HEAD_BYTES;
    for (const part of parts) {
      bytes += part.length;
      question.push(part.length < COPY_BYTES ? part : Buffer.from(part));
    }
    if (bytes > RPC_FRAME_BYTES_MAX) {
      const message = `${method.name} takes ${bytes} bytes; brokers send each other at most ${RPC_FRAME_BYTES_MAX}`;
      return Promise.reject(new KafkaError('MESSAGE_TOO_LARGE', message));
    }
    const id = this.#nextId();
    question.unshift(callHead(id, method.id));
    meter.sentBytes += bytes;
    const startedAt = this.runtime.clock.monotonic();
    return new Promise<Response>((resolve, reject) => {
      const onAbort = signal === undefined ? null : () => this.#giveUp(id, signal.reason);
      if (onAbort !== null) signal!.addEventListener('abort', onAbort, { once: true });
      const deadline = startedAt + timeoutMs;
      this.#calls.set(id, {
        method: method as RpcMethod<unknown, unknown>,
        meter,
        resolve: resolve as (response: unknown) => void,
        reject,
        startedAt,
        deadline,
        signal,
        onAbort,
      });
      this.#watch(deadline);
      this.channel.send(question);
    });
  }

  ping(payload: readonly Uint8Array[]): void {
    this.#lastPing = this.#lastPing === ID_MAX ? 1 : this.#lastPing + 1;
    this.#pings.set(this.#lastPing, this.runtime.clock.monotonic());
    if (this.#pings.size > PINGS_OPEN_MAX) this.#pings.delete(this.#pings.keys().next().value!);
    this.channel.send([numbered(KIND.ping, this.#lastPing), ...payload]);
  }

  #full(): string | null {
    if (this.#closed) return 'the connection is closed';
    if (this.#calls.size >= RPC_CALLS_IN_FLIGHT_MAX) return `${this.#calls.size} calls wait for their answers`;
    const { waitingBytes } = this.channel;
    return waitingBytes > RPC_WAITING_BYTES_MAX ? `${waitingBytes} bytes wait to be sent` : null;
  }

  #name(): string {
    return `broker ${this.other.brokerId}`;
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#calls.has(this.#lastId));
    return this.#lastId;
  }

  protected override take(frame: Buffer): void {
    this.heardAt = this.runtime.clock.monotonic();
    switch (frame[0]) {
      case KIND.answer:
        this.#answered(frame.readUInt32BE(1), frame);
        break;
      case KIND.error:
        this.#failed(frame.readUInt32BE(1), errorOf(frame), frame.length);
        break;
      case KIND.pong:
        this.#ponged(frame.readUInt32BE(1), frame.subarray(PING_HEAD_BYTES));
        break;
      case KIND.goodbye:
        this.#goodbye = frame.toString('utf8', 1);
        this.channel.close(this.#goodbye);
        break;
    }
  }

  #answered(id: number, frame: Buffer): void {
    const call = this.#end(id);
    if (call === null) return;
    const { method, meter } = call;
    meter.answered++;
    meter.seconds += (this.heardAt - call.startedAt) / 1_000;
    meter.receivedBytes += frame.length;
    let response: unknown;
    try {
      response = method.decodeResponse(frame.subarray(ANSWER_HEAD_BYTES));
    } catch (cause) {
      this.runtime.logger.error({ method: method.name, broker: this.other.brokerId, cause }, 'a malformed answer');
      const message = `the answer of ${this.#name()} to ${method.name} is malformed`;
      call.reject(new KafkaError('UNKNOWN_SERVER_ERROR', message, { cause, noSideEffects: false }));
      return;
    }
    call.resolve(response);
  }

  #failed(id: number, error: KafkaError, bytes: number): void {
    const call = this.#end(id);
    if (call === null) return;
    if (error instanceof PeerUnavailableError) call.meter.unavailable++;
    else call.meter.failed++;
    call.meter.receivedBytes += bytes;
    call.reject(error);
  }

  #ponged(number: number, payload: Buffer): void {
    const sentAt = this.#pings.get(number);
    if (sentAt === undefined) return;
    this.#pings.delete(number);
    this.roundTripMs = this.heardAt - sentAt;
    this.#host.metrics.roundTrip.observe(this.roundTripMs / 1_000);
    this.#host.onPong(sentAt, payload);
  }

  #giveUp(id: number, reason: unknown): void {
    const call = this.#end(id);
    if (call === null) return;
    call.meter.unavailable++;
    this.channel.send([numbered(KIND.cancel, id)]);
    call.reject(reason);
  }

  /** Takes the call off the list; null when it is not on it any more. */
  #end(id: number): OpenCall | null {
    const call = this.#calls.get(id);
    if (call === undefined) return null;
    this.#calls.delete(id);
    if (call.onAbort !== null) call.signal!.removeEventListener('abort', call.onAbort);
    return call;
  }

  /** One timer for all calls, at the earliest deadline that was seen: most calls are answered long before theirs. */
  #watch(deadline: number): void {
    if (deadline >= this.#nextDeadline) return;
    this.#nextDeadline = deadline;
    this.#deadlineTimer?.cancel();
    const { clock, timers } = this.runtime;
    const onDeadline = () => this.#expire();
    this.#deadlineTimer = timers.after(Math.max(0, deadline - clock.monotonic()), onDeadline, { keepAlive: true });
  }

  #expire(): void {
    const now = this.runtime.clock.monotonic();
    this.#nextDeadline = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const [id, { method, startedAt, deadline }] of this.#calls) {
      if (deadline > now) next = Math.min(next, deadline);
      else {
        const ms = Math.round(now - startedAt);
        const message = `${this.#name()} did not answer ${method.name} in ${ms} ms`;
        this.#giveUp(id, new PeerUnavailableError(message, true));
      }
    }
    if (next < Number.POSITIVE_INFINITY) this.#watch(next);
  }

  protected override ended(why: string): void {
    this.#closed = true;
    this.#deadlineTimer?.cancel();
    for (const id of [...this.#calls.keys()]) {
      const call = this.#end(id)!;
      call.meter.unavailable++;
      call.reject(
        new PeerUnavailableError(
          `the connection to ${this.#name()} ended before ${call.method.name} was answered: ${why}`,
          true,
        ),
      );
    }
    this.#host.onClosed(why, this.#goodbye !== null);
  }
}
