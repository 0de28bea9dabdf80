import { bool, type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v0   a transaction commits or aborts (KIP-98)
// v2   PRODUCER_FENCED (KIP-588)
// v3   flexible
// v4   TRANSACTION_ABORTABLE (KIP-890)
// v5   the epoch is bumped by every transaction and comes back (KIP-890, transactions v2)
export const EndTxnRequest = message({
  name: 'EndTxnRequest',
  apiKey: 26,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool(),
  },
});

export const EndTxnResponse = message({
  name: 'EndTxnResponse',
  apiKey: 26,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    producerId: int64({ since: 5, fallback: -1 }),
    producerEpoch: int16({ since: 5, fallback: -1 }),
  },
});

export type EndTxnRequest = Infer<typeof EndTxnRequest>;
export type EndTxnResponse = Input<typeof EndTxnResponse>;
