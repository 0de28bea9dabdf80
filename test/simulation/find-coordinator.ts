/** Which broker a client is told to ask, as FindCoordinator does. */
import { groupOwner, transactionOwner } from '../../src/coordinator/owner.ts';
import type { Core } from '../../src/server.ts';

export interface CoordinatorKey {
  readonly kind: 'group' | 'transaction';
  /** A group id or a transactional id. */
  readonly key: string;
}

/** Null when nobody leads its journal just now. */
export const findCoordinator = ({ coordinators }: Core, { kind, key }: CoordinatorKey): Promise<number | null> =>
  coordinators.whoCoordinates(kind === 'group' ? groupOwner(key) : transactionOwner(key));
