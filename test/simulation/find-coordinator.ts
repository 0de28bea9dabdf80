/** Which broker a client is told to ask, as FindCoordinator does. */
import type { Core } from '../../src/server.ts';

export interface CoordinatorKey {
  readonly kind: 'group' | 'transaction';
  /** A group id or a transactional id. */
  readonly key: string;
}

/** Null when nobody leads its journal just now. */
export function findCoordinator(core: Core, _of: CoordinatorKey): Promise<number | null> {
  return Promise.resolve(core.brokerId);
}
