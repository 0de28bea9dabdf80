/** Brokers that have nothing but a pool, on a network in memory and stepped time. */
import type { Address } from '../../../src/config.ts';
import type { Hello } from '../../../src/rpc/hello.ts';
import type { PeerIdentity, RpcMethod } from '../../../src/rpc/method.ts';
import type { DownReason, PeerEvents } from '../../../src/rpc/peer-events.ts';
import { PeerPool, type PeerPoolOptions } from '../../../src/rpc/peer-pool.ts';
import { type SteppedRuntime, steppedRuntime } from '../coordinator/stepped-runtime.ts';
import { MemoryNetwork } from './memory-transport.ts';

export const textMethod = (id: number, name: string): RpcMethod<string, string> => ({
  id,
  name,
  encodeRequest: (text) => [Buffer.from(text)],
  decodeRequest: (bytes) => bytes.toString(),
  encodeResponse: (text) => [Buffer.from(text)],
  decodeResponse: (bytes) => bytes.toString(),
});

export const ECHO = textMethod(1, 'test.echo');
export const WAIT = textMethod(2, 'test.wait');

export class RecordedEvents implements PeerEvents {
  readonly up: Hello[] = [];
  readonly down: { readonly brokerId: number; readonly why: DownReason; readonly sentence: string }[] = [];
  readonly pings: { readonly from: PeerIdentity; readonly payload: string }[] = [];
  readonly pongs: { readonly from: PeerIdentity; readonly payload: string; readonly sentAt: number }[] = [];
  readonly superseded: number[] = [];
  /** What is told in pings. */
  payload = '';
  readonly freshPings: number[] = [];

  onUp(other: Hello): void {
    this.up.push(other);
  }

  onDown(brokerId: number, why: DownReason, sentence: string): void {
    this.down.push({ brokerId, why, sentence });
  }

  onPing(from: PeerIdentity, payload: Buffer): void {
    this.pings.push({ from, payload: payload.toString() });
  }

  onPong(from: PeerIdentity, payload: Buffer, sentAt: number): void {
    this.pongs.push({ from, payload: payload.toString(), sentAt });
  }

  readonly stalls: number[] = [];

  onStall(ms: number): void {
    this.stalls.push(ms);
  }

  pingPayload(brokerId: number, fresh: boolean): readonly Uint8Array[] {
    if (fresh) this.freshPings.push(brokerId);
    return [Buffer.from(this.payload)];
  }

  onSuperseded(brokerEpoch: number): void {
    this.superseded.push(brokerEpoch);
  }
}

export interface TestBroker {
  readonly name: string;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly address: Address;
  readonly pool: PeerPool;
  readonly events: RecordedEvents;
}

export class TestCluster {
  readonly runtime: SteppedRuntime;
  readonly network: MemoryNetwork;

  constructor(runtime: SteppedRuntime = steppedRuntime()) {
    this.runtime = runtime;
    this.network = new MemoryNetwork(runtime.timers);
  }

  /** Its host is `name`, or the letter of its id: broker 1 is `a`. */
  async broker(
    brokerId: number,
    options: Partial<PeerPoolOptions> & {
      readonly brokerEpoch?: number;
      readonly name?: string;
      readonly port?: number;
    } = {},
  ): Promise<TestBroker> {
    const { brokerEpoch = 1, name = String.fromCharCode(96 + brokerId), port = 0, ...rest } = options;
    const pool = new PeerPool({
      transport: this.network.transport(name),
      runtime: this.runtime,
      clusterId: 'test',
      incarnation: 'first',
      brokerId,
      version: '0.1.0',
      ...rest,
    });
    pool.handle(ECHO, (text) => text);
    const address = await pool.listen({ host: name, port });
    const events = new RecordedEvents();
    pool.start(brokerEpoch, events);
    return { name, brokerId, brokerEpoch, address, pool, events };
  }

  /** Each wants all others; resolves when they are connected. */
  async meet(...brokers: readonly TestBroker[]): Promise<void> {
    for (const { pool } of brokers) pool.want(brokers);
    await this.runtime.advance(10);
  }
}
