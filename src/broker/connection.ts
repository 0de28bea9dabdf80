/**
 * One client connection: frames in, responses out in the order of their requests.
 *
 *   socket ─► FrameAssembler ─► gates ─► Router ─► slots (one per request, in order) ─► ResponseWriter ─► socket
 *
 * A request is started as soon as it has arrived, so requests of a connection are in work at the same time, and handlers
 * see them in order up to their first `await`. The connection stops reading when it has too many in work, when its client
 * does not take its responses, while a request that goes alone is in work, and while a gate holds the next one back.
 * A client that ends its side still gets its answers; long polls are cut short for it.
 */
import type { Socket } from 'node:net';
import type { Address } from '../config.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { LogLimiter } from '../runtime/log-limiter.ts';
import type { Logger } from '../runtime/logger.ts';
import type { BrokerMetrics } from './broker-metrics.ts';
import type { ByteGate, Gate } from './byte-gate.ts';
import { FrameAssembler, FrameError } from './frame-assembler.ts';
import type { FrameMemory } from './frame-memory.ts';
import type { Turn } from './handler.ts';
import { type OutgoingResponse, ResponseWriter } from './response-writer.ts';
import type { Outcome, Peer, Router } from './router.ts';
import { type SocketReads, takeSocket } from './socket-reads.ts';

/** Responses of one connection that may wait for their client before it is not read any more. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** After the last byte is sent, a client has this long to close its side. */
const LINGER_MS = 1_000;
/** A host that vanished without a word is noticed by probes of the kernel that begin after this. */
const KEEP_ALIVE_MS = 60_000;
/** A fetch may always answer this much, however many answers wait. */
const ANSWER_BYTES_MIN = 256 * 1024;
const HTTP_ANSWER =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n' +
  'This port speaks the Kafka protocol, not HTTP. The HTTP API of Millrace listens elsewhere (--http, 8080 by default).\n';

/** What an IPv4 address begins with on a socket that listens on both. */
const IPV4_MAPPED = /^::ffff:/;

const reachedAt = ({ localAddress = '', localPort = 0 }: Socket): Address => ({
  host: localAddress.replace(IPV4_MAPPED, ''),
  port: localPort,
});

/** The client's address. */
export const peerHost = ({ remoteAddress = '' }: Socket): string => remoteAddress.replace(IPV4_MAPPED, '');

/** What the connections of one listener share. */
export interface ConnectionHost {
  readonly router: Router;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limited: LogLimiter;
  readonly metrics: BrokerMetrics;
  readonly frameMemory: FrameMemory;
  readonly frameBytesMax: number;
  readonly inFlightMax: number;
  /** The buffer that every socket reads into. */
  readonly readBuffer: Buffer;
  /** Whether sockets may read into buffers of ours. */
  readonly directReads: boolean;
  /** Full: producers are not read. */
  readonly pressure: Gate;
  /** Responses of all connections that wait for their clients. Full: no more fetches are started. */
  readonly unsent: ByteGate;
  /** Fetches get less from here on. */
  readonly unsentBytesSoft: number;
  requestsInFlight: number;
  onClosed(connection: Connection): void;
}

/** The entrance of a connection. */
export interface CameBy {
  /** Null: clients are told where they have connected to. */
  readonly advertised: Address | null;
  readonly zone: string;
}

interface Slot {
  readonly turn: Turn | undefined;
  outcome: Outcome | null;
}

function releaseUnsent({ outcome }: Slot): void {
  if (outcome?.type === 'respond') outcome.response.release?.();
}

export class Connection implements Peer {
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #frames: FrameAssembler;
  readonly #writer: ResponseWriter;
  readonly #slots: Slot[] = [];
  readonly #name: string;
  readonly clientHost: string;
  readonly listenerZone: string;
  readonly #advertised: Address;
  #abort: AbortController | null = null;
  /** No request is taken any more; `ending` becomes `closed` when what is in work is answered and sent. */
  #phase: 'open' | 'ending' | 'closed' = 'open';
  /** Frames are being handed out further up the stack. */
  #delivering = false;
  #paused = true;
  /** A request was left without its answer: the client would take the next one for it. */
  #cut = false;
  #alone = false;
  #fetching = false;
  /** The next request waits for a gate, or for the fetch before it. */
  #waitsFor: Gate | null = null;
  #waitsForFetch = false;
  /** Over a quota: not read until this timer. */
  #muted: TimerHandle | null = null;
  #mutedUntil = 0;
  #produces = false;
  #activeAt: number;

