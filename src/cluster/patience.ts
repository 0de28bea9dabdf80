/** Waits a while for the broker that is about to lead a journal, where asking again does no harm. */
import { toKafkaError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';

export interface Patience<T> {
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly attempt: () => Promise<T>;
  /** Forgets what led there, also after the last attempt. */
  readonly onElsewhere?: () => void;
  /** Before the next attempt; answers false when that is in vain. May reject, which ends it. */
  readonly pause: (leftMs: number) => Promise<boolean>;
}

/** Tries again while `attempt` finds that another broker is to be asked; in the end rejects as the last attempt did. */
export async function patiently<T>({ clock, patienceMs, attempt, onElsewhere, pause }: Patience<T>): Promise<T> {
  const endMs = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (!isElsewhere(cause)) throw cause;
      onElsewhere?.();
      const leftMs = endMs - clock.monotonic();
      if (leftMs <= 0 || !(await pause(leftMs))) throw cause;
    }
  }
}

/** Another broker leads the journal by now, or will soon. */
export function isElsewhere(cause: unknown): boolean {
  const error = toKafkaError(cause)?.error;
  return error === 'NOT_LEADER_OR_FOLLOWER' || error === 'NOT_COORDINATOR';
}
