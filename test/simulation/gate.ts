/**
 * The border of one simulated process. Everything that reaches it from outside (a timer, a store's answer, a request)
 * comes through `enter`; inside there are only promises, which settle before the next event. So a process can be stopped
 * between any two events: killed, after which nothing of it ever runs again, or frozen, after which all that came meanwhile
 * is delivered in order.
 *
 *   running ⇄ frozen
 *      └────────┴──► dead
 */
import type { SimulatedTime } from './simulated-time.ts';

export type GateState = 'running' | 'frozen' | 'dead';

export class Gate {
  readonly #time: SimulatedTime;
  #state: GateState = 'running';
  #backlog: (() => void)[] = [];
  readonly #onDeath = new Set<() => void>();

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  get state(): GateState {
    return this.#state;
  }

  /** Runs `callback` inside: now, when the process thaws, or never. */
  enter(callback: () => void): void {
    if (this.#state === 'running') callback();
    else if (this.#state === 'frozen') this.#backlog.push(callback);
  }

  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const callback of backlog) this.#time.soon(() => this.enter(callback));
  }

  kill(): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#backlog = [];
    const listeners = [...this.#onDeath];
    this.#onDeath.clear();
    for (const listener of listeners) listener();
  }

  /** Calls back at death; returns the way to stop listening. */
  onDeath(listener: () => void): () => void {
    this.#onDeath.add(listener);
    return () => this.#onDeath.delete(listener);
  }
}
