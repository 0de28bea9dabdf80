/**
 * Callers that ask whether this process still leads (design §5). Only something begun after the question counts: a put
 * that succeeds, or a consistent read of the next slot. All that wait share one of them.
 */
export type Look = 'confirmed' | 'deposed' | 'again';

interface Waiter {
  resolve(leads: boolean): void;
  reject(cause: unknown): void;
}

/** The questions that one put will answer. */
export interface Joined {
  settle(leads: boolean): void;
  /** The put came to nothing: they wait for the next occasion. */
  again(): void;
}

export class Confirmations {
  readonly #look: () => Promise<Look>;
  #waiting: Waiter[] = [];
  #looking = false;
  #ended = false;

  constructor(look: () => Promise<Look>) {
    this.#look = look;
  }

  /** `putUnderWay`: whoever puts will call `join` or `serve` when it is done. */
  ask(putUnderWay: boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!putUnderWay) this.serve();
    });
  }

  /** A put begins: it answers all that wait so far. */
  join(): Joined {
    const waiters = this.#take();
    return {
      settle: (leads) => {
        for (const waiter of waiters) waiter.resolve(leads);
      },
      again: () => {
        this.#waiting.unshift(...waiters);
      },
    };
  }

  /** Looks for those that wait, unless a look is under way: then they get the next one. */
  serve(): void {
    if (this.#looking || this.#waiting.length === 0) return;
    this.#looking = true;
    // In a microtask, so that everyone who asks in this turn shares the look.
    void Promise.resolve().then(() => this.#serve());
  }

  /** Nobody leads here any more. */
  end(): void {
    this.#ended = true;
    for (const waiter of this.#take()) waiter.resolve(false);
  }

  async #serve(): Promise<void> {
    const waiters = this.#take();
    try {
      const look = this.#ended ? 'deposed' : await this.#look();
      if (look === 'again') this.#waiting.unshift(...waiters);
      else for (const waiter of waiters) waiter.resolve(look === 'confirmed');
    } catch (cause) {
      // What was under way when the leader stopped failed because of that.
      for (const waiter of waiters) this.#ended ? waiter.resolve(false) : waiter.reject(cause);
    }
    this.#looking = false;
    if (this.#ended) this.end();
    else this.serve();
  }

  #take(): Waiter[] {
    const waiters = this.#waiting;
    this.#waiting = [];
    return waiters;
  }
}
