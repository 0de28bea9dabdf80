import type { ErrorName } from '../errors.ts';

/** PRODUCER_FENCED is newer than the APIs that answer it (KIP-588): clients of older versions know another name for it. */
export const asToldBefore = (fencedSince: number, apiVersion: number, error: ErrorName): ErrorName =>
  error === 'PRODUCER_FENCED' && apiVersion < fencedSince ? 'INVALID_PRODUCER_EPOCH' : error;
