import { type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v0   a group's offsets join a transaction (KIP-98)
// v2   PRODUCER_FENCED (KIP-588)
// v3   flexible
// v4   TRANSACTION_ABORTABLE (KIP-890)
export const AddOffsetsToTxnRequest = message({
  name: 'AddOffsetsToTxnRequest',
  apiKey: 25,
  versions: [0, 4],
  flexibleSince: 3,
  fields: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  },
});

export const AddOffsetsToTxnResponse = message({
  name: 'AddOffsetsToTxnResponse',
  apiKey: 25,
  versions: [0, 4],
  flexibleSince: 3,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
  },
});

export type AddOffsetsToTxnRequest = Infer<typeof AddOffsetsToTxnRequest>;
export type AddOffsetsToTxnResponse = Input<typeof AddOffsetsToTxnResponse>;
