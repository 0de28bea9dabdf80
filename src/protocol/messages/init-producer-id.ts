import { type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v2   flexible
// v3   the producer may bring its id and epoch, to have the epoch bumped (KIP-360)
// v4   PRODUCER_FENCED (KIP-588)
// v5   TRANSACTION_ABORTABLE (KIP-890)
// Version 6 (two-phase commit, KIP-939) is not stable yet.
export const InitProducerIdRequest = message({
  name: 'InitProducerIdRequest',
  apiKey: 22,
  versions: [0, 5],
  flexibleSince: 2,
  fields: {
    /** Null from producers that are idempotent only. */
    transactionalId: string({ nullableSince: 0 }),
    transactionTimeoutMs: int32(),
    producerId: int64({ since: 3, fallback: -1 }),
    producerEpoch: int16({ since: 3, fallback: -1 }),
  },
});

export const InitProducerIdResponse = message({
  name: 'InitProducerIdResponse',
  apiKey: 22,
  versions: [0, 5],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    producerId: int64({ fallback: -1 }),
    producerEpoch: int16({ fallback: -1 }),
  },
});

export type InitProducerIdRequest = Infer<typeof InitProducerIdRequest>;
export type InitProducerIdResponse = Input<typeof InitProducerIdResponse>;