  constructor(accepted: Socket, host: ConnectionHost, entrance: CameBy) {
    this.#host = host;
    this.#activeAt = host.clock.monotonic();
    this.#name = `${accepted.remoteAddress}:${accepted.remotePort}`;
    this.clientHost = `/${peerHost(accepted)}`;
    this.#advertised = entrance.advertised ?? reachedAt(accepted);
    this.listenerZone = entrance.zone;
    this.#frames = new FrameAssembler(host.frameMemory, host.frameBytesMax, (frame) => this.#deliver(frame));
    const reads: SocketReads = {
      firstBuffer: host.readBuffer,
      nextBuffer: () => (this.#blocked() ? host.readBuffer : (this.#frames.target() ?? host.readBuffer)),
      onRead: (bytes, length) => this.#onRead(bytes, length),
    };
    this.#socket = takeSocket(accepted, reads, host.directReads);
    this.#writer = new ResponseWriter(this.#socket, (bytes) => this.#onSent(bytes));
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#socket.on('end', () => this.end('the client ended it'));
    this.#socket.on('error', (cause) =>
      host.logger.debug({ peer: this.#name, cause: String(cause) }, 'connection lost'),
    );
    this.#socket.on('close', () => this.#onClose());
    this.readOrPause();
  }

  /** Aborted when nobody waits for answers any more: long polls end then. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController();
      if (this.#phase !== 'open') this.#abort.abort();
    }
    return this.#abort.signal;
  }

  get advertised(): Address {
    return this.#advertised;
  }

  /** Less for everybody when many answers wait, so that a few slow clients do not hold up the others. */
  get answerBytesMax(): number {
    return Math.max(this.#host.unsentBytesSoft - this.#host.unsent.bytes, ANSWER_BYTES_MIN);
  }

  /** Has sent a produce request before. */
  get produces(): boolean {
    return this.#produces;
  }

  /** Milliseconds without a byte in either direction; 0 while a request is in work and its client not at fault. */
  idleMs(now: number): number {
    if (this.#slots.length > 0 && this.#writer.waitingBytes === 0) return 0;
    return now - this.#activeAt;
  }

  get hasUnsent(): boolean {
    return this.#writer.waitingBytes > 0;
  }

  /** Takes no more requests, finishes those in work, and closes. */
  end(reason: string): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'ending';
    this.#host.logger.debug({ peer: this.#name, reason }, 'connection ends');
    this.#abort?.abort();
    this.#finishWhenDone();
  }

  /** Requests that wait for something to happen answer now; those that come after them may wait again. */
  interrupt(): void {
    this.#abort?.abort();
    if (this.#phase === 'open') this.#abort = null;
  }

  destroy(reason: string): void {
    if (this.#phase === 'closed') return;
    this.#host.metrics.closed(reason);
    this.#socket.destroy();
  }

  /** Hands out what waits, as far as it may go, and reads on or stops reading. To be called when anything was relieved. */
  proceed(): void {
    if (this.#delivering || this.#phase !== 'open') return;
    this.#waitsForFetch = false;
    this.#feed(null, 0);
  }

  #onRead(bytes: Buffer, length: number): void {
    this.#activeAt = this.#host.clock.monotonic();
    this.#host.metrics.received(length);
    if (this.#phase === 'open') this.#feed(bytes, length);
  }

  /** New bytes, or null for those that are held. */
  #feed(bytes: Buffer | null, length: number): void {
    this.#delivering = true;
    try {
      if (bytes === null) this.#frames.resume();
      else this.#frames.take(bytes, length);
    } catch (cause) {
      if (cause instanceof FrameError) this.#onFrameError(cause);
      else this.#onBug(cause);
    } finally {
      this.#delivering = false;
    }
    this.readOrPause();
  }

  #blocked(): boolean {
    return (
      this.#alone ||
      this.#muted !== null ||
      this.#waitsForFetch ||
      this.#waitsFor !== null ||
      this.#slots.length >= this.#host.inFlightMax ||
      this.#writer.waitingBytes > UNSENT_BYTES_MAX ||
      this.#phase !== 'open'
    );
  }

  /** Stops reading or goes on, as things are now. */
  readOrPause(): void {
    if (this.#phase !== 'open') return;
    const full = this.#produces && this.#host.frameMemory.gate.full && this.#frames.heldBytes === 0;
    const pause = full || this.#blocked();
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  #deliver(frame: Buffer): boolean {
    if (this.#blocked()) return false;
    const host = this.#host;
    const turn = host.router.turnOf(frame);
    if (turn === 'produce') {
      this.#produces = true;
      if (!this.#passes(host.pressure)) return false;
    } else if (turn === 'fetch') {
      if (this.#fetching) {
        this.#waitsForFetch = true;
        return false;
      }
      if (!this.#passes(host.unsent)) return false;
      this.#fetching = true;
    } else if (turn === 'alone') {
      this.#alone = true;
    }
    const slot: Slot = { turn, outcome: null };
    this.#slots.push(slot);
    host.requestsInFlight++;
    const outcome = host.router.handle(frame, this);
    if (outcome instanceof Promise) outcome.then((settled) => this.#settle(slot, settled));
    else this.#settle(slot, outcome);
    return true;
  }

  #passes(gate: Gate): boolean {
    if (!gate.full) return true;
    this.#waitsFor = gate;
    gate.whenRelieved(() => {
      this.#waitsFor = null;
      this.proceed();
    });
    return false;
  }

  #settle(slot: Slot, outcome: Outcome): void {
    this.#host.requestsInFlight--;
    slot.outcome = outcome;
    if (this.#phase === 'closed') {
      releaseUnsent(slot);
      return;
    }
    if (slot.turn === 'alone') this.#alone = false;
    try {
      for (let head = this.#slots[0]; head?.outcome; head = this.#slots[0]) {
        this.#slots.shift();
        this.#answer(head.turn, head.outcome);
      }
      if (this.#phase === 'ending') this.#finishWhenDone();
      else if (this.#paused) this.proceed();
    } catch (cause) {
      this.#onBug(cause);
    }
  }

  #answer(turn: Turn | undefined, outcome: Outcome): void {
    // Not earlier: a second answer that waits behind a slow request would be memory that nobody counts.
    if (turn === 'fetch') this.#fetching = false;
    if (outcome.type === 'close') {
      const fields = { peer: this.#name, reason: outcome.reason };
      this.#host.limited.warn('a Kafka request cannot be answered, its connection is closed', fields);
      this.#host.metrics.closed('request');
      this.#cut = true;
      this.end(outcome.reason);
    } else {
      if (outcome.type === 'respond') {
        if (this.#cut) outcome.response.release?.();
        else this.#send(outcome.response);
      }
      if (outcome.throttleMs > 0) this.#mute(outcome.throttleMs);
    }
  }

  /** KIP-219: the client was told to wait. One that does not is made to. */
  #mute(throttleMs: number): void {
    const { clock, timers } = this.#host;
    const until = clock.monotonic() + throttleMs;
    if (this.#phase !== 'open' || until <= this.#mutedUntil) return;
    this.#mutedUntil = until;
    this.#muted?.cancel();
    this.#muted = timers.after(throttleMs, () => {
      this.#muted = null;
      this.proceed();
    });
  }

  #send(response: OutgoingResponse): void {
    this.#host.unsent.add(this.#writer.send(response));
  }

  #onSent(bytes: number): void {
    this.#activeAt = this.#host.clock.monotonic();
    this.#host.metrics.sent(bytes);
    this.#host.unsent.remove(bytes);
    if (this.#phase === 'ending') this.#finishWhenDone();
    else if (this.#paused) this.proceed();
  }

  #onFrameError(error: FrameError): void {
    const fields = { peer: this.#name, reason: error.message };
    this.#host.limited.warn('bytes that are no Kafka request, the connection is closed', fields);
    this.#host.metrics.closed(error.problem);
    if (error.problem === 'HTTP' && this.#slots.length === 0) {
      this.#send({ parts: [Buffer.from(HTTP_ANSWER)], release: null });
    }
    this.end(error.message);
  }

  #onBug(cause: unknown): void {
    const stack = cause instanceof Error ? cause.stack : String(cause);
    this.#host.logger.error({ peer: this.#name, stack }, 'a Kafka connection failed by a bug');
    this.destroy('bug');
  }

  /** What arrives from now on is read and thrown away: closing with unread bytes would reset what was sent. */
  #finishWhenDone(): void {
    if (this.#slots.length > 0 || this.#writer.waitingBytes > 0 || this.#socket.writableEnded) return;
    this.#socket.end();
    if (this.#paused) this.#socket.resume();
    this.#paused = false;
    this.#host.timers.after(LINGER_MS, () => this.#socket.destroy());
  }

  #onClose(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#muted?.cancel();
    this.#abort?.abort();
    this.#frames.close();
    this.#host.unsent.remove(this.#writer.waitingBytes);
    this.#writer.close();
    for (const slot of this.#slots.splice(0)) releaseUnsent(slot);
    this.#host.onClosed(this);
  }
}
