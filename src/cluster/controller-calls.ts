/** What any broker asks of the controller for an administrator, and how the controller answers. */
import { KafkaError } from '../errors.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import { type Peers, PeerUnavailableError } from '../rpc/peers.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { amendment } from './amendment.ts';
import type { Controller } from './controller.ts';
import { ASK_CONTROLLER, type ControllerRequest } from './membership-methods.ts';

/** How long a controller that cannot be asked is waited for. */
const PATIENCE_MS = 3_000;
const PAUSE_MS = 50;

export interface ControllerCallsOptions {
  readonly brokerId: number;
  readonly controller: Controller;
  readonly peers: Peers;
  readonly registry: RpcRegistry;
  readonly runtime: Runtime;
  readonly controllerId: () => number | null;
  /** There are this many journals now. */
  readonly grow: (journals: number) => void;
}

export class ControllerCalls {
  readonly #options: ControllerCallsOptions;

  constructor(options: ControllerCallsOptions) {
    this.#options = options;
    options.registry.handle(ASK_CONTROLLER, (request) => this.#amend(request));
  }

  /** Throws NOT_CONTROLLER when none can be asked, or what it says. Everything that is asked may be asked again. */
  async ask(request: ControllerRequest): Promise<void> {
    const { clock, timers } = this.#options.runtime;
    const until = clock.monotonic() + PATIENCE_MS;
    let maybeDone = false;
    for (;;) {
      try {
        return await this.#askNow(request);
      } catch (cause) {
        if (!isBeingSucceeded(cause)) throw cause;
        maybeDone ||= cause instanceof PeerUnavailableError && cause.sent;
        if (clock.monotonic() > until) throw nobody({ noSideEffects: !maybeDone });
        await sleep(timers, PAUSE_MS);
      }
    }
  }

  async #askNow(request: ControllerRequest): Promise<void> {
    const { brokerId, peers, controllerId } = this.#options;
    const asked = controllerId();
    if (asked === null) throw nobody();
    if (asked === brokerId) await this.#amend(request);
    else await peers.call(asked, ASK_CONTROLLER, request, { timeoutMs: PATIENCE_MS });
  }

  async #amend(request: ControllerRequest): Promise<{ readonly version: number }> {
    if (request.type === 'grow') this.#options.grow(request.journals);
    const change: Parameters<Controller['amend']>[0] = (item, surroundings) => amendment(request, item, surroundings);
    const item = await this.#options.controller.amend(change);
    if (item === null) throw nobody();
    return { version: item.version };
  }
}

const isBeingSucceeded = (cause: unknown): boolean =>
  cause instanceof PeerUnavailableError || (cause instanceof KafkaError && cause.error === 'NOT_CONTROLLER');

const nobody = (options = {}) =>
  new KafkaError('NOT_CONTROLLER', 'no controller of the cluster can be asked now; try again', options);
