/** Bytes written out by hand from the protocol's description, so that a symmetric mistake cannot hide. */
import { describe, expect, test } from 'vitest';
import { codec } from '../../../src/protocol/codec.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/fetch.ts';
import { fixture } from './fixture.ts';

const topicId = 'AAECAwQFBgcICQoLDA0ODw';
const topicIdHex = '000102030405060708090a0b0c0d0e0f';

describe('FetchRequest', () => {
  test('v4 is what the oldest clients send', () => {
    const hex = fixture(
      'ffffffff', // replica id
      '000001f4 00000001 03200000', // max wait, min bytes, max bytes
      '01', // isolation level
      '00000001 0006',
      "'orders'",
      '00000001',
      '00000002 0000000000000102 00100000', // index, fetch offset, max bytes of the partition
    );
    expect(codec(FetchRequest, 4).decode(Buffer.from(hex, 'hex'))).toMatchObject({
      replicaId: -1,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 52_428_800,
      isolationLevel: 1,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          name: 'orders',
          partitions: [{ index: 2, fetchOffset: 258, partitionMaxBytes: 1_048_576, currentLeaderEpoch: -1 }],
        },
      ],
      forgottenTopics: [],
      rackId: '',
    });
  });

  test('v11 has sessions, leader epochs, the log start offset, forgotten topics and a rack', () => {
    const hex = fixture(
      'ffffffff 000001f4 00000001 03200000 00',
      '00000007 00000003', // session id, session epoch
      '00000001 0006',
      "'orders'",
      '00000001 00000002 00000004 0000000000000102 ffffffffffffffff 00100000',
      '00000001 0003', // forgotten
      "'old'",
      '00000002 00000000 00000005',
      '0002',
      "'z1'",
    );
    const { encode, decode } = codec(FetchRequest, 11);
    const value = decode(Buffer.from(hex, 'hex'));
    expect(value).toMatchObject({ sessionId: 7, sessionEpoch: 3, rackId: 'z1' });
    expect(value.topics[0]?.partitions[0]).toMatchObject({ currentLeaderEpoch: 4, logStartOffset: -1 });
    expect(value.forgottenTopics).toMatchObject([{ name: 'old', partitions: [0, 5] }]);
    expect(Buffer.concat(encode(value)).toString('hex')).toBe(hex);
  });

  test('v12 is flexible and still has names; its cluster id is a tag', () => {
    const hex = fixture(
      'ffffffff 000001f4 00000001 03200000 00 00000000 ffffffff',
      '02 07',
      "'orders'",
      '02 00000002 00000004 0000000000000102 ffffffff ffffffffffffffff 00100000 00', // last fetched epoch after the offset
      '00',
      '01', // nothing forgotten
      '01', // empty rack
      '01 00 03 03', // tag 0, 3 bytes
      "'c1'",
    );
    const { encode, decode } = codec(FetchRequest, 12);
    const value = decode(Buffer.from(hex, 'hex'));
    expect(value).toMatchObject({ clusterId: 'c1', topics: [{ name: 'orders', topicId: 'A'.repeat(22) }] });
    expect(Buffer.concat(encode(value)).toString('hex')).toBe(hex);
  });

  test('v18 has topic ids, and everything of replicas in tags', () => {
    const hex = fixture(
      '000001f4 00000001 03200000 00 00000000 ffffffff',
      '02',
      topicIdHex,
      '02 00000002 00000004 0000000000000102 ffffffff ffffffffffffffff 00100000',
      '02', // two tags of the partition
      '00 10',
      topicIdHex, // directory id
      '01 08 0000000000000200', // high watermark
      '00',
      '01',
      '01',
      '01', // one tag of the request
      '01 0d 00000003 0000000000000009 00', // replica state
    );
    const { encode, decode } = codec(FetchRequest, 18);
    const value = decode(Buffer.from(hex, 'hex'));
    expect(value).toMatchObject({
      replicaId: -1,
      replicaState: { replicaId: 3, replicaEpoch: 9 },
      topics: [{ name: '', topicId, partitions: [{ replicaDirectoryId: topicId, highWatermark: 512 }] }],
    });
    expect(Buffer.concat(encode(value)).toString('hex')).toBe(hex);
  });
});

describe('FetchResponse', () => {
  const records = [Buffer.from('aabb', 'hex'), Buffer.from('cc', 'hex')];
  const partition = { index: 2, errorCode: 0, highWatermark: 258, lastStableOffset: 257, logStartOffset: 7, records };
  const value = { topics: [{ name: 'orders', topicId, partitions: [partition] }] };
  const encoded = (version: number, response: FetchResponse) =>
    Buffer.concat(codec(FetchResponse, version).encode(response)).toString('hex');

  test('v4 has aborted transactions, null for read_uncommitted', () => {
    const start = ['00000000 00000001 0006', "'orders'", '00000001 00000002 0000 0000000000000102 0000000000000101'];
    expect(encoded(4, value)).toBe(fixture(...start, 'ffffffff', '00000003 aabbcc'));
    const abortedTransactions = [{ producerId: 5, firstOffset: 6 }];
    const aborted = { topics: [{ name: 'orders', partitions: [{ ...partition, abortedTransactions }] }] };
    expect(encoded(4, aborted)).toBe(
      fixture(...start, '00000001 0000000000000005 0000000000000006', '00000003 aabbcc'),
    );
  });

  test('v11 has an error and a session of the whole, log start offset and preferred replica', () => {
    expect(encoded(11, value)).toBe(
      fixture(
        '00000000 0000 00000000',
        '00000001 0006',
        "'orders'",
        '00000001 00000002 0000 0000000000000102 0000000000000101 0000000000000007',
        'ffffffff', // aborted transactions
        'ffffffff', // preferred read replica
        '00000003 aabbcc',
      ),
    );
  });

  test('v16 is flexible, has topic ids, and tells of leaders in tags', () => {
    const start = [
      '00000000 0000 00000000 02',
      topicIdHex,
      '02 00000002 0000 0000000000000102 0000000000000101 0000000000000007',
      '00', // aborted transactions
      'ffffffff',
      '04 aabbcc',
    ];
    expect(encoded(16, value)).toBe(fixture(...start, '00', '00', '00'));
    const moved = {
      topics: [
        {
          topicId,
          partitions: [
            {
              ...partition,
              divergingEpoch: { epoch: 1, endOffset: 2 },
              currentLeader: { leaderId: 3, leaderEpoch: 4 },
              snapshotId: { endOffset: 5, epoch: 6 },
            },
          ],
        },
      ],
      nodeEndpoints: [{ nodeId: 3, host: 'b3', port: 9092 }],
    };
    expect(encoded(16, moved)).toBe(
      fixture(
        ...start,
        '03',
        '00 0d 00000001 0000000000000002 00',
        '01 09 00000003 00000004 00',
        '02 0d 0000000000000005 00000006 00',
        '00',
        '01 00 0e 02 00000003 03',
        "'b3'",
        '00002384 00 00',
      ),
    );
  });

  test('hands the parts of the records on uncopied', () => {
    const parts = codec(FetchResponse, 16).encode(value);
    expect(parts).toHaveLength(4);
    expect(parts[1]).toBe(records[0]);
    expect(parts[2]).toBe(records[1]);
    expect(parts[3]).toEqual(Buffer.alloc(3));
  });
});
