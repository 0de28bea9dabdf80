import { KafkaError } from '../errors.ts';

/**
 * Bytes of request bodies and of answers that HTTP holds in memory, for all connections together. Who would exceed it is
 * told to come back; nobody waits, so a slow client holds up nobody else.
 */
export class ByteBudget {
  held = 0;
  readonly bytesMax: number;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

/**
 * What one request holds of the budget. Given back when both of its users let go: the handler, which may outlive a
 * deadline, and the wire, which may be slow to take the answer.
 */
export class Holding {
  readonly #budget: ByteBudget;
  #bytes = 0;
  #users = 2;
  /** Bytes of the request's body that were read, for metrics. */
  bodyBytes = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Throws THROTTLING_QUOTA_EXCEEDED when the budget is used up. */
  take(bytes: number): void {
    const budget = this.#budget;
    if (budget.held + bytes > budget.bytesMax) {
      throw new KafkaError(
        'THROTTLING_QUOTA_EXCEEDED',
        `requests and answers under way hold ${budget.held} of ${budget.bytesMax} bytes: try again soon`,
      );
    }
    budget.held += bytes;
    this.#bytes += bytes;
  }

  /** Called once by each user. */
  letGo(): void {
    if (--this.#users > 0) return;
    this.#budget.held -= this.#bytes;
    this.#bytes = 0;
  }
}
