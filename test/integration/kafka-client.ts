/** The smallest Kafka client that tests need: one connection, every API that the codec knows, and raw bytes. */
import { connect, type Socket } from 'node:net';
import { APIS, type ApiName, type RequestOf, type ResponseOf } from '../../src/protocol/apis.ts';
import { FrameSplitter } from '../../src/protocol/frame.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/header.ts';
import type { Infer, Input } from '../../src/protocol/schema.ts';

type Sent<N extends ApiName> = Input<(typeof APIS)[N]['request']>;
type Received<N extends ApiName> = Infer<(typeof APIS)[N]['response']>;

export type { RequestOf, ResponseOf };

/** One request as bytes on the wire. */
export function requestBytes<N extends ApiName>(
  name: N,
  version: number,
  body: Sent<N>,
  correlationId = 1,
  clientId = 'test',
): Buffer {
  const envelope = { correlationId, clientId };
  return Buffer.concat(encodeRequest(APIS[name].request as any, version, envelope, body as any));
}

export class KafkaClient {
  readonly socket: Socket;
  /** Resolves when the connection is closed by whichever side. */
  readonly closed: Promise<void>;
  readonly #splitter = new FrameSplitter({ frameBytesMax: 256 * 1024 * 1024 });
  readonly #frames: Buffer[] = [];
  #waiting: ((frame: Buffer | null) => void)[] = [];
  #isClosed = false;
  #nextCorrelationId = 1;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#splitter.feed(chunk);
      for (let frame = this.#splitter.next(); frame !== null; frame = this.#splitter.next()) {
        const waiting = this.#waiting.shift();
        if (waiting) waiting(frame.bytes);
        else this.#frames.push(frame.bytes);
      }
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', () => {
        this.#isClosed = true;
        for (const waiting of this.#waiting.splice(0)) waiting(null);
        resolve();
      }),
    );
  }

  static connect({ host, port }: { readonly host: string; readonly port: number }): Promise<KafkaClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new KafkaClient(socket)));
    });
  }

  /** Sends one request and waits for its response. */
  async call<N extends ApiName>(name: N, version: number, body: Sent<N>): Promise<Received<N>> {
    return this.receive(name, version, this.send(name, version, body));
  }

  /** Answers the correlation id. */
  send<N extends ApiName>(name: N, version: number, body: Sent<N>): number {
    const correlationId = this.#nextCorrelationId++;
    this.socket.write(requestBytes(name, version, body, correlationId));
    return correlationId;
  }

  /** The next response, which must be that of `correlationId`. */
  async receive<N extends ApiName>(name: N, version: number, correlationId: number): Promise<Received<N>> {
    const frame = await this.frame();
    if (frame === null) throw new Error(`the connection was closed before the answer to ${name} v${version}`);
    const response = decodeResponse(APIS[name].response as any, version, frame);
    if (response.correlationId !== correlationId) {
      throw new Error(`answer ${response.correlationId} came where ${correlationId} was expected`);
    }
    return response.body as Received<N>;
  }

  /** The next frame without its size; null once the connection is closed. */
  frame(): Promise<Buffer | null> {
    const frame = this.#frames.shift();
    if (frame) return Promise.resolve(frame);
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): Promise<void> {
    this.socket.destroy();
    return this.closed;
  }
}
