/**
 * Connections that other brokers opened: each says hello, and is served when it may work with this one. A broker has one
 * connection here, the last that it opened; of two instances with one id the newer stays.
 */
import type { TimerHandle } from '../runtime/clock.ts';
import type { LogLimiter } from '../runtime/log-limiter.ts';
import type { Runtime } from '../runtime/runtime.ts';
import {
  HELLO_MS,
  type Hello,
  helloFrame,
  mismatch,
  type OpeningHello,
  type Refusal,
  readOpening,
  refuse,
} from './hello.ts';
import type { PeerEvents } from './peer-events.ts';
import type { RpcMetrics } from './rpc-metrics.ts';
import { type Served, ServingConnection } from './serving.ts';
import type { Channel } from './transport.ts';

/** Who opened a connection closes it itself when it hears nothing; after so long this end does. */
const SILENCE_MS = 3_000;

export interface ReceptionHost {
  readonly runtime: Runtime;
  readonly metrics: RpcMetrics;
  readonly limited: LogLimiter;
  readonly handlers: ReadonlyMap<number, Served>;
  /** Null until this broker is registered. */
  readonly events: PeerEvents | null;
  hello(): Hello;
  /** The newest epoch of a broker that is wanted or connected; 0 when there is none. */
  newestEpoch(brokerId: number): number;
  /** A broker is being served from now on. */
  onServing(brokerId: number): void;
}

export class Reception {
  readonly #host: ReceptionHost;
  readonly #strangers = new Set<Channel>();
  readonly #serving = new Map<number, ServingConnection>();
  #closed = false;

  constructor(host: ReceptionHost) {
    this.#host = host;
  }

  accept(channel: Channel): void {
    if (this.#closed) {
      refuse(channel, { sentence: 'the broker stops' });
      return;
    }
    let timer: TimerHandle | null = null;
    const leave = () => {
      timer?.cancel();
      this.#strangers.delete(channel);
    };
    this.#strangers.add(channel);
    channel.onClose = leave;
    channel.onFrame = (frame) => {
      leave();
      channel.onClose = () => {};
      channel.onFrame = () => {};
      let hello: OpeningHello;
      try {
        hello = readOpening(channel, frame);
      } catch (cause) {
        channel.close((cause as Error).message);
        return;
      }
      this.#greet(channel, hello);
    };
    timer = this.#host.runtime.timers.after(HELLO_MS, () => channel.close(`${channel.remote} does not say hello`));
  }

  watch(now: number): void {
    for (const serving of [...this.#serving.values()]) {
      const silentMs = serving.silentMs(now);
      if (silentMs > SILENCE_MS) serving.close(`no word for ${Math.round(silentMs)} ms`, false);
      else if (serving.keysUsedUp) serving.close('its keys are used up', false);
    }
  }

  forgive(ms: number): void {
    for (const serving of this.#serving.values()) serving.forgive(ms);
  }

  /** Resolves when all were told. */
  async close(why: string): Promise<void> {
    this.#closed = true;
    const strangers = [...this.#strangers].map((channel) => channel.close(why));
    const served = [...this.#serving.values()].map((serving) => serving.close(why, true));
    await Promise.all([...strangers, ...served]);
  }

  #greet(channel: Channel, hello: OpeningHello): void {
    const own = this.#host.hello();
    if (hello.probe) {
      channel.send([helloFrame(own)]);
      channel.close('that was a probe');
      return;
    }
    const { events } = this.#host;
    if (events === null) {
      refuse(channel, { sentence: `broker ${own.brokerId} is starting`, starting: true });
      return;
    }
    const sentence = mismatch(own, hello);
    const refusal = sentence === null ? this.#unwelcome(own, hello, events) : { sentence };
    if (refusal !== null) {
      this.#host.limited.warn('a broker was refused', { remote: channel.remote, why: refusal.sentence });
      refuse(channel, refusal);
      return;
    }
    const { brokerId, brokerEpoch } = hello;
    this.#serving.get(brokerId)?.close('the broker opened another connection', false);
    const { runtime, metrics, handlers } = this.#host;
    const serving = new ServingConnection(channel, hello, {
      runtime,
      metrics,
      handlers,
      onPing: (from, payload) => events.onPing(from, payload),
      pongPayload: (from) => events.pingPayload(from.brokerId, false),
      onClosed: (cause) => {
        if (this.#serving.get(brokerId) === serving) this.#serving.delete(brokerId);
        runtime.logger.debug({ broker: brokerId, epoch: brokerEpoch, why: cause }, 'a connection of a broker ended');
      },
    });
    this.#serving.set(brokerId, serving);
    channel.send([helloFrame(own)]);
    this.#host.onServing(brokerId);
  }

  /** Why this instance of a broker is not served, although it belongs to the cluster. */
  #unwelcome(own: Hello, { brokerId, brokerEpoch, to }: OpeningHello, events: PeerEvents): Refusal | null {
    if (brokerId === own.brokerId) {
      if (brokerEpoch === own.brokerEpoch) return { sentence: `broker ${brokerId} connects to itself` };
      if (brokerEpoch > own.brokerEpoch) events.onSuperseded(brokerEpoch);
      const sentence = `epochs ${own.brokerEpoch} and ${brokerEpoch} of broker ${brokerId} run at once: give each broker an id of its own`;
      return brokerEpoch < own.brokerEpoch ? { sentence, succeededBy: own.brokerEpoch } : { sentence };
    }
    if (to?.brokerId === own.brokerId && to.brokerEpoch > own.brokerEpoch) {
      events.onSuperseded(to.brokerEpoch);
      return { sentence: `this is epoch ${own.brokerEpoch} of broker ${own.brokerId}, which was succeeded` };
    }
    const newest = Math.max(this.#serving.get(brokerId)?.other.brokerEpoch ?? 0, this.#host.newestEpoch(brokerId));
    if (newest <= brokerEpoch) return null;
    const sentence = `epoch ${brokerEpoch} of broker ${brokerId} was succeeded by epoch ${newest}: stop it, or give it an id of its own`;
    return { sentence, succeededBy: newest };
  }
}
