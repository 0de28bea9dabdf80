import { describe, expect, test } from 'vitest';
import {
  decodeAppendAnswer,
  decodeAppendRequest,
  encodeAppendAnswer,
  encodeAppendRequest,
} from '../../../src/journal/append-codec.ts';
import { ByteReader } from '../../../src/journal/byte-reader.ts';
import { ByteWriter } from '../../../src/journal/byte-writer.ts';
import { REFUSAL_MESSAGES } from '../../../src/journal/entry.ts';
import type { AppendAnswer, AppendRequest } from '../../../src/journal/journal.ts';
import { inlineAppend, lane, OTHER_TOPIC, segmentAppend, segmentReference } from './harness.ts';

function encode(request: AppendRequest): Buffer {
  const writer = new ByteWriter();
  const parts = encodeAppendRequest(writer, request);
  return Buffer.concat([writer.view(), ...parts]);
}

const decode = (bytes: Buffer, journal = 0): AppendRequest => decodeAppendRequest(new ByteReader(bytes), journal);

const REQUESTS: [name: string, request: AppendRequest][] = [
  [
    'a segment of two topics',
    segmentAppend(
      { lane: lane(7, 2, 3), number: 9 },
      [
        { partition: 0, batches: [{ count: 3 }, { count: 2, length: 16_384 }] },
        {
          partition: 9_999,
          batches: [{ producerId: 4_000_000_000, producerEpoch: 3, baseSequence: 0, attributes: 0x10 }],
        },
        { topicId: OTHER_TOPIC, partition: 1, batches: [{ maxTimestamp: -1 }, { maxTimestamp: 2 ** 53 - 1 }] },
      ],
      { source: { type: 'segment', segment: segmentReference('s', 100_000) } },
    ),
  ],
  ['an inline body', inlineAppend({ lane: lane(1), number: 0 }, [{ batches: [{ count: 1 }] }], 'z')],
  [
    'conditions and idempotent groups',
    segmentAppend({ lane: lane(1), number: 0 }, [{ batches: [{}, {}, {}] }], {
      conditions: [
        { partitionIndex: 0, batchIndex: 0, expectedOffset: 5 },
        { partitionIndex: 0, batchIndex: 1, transaction: -1 },
        { partitionIndex: 0, batchIndex: 2, expectedOffset: 0, transaction: 12 },
      ],
      idempotency: [{ key: 'ключ', fingerprint: -12_345, batches: [{ partitionIndex: 0, batchIndex: 2 }] }],
    }),
  ],
  ['nothing at all', segmentAppend({ lane: lane(1), number: 3 }, [])],
];

const ANSWER: AppendAnswer = {
  seq: 12,
  entryId: 'ab'.repeat(16),
  inlinePosition: 77,
  answers: [
    [
      { type: 'appended', baseOffset: 1_000, leaderEpoch: 4, logStartOffset: 20 },
      { type: 'appended', baseOffset: 1_003, leaderEpoch: 4, logStartOffset: 20 },
    ],
    [
      { type: 'refused', error: 'OFFSET_MISMATCH', message: REFUSAL_MESSAGES.OFFSET_MISMATCH, nextOffset: 9 },
      { type: 'duplicate', baseOffset: 3, maxTimestamp: 1_763_683_200_000, logStartOffset: 2 },
      { type: 'appended', baseOffset: 9, leaderEpoch: 4, logStartOffset: 2 },
    ],
    [
      {
        type: 'refused',
        error: 'UNKNOWN_TOPIC_OR_PARTITION',
        message: REFUSAL_MESSAGES.UNKNOWN_TOPIC_OR_PARTITION,
        nextOffset: -1,
      },
    ],
    [],
  ],
};

describe('an append on its way to the leader', () => {
  test.each(REQUESTS)('survives a round trip: %s', (_name, request) => {
    expect(decode(encode(request))).toEqual(request);
  });

  test('names the journal that is asked in its descriptions', () => {
    expect(decode(encode(REQUESTS[0]![1]), 5).partitions.map(({ journal }) => journal)).toEqual([5, 5, 5]);
  });

  test.each(REQUESTS)('cut short anywhere it is refused: %s', (_name, request) => {
    const whole = encode(request);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decode(whole.subarray(0, length))).toThrow();
    }
  });

  test('hands the inline body over without copying it', () => {
    const body = Buffer.alloc(100, 'a');
    const request = inlineAppend({ lane: lane(1), number: 0 }, [{ batches: [{}] }]);
    const parts = encodeAppendRequest(new ByteWriter(), {
      ...request,
      source: { type: 'inline', parts: [body], bytes: 100 },
    });
    expect(parts[0]).toBe(body);
  });
});

describe('the answer', () => {
  test('survives a round trip', () => {
    expect(decodeAppendAnswer(encodeAppendAnswer(ANSWER))).toEqual(ANSWER);
  });

  test('cut short anywhere it is refused', () => {
    const whole = encodeAppendAnswer(ANSWER);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeAppendAnswer(whole.subarray(0, length))).toThrow();
    }
  });
});

describe('batches of 16 KB', () => {
  const BATCH_BYTES = 16_384;
  const now = 1_763_683_200_000;

  /** As an ingest of many idempotent producers makes them: one batch a partition, offsets far into the log. */
  function bytesFor(batches: number): number {
    const request = segmentAppend(
      { lane: lane(12, 1, 3), number: 123_456, segmentId: '0001-00000003-0000012-0000000123456' },
      Array.from({ length: batches }, (_, partition) => ({
        partition,
        batches: [
          {
            count: 16,
            length: BATCH_BYTES + partition,
            producerId: 5_000 + 37 * partition,
            baseSequence: 1_000_000 + 16 * partition,
            maxTimestamp: now + partition,
          },
        ],
      })),
    );
    const answers = request.partitions.map(() => [
      { type: 'appended' as const, baseOffset: 2_000_000_000, leaderEpoch: 12, logStartOffset: 1_000_000_000 },
    ]);
    const answer = { seq: 10_000_000, entryId: 'ab'.repeat(16), inlinePosition: 0, answers };
    return encode(request).length + encodeAppendAnswer(answer).length;
  }

  test('take less than 80 bytes each between brokers, in flushes of four and more', () => {
    for (const batches of [4, 8, 80, 500]) expect(bytesFor(batches) / batches).toBeLessThan(80);
  });

  test('take less than 0.3% of what they hold, in flushes of a megabyte', () => {
    expect(bytesFor(64) / (64 * BATCH_BYTES)).toBeLessThan(0.003);
  });
});
