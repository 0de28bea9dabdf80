/** Bytes as Kafka 4.2's own message classes write them, taken apart by hand. */
import { expect, test } from 'vitest';
import { codec } from '../../../src/protocol/codec.ts';
import {
  AlterShareGroupOffsetsRequest,
  AlterShareGroupOffsetsResponse,
} from '../../../src/protocol/messages/alter-share-group-offsets.ts';
import {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse,
} from '../../../src/protocol/messages/delete-share-group-offsets.ts';
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse,
} from '../../../src/protocol/messages/describe-share-group-offsets.ts';
import { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from '../../../src/protocol/messages/share-acknowledge.ts';
import { ShareFetchRequest, ShareFetchResponse } from '../../../src/protocol/messages/share-fetch.ts';
import {
  ShareGroupDescribeRequest,
  ShareGroupDescribeResponse,
} from '../../../src/protocol/messages/share-group-describe.ts';
import {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse,
} from '../../../src/protocol/messages/share-group-heartbeat.ts';
import type { Input, Message } from '../../../src/protocol/schema.ts';
import { fixture } from './fixture.ts';

const topicId = 'AAECAwQFBgcICQoLDA0ODw';
const topicIdHex = '000102030405060708090a0b0c0d0e0f';

/** The bytes decode to something with `value` in it, and `value` encodes to the bytes. */
function agree<M extends Message>(message: M, version: number, value: Input<M>, ...pieces: string[]): void {
  const hex = fixture(...pieces);
  const { encode, decode } = codec(message, version);
  expect(Buffer.concat(encode(value)).toString('hex')).toBe(hex);
  expect(decode(Buffer.from(hex, 'hex'))).toMatchObject(value as object);
}

test('ShareGroupHeartbeat v1', () => {
  agree(
    ShareGroupHeartbeatRequest,
    1,
    { groupId: 'g1', memberId: 'm1', memberEpoch: 0, rackId: 'z1', subscribedTopicNames: ['orders'] },
    '03',
    "'g1'",
    '03',
    "'m1'",
    '00000000', // joins
    '03',
    "'z1'",
    '02 07',
    "'orders'",
    '00',
  );
  agree(
    ShareGroupHeartbeatResponse,
    1,
    {
      errorCode: 0,
      memberId: 'm1',
      memberEpoch: 3,
      heartbeatIntervalMs: 5_000,
      assignment: { topicPartitions: [{ topicId, partitions: [0, 2] }] },
    },
    '00000000 0000 00 03', // throttle time, no error
    "'m1'",
    '00000003 00001388',
    '01 02', // an assignment, one topic
    topicIdHex,
    '03 00000000 00000002 00',
    '00 00',
  );
  agree(
    ShareGroupHeartbeatResponse,
    1,
    { errorCode: 110 },
    '00000000 006e 00 00 00000000 00000000',
    'ff', // no assignment
    '00',
  );
});

test('ShareGroupDescribe v1', () => {
  agree(
    ShareGroupDescribeRequest,
    1,
    { groupIds: ['g1'], includeAuthorizedOperations: true },
    '02 03',
    "'g1'",
    '01 00',
  );
  agree(
    ShareGroupDescribeResponse,
    1,
    {
      groups: [
        {
          errorCode: 0,
          groupId: 'g1',
          groupState: 'Stable',
          groupEpoch: 4,
          assignmentEpoch: 3,
          assignorName: 'simple',
          members: [
            {
              memberId: 'm1',
              memberEpoch: 3,
              clientId: 'c1',
              clientHost: '/h',
              subscribedTopicNames: ['orders'],
              assignment: { topicPartitions: [{ topicId, topicName: 'orders', partitions: [1] }] },
            },
          ],
        },
      ],
    },
    '00000000 02 0000 00 03',
    "'g1'",
    '07',
    "'Stable'",
    '00000004 00000003 07',
    "'simple'",
    '02 03',
    "'m1'",
    '00 00000003 03', // no rack
    "'c1'",
    '03',
    "'/h'",
    '02 07',
    "'orders'",
    '02',
    topicIdHex,
    '07',
    "'orders'",
    '02 00000001 00 00 00',
    '80000000 00 00', // authorized operations not asked for
  );
});

const acknowledgementBatches = [{ firstOffset: 258, lastOffset: 260, acknowledgeTypes: [1, 2, 3] }];

test('ShareFetchRequest v1, and in v2 an acquire mode and whether locks are renewed', () => {
  const request = {
    groupId: 'g1',
    memberId: 'm1',
    shareSessionEpoch: 1,
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 1_048_576,
    maxRecords: 500,
    batchSize: 100,
    topics: [{ topicId, partitions: [{ index: 2, acknowledgementBatches }] }],
    forgottenTopics: [{ topicId, partitions: [5] }],
  };
  const head = ['03', "'g1'", '03', "'m1'", '00000001 000001f4 00000001 00100000 000001f4 00000064'];
  const tail = [
    '02',
    topicIdHex,
    '02 00000002',
    '02 0000000000000102 0000000000000104 04 01 02 03 00',
    '00 00',
    '02',
    topicIdHex,
    '02 00000005 00',
    '00',
  ];
  agree(ShareFetchRequest, 1, request, ...head, ...tail);
  agree(ShareFetchRequest, 2, { ...request, shareAcquireMode: 1, isRenewAck: true }, ...head, '01 01', ...tail);
});

test.each([1, 2])('ShareFetchResponse v%i', (version) => {
  agree(
    ShareFetchResponse,
    version,
    {
      errorCode: 0,
      acquisitionLockTimeoutMs: 30_000,
      topics: [
        {
          topicId,
          partitions: [
            {
              index: 2,
              errorCode: 0,
              acknowledgeErrorCode: 121,
              acknowledgeErrorMessage: 'no',
              currentLeader: { leaderId: 7, leaderEpoch: 4 },
              records: Buffer.of(1, 2, 3),
              acquiredRecords: [{ firstOffset: 258, lastOffset: 260, deliveryCount: 2 }],
            },
          ],
        },
      ],
      nodeEndpoints: [{ nodeId: 7, host: 'h', port: 9092 }],
    },
    '00000000 0000 00 00007530', // throttle time, no error, lock timeout
    '02',
    topicIdHex,
    '02 00000002 0000 00',
    '0079 03',
    "'no'",
    '00000007 00000004 00',
    '04 010203',
    '02 0000000000000102 0000000000000104 0002 00',
    '00 00',
    '02 00000007 02',
    "'h'",
    '00002384 00 00',
    '00',
  );
});

test('ShareAcknowledge v1, and in v2 whether locks are renewed and for how long', () => {
  const request = {
    groupId: 'g1',
    memberId: 'm1',
    shareSessionEpoch: -1,
    topics: [
      {
        topicId,
        partitions: [
          { index: 2, acknowledgementBatches: [{ firstOffset: 258, lastOffset: 260, acknowledgeTypes: [4] }] },
        ],
      },
    ],
  };
  const head = ['03', "'g1'", '03', "'m1'", 'ffffffff'];
  const tail = ['02', topicIdHex, '02 00000002', '02 0000000000000102 0000000000000104 02 04 00', '00 00', '00'];
  agree(ShareAcknowledgeRequest, 1, request, ...head, ...tail);
  agree(ShareAcknowledgeRequest, 2, { ...request, isRenewAck: true }, ...head, '01', ...tail);

  const response = {
    errorCode: 0,
    topics: [
      {
        topicId,
        partitions: [{ index: 2, errorCode: 6, errorMessage: 'no', currentLeader: { leaderId: 7, leaderEpoch: 4 } }],
      },
    ],
    nodeEndpoints: [{ nodeId: 7, host: 'h', port: 9092, rack: 'z' }],
  };
  const answer = [
    '02',
    topicIdHex,
    '02 00000002 0006 03',
    "'no'",
    '00000007 00000004 00',
    '00 00',
    '02 00000007 02',
    "'h'",
    '00002384 02',
    "'z'",
    '00',
    '00',
  ];
  agree(ShareAcknowledgeResponse, 1, response, '00000000 0000 00', ...answer);
  agree(
    ShareAcknowledgeResponse,
    2,
    { ...response, acquisitionLockTimeoutMs: 30_000 },
    '00000000 0000 00 00007530',
    ...answer,
  );
});

test('DescribeShareGroupOffsets v0, and in v1 the lag', () => {
  const request = {
    groups: [
      { groupId: 'g1', topics: null },
      { groupId: 'g2', topics: [{ name: 'orders', partitions: [0] }] },
    ],
  };
  const asked = ['03 03', "'g1'", '00 00', '03', "'g2'", '02 07', "'orders'", '02 00000000 00 00', '00'];
  const partition = { index: 1, startOffset: 258, leaderEpoch: 4 };
  const groups = (more: object) => [
    { groupId: 'g1', topics: [{ name: 'orders', topicId, partitions: [{ ...partition, ...more }] }] },
  ];
  const head = ['00000000 02 03', "'g1'", '02 07', "'orders'", topicIdHex, '02 00000001 0000000000000102 00000004'];
  const tail = ['0000 00 00', '00', '0000 00 00', '00'];
  for (const version of [0, 1]) agree(DescribeShareGroupOffsetsRequest, version, request, ...asked);
  agree(DescribeShareGroupOffsetsResponse, 0, { groups: groups({}) }, ...head, ...tail);
  agree(DescribeShareGroupOffsetsResponse, 1, { groups: groups({ lag: 9 }) }, ...head, '0000000000000009', ...tail);
});

test('AlterShareGroupOffsets v0', () => {
  agree(
    AlterShareGroupOffsetsRequest,
    0,
    { groupId: 'g1', topics: [{ name: 'orders', partitions: [{ index: 1, startOffset: 258 }] }] },
    '03',
    "'g1'",
    '02 07',
    "'orders'",
    '02 00000001 0000000000000102 00 00 00',
  );
  agree(
    AlterShareGroupOffsetsResponse,
    0,
    { topics: [{ name: 'orders', topicId, partitions: [{ index: 1, errorCode: 3, errorMessage: 'no' }] }] },
    '00000000 0000 00 02 07',
    "'orders'",
    topicIdHex,
    '02 00000001 0003 03',
    "'no'",
    '00 00 00',
  );
});

test('DeleteShareGroupOffsets v0', () => {
  agree(
    DeleteShareGroupOffsetsRequest,
    0,
    { groupId: 'g1', topics: [{ name: 'orders' }] },
    '03',
    "'g1'",
    '02 07',
    "'orders'",
    '00 00',
  );
  agree(
    DeleteShareGroupOffsetsResponse,
    0,
    { errorCode: 68, errorMessage: 'no', topics: [{ name: 'orders', topicId }] },
    '00000000 0044 03',
    "'no'",
    '02 07',
    "'orders'",
    topicIdHex,
    '0000 00 00 00',
  );
});
