import * as cluster from '../cluster/patience.ts';
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

/** As `patiently` of the cluster, with growing pauses: what is asked for may be in another journal by now. */
export function patiently<T>(
  { runtime, patienceMs, signal }: Patience,
  attempt: () => Promise<T>,
  onElsewhere: () => void = () => {},
): Promise<T> {
  const backoff = new Backoff(runtime, signal);
  const pause = () => backoff.pause().then(() => true);
  return cluster.patiently({ clock: runtime.clock, patienceMs, attempt, onElsewhere, pause });
}
