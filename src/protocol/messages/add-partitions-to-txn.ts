import { array, bool, type Infer, type Input, int16, int32, int64, list, message, string } from '../schema.ts';

// v0   partitions join a transaction before their first batch (KIP-98)
// v2   PRODUCER_FENCED (KIP-588)
// v3   flexible; the last version that producers send
// v4   many transactions in one request, sent by brokers to verify (KIP-890)
// v5   TRANSACTION_ABORTABLE (KIP-890)
const topics = { name: string(), partitions: list(int32()) };

export const AddPartitionsToTxnRequest = message({
  name: 'AddPartitionsToTxnRequest',
  apiKey: 24,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    transactions: array(
      {
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: bool({ fallback: false }),
        topics: array(topics),
      },
      { since: 4 },
    ),
    transactionalId: string({ until: 3 }),
    producerId: int64({ until: 3 }),
    producerEpoch: int16({ until: 3 }),
    topics: array(topics, { until: 3 }),
  },
});

const topicResults = {
  name: string(),
  partitions: array({ index: int32(), errorCode: int16() }),
};

export const AddPartitionsToTxnResponse = message({
  name: 'AddPartitionsToTxnResponse',
  apiKey: 24,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16({ since: 4 }),
    transactions: array({ transactionalId: string(), topics: array(topicResults) }, { since: 4 }),
    topics: array(topicResults, { until: 3 }),
  },
});

export type AddPartitionsToTxnRequest = Infer<typeof AddPartitionsToTxnRequest>;
export type AddPartitionsToTxnResponse = Input<typeof AddPartitionsToTxnResponse>;
