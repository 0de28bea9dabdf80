/** Bytes written out by hand from the protocol's description, so that a symmetric mistake cannot hide. */
import { describe, expect, test } from 'vitest';
import { codec } from '../../../src/protocol/codec.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/produce.ts';
import { fixture } from './fixture.ts';

const topicId = 'AAECAwQFBgcICQoLDA0ODw';
const topicIdHex = '000102030405060708090a0b0c0d0e0f';
const zeroId = 'AAAAAAAAAAAAAAAAAAAAAA';

describe('ProduceRequest', () => {
  const v3 = fixture(
    'ffff', // transactional id: null
    'ffff', // acks: -1
    '00007530', // timeout
    '00000001', // one topic
    '0006',
    "'orders'",
    '00000001', // one partition
    '00000002', // index
    '00000003 aabbcc', // records
  );
  const v9 = fixture(
    '00', // transactional id: null
    'ffff',
    '00007530',
    '02', // one topic
    '07',
    "'orders'",
    '02', // one partition
    '00000002',
    '04 aabbcc', // records
    '00', // tags of the partition
    '00', // of the topic
    '00', // of the request
  );
  const v13 = fixture('04', "'txn'", '0001 00007530 02', topicIdHex, '02 00000002 00 00 00 00');

  const request = (topic: { name: string; topicId: string }) => ({
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topics: [{ ...topic, partitions: [{ index: 2, records: Buffer.from('aabbcc', 'hex') }] }],
  });

  test.each([3, 5, 7, 8])('v%i has int16 and int32 lengths', (version) => {
    const { encode, decode } = codec(ProduceRequest, version);
    const value = request({ name: 'orders', topicId: zeroId });
    expect(Buffer.concat(encode(value)).toString('hex')).toBe(v3);
    expect(decode(Buffer.from(v3, 'hex'))).toEqual(value);
  });

  test.each([9, 10, 11, 12])('v%i has compact lengths and tags', (version) => {
    const { encode, decode } = codec(ProduceRequest, version);
    const value = request({ name: 'orders', topicId: zeroId });
    expect(Buffer.concat(encode(value)).toString('hex')).toBe(v9);
    expect(decode(Buffer.from(v9, 'hex'))).toEqual(value);
  });

  test('v13 names topics by id; records may be null', () => {
    const { encode, decode } = codec(ProduceRequest, 13);
    const value = {
      transactionalId: 'txn',
      acks: 1,
      timeoutMs: 30_000,
      topics: [{ name: '', topicId, partitions: [{ index: 2, records: null }] }],
    };
    expect(Buffer.concat(encode(value)).toString('hex')).toBe(v13);
    expect(decode(Buffer.from(v13, 'hex'))).toEqual(value);
  });

  test('decodes records to a view of the frame', () => {
    const frame = Buffer.from(v9, 'hex');
    const { records } = codec(ProduceRequest, 9).decode(frame).topics[0]!.partitions[0]!;
    expect(records?.buffer).toBe(frame.buffer);
    expect(records?.byteOffset).toBe(frame.byteOffset + frame.indexOf('aabbcc', 0, 'hex'));
  });
});

describe('ProduceResponse', () => {
  const partition = { index: 2, errorCode: 0, baseOffset: 42, logAppendTimeMs: -1, logStartOffset: 7 };
  const encoded = (version: number, value: ProduceResponse) =>
    Buffer.concat(codec(ProduceResponse, version).encode(value)).toString('hex');

  const topics = [{ name: 'orders', topicId, partitions: [partition] }];
  const fixed = ['00000001 0006', "'orders'", '00000001 00000002 0000', '000000000000002a', 'ffffffffffffffff'];

  test('v3 and v4 have no log start offset', () => {
    for (const version of [3, 4]) expect(encoded(version, { topics })).toBe(fixture(...fixed, '00000000'));
  });

  test('v5 to v7 have one', () => {
    for (const version of [5, 6, 7]) {
      expect(encoded(version, { topics, throttleTimeMs: 9 })).toBe(fixture(...fixed, '0000000000000007', '00000009'));
    }
  });

  test('v8 has errors of records', () => {
    const recordErrors = [{ batchIndex: 1, message: 'no' }, { batchIndex: 3 }];
    const refused = [{ name: 'orders', partitions: [{ ...partition, recordErrors, errorMessage: 'bad' }] }];
    const errors = ['00000002', '00000001 0002', "'no'", '00000003 ffff', '0003', "'bad'"];
    expect(encoded(8, { topics: refused })).toBe(fixture(...fixed, '0000000000000007', ...errors, '00000000'));
  });

  test('v9 is flexible, v13 has topic ids', () => {
    const rest = ['02 00000002 0000', '000000000000002a', 'ffffffffffffffff', '0000000000000007', '01 00 00', '00'];
    expect(encoded(9, { topics })).toBe(fixture('02 07', "'orders'", ...rest, '00000000 00'));
    expect(encoded(13, { topics })).toBe(fixture('02', topicIdHex, ...rest, '00000000 00'));
  });

  test('v10 tells where the leader is, in tags', () => {
    const moved = { ...partition, errorCode: 6, currentLeader: { leaderId: 1, leaderEpoch: 5 } };
    const value = {
      topics: [{ name: 'orders', partitions: [moved] }],
      nodeEndpoints: [{ nodeId: 1, host: 'b1', port: 9092, rack: 'z' }],
    };
    expect(encoded(10, value)).toBe(
      fixture(
        '02 07',
        "'orders'",
        '02 00000002 0006 000000000000002a ffffffffffffffff 0000000000000007 01 00',
        '01', // one tag of the partition
        '00 09 00000001 00000005 00', // tag 0, 9 bytes
        '00',
        '00000000',
        '01', // one tag of the response
        '00 0f', // tag 0, 15 bytes
        '02 00000001 03',
        "'b1'",
        '00002384 02',
        "'z'",
        '00',
      ),
    );
    expect(encoded(9, value)).not.toContain(fixture("'b1'"));
  });
});
