import { array, type Infer, type Input, int16, int32, int64, list, message, string } from '../schema.ts';

// v0   flexible (KIP-664)
// v1   how long a transaction has been running (KIP-994)
// v2   a regular expression for transactional ids (KIP-1152)
export const ListTransactionsRequest = message({
  name: 'ListTransactionsRequest',
  apiKey: 66,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    /** None asks for all, here and below. */
    stateFilters: list(string()),
    producerIdFilters: list(int64()),
    durationFilter: int64({ since: 1, fallback: -1 }),
    transactionalIdPattern: string({ since: 2, nullableSince: 2 }),
  },
});

export const ListTransactionsResponse = message({
  name: 'ListTransactionsResponse',
  apiKey: 66,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    unknownStateFilters: list(string()),
    transactionStates: array({ transactionalId: string(), producerId: int64(), transactionState: string() }),
  },
});

export type ListTransactionsRequest = Infer<typeof ListTransactionsRequest>;
export type ListTransactionsResponse = Input<typeof ListTransactionsResponse>;
