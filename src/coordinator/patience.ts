/** Waits a while for the broker that is about to lead a journal, where asking again does no harm. */
import { toKafkaError } from '../errors.ts';
import { Backoff } from '../journal/backoff.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** About as long as a takeover takes. */
export const PATIENCE_MS = 3_000;

export interface Patience {
  readonly runtime: Runtime;
  /** 0 where nobody else can come to lead. */
  readonly patienceMs: number;
  /** Gives up: rejects with its reason. */
  readonly signal: AbortSignal;
}

/** Tries again while `attempt` finds that another broker is to be asked; `onElsewhere` forgets what led there. */
export async function patiently<T>(
  { runtime, patienceMs, signal }: Patience,
  attempt: () => Promise<T>,
  onElsewhere: () => void = () => {},
): Promise<T> {
  const backoff = new Backoff(runtime, signal);
  const until = runtime.clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (!isElsewhere(cause)) throw cause;
      onElsewhere();
      if (runtime.clock.monotonic() >= until) throw cause;
    }
    await backoff.pause();
  }
}

/** Another broker leads the journal by now, or will soon. */
export function isElsewhere(cause: unknown): boolean {
  const error = toKafkaError(cause)?.error;
  return error === 'NOT_LEADER_OR_FOLLOWER' || error === 'NOT_COORDINATOR';
}
