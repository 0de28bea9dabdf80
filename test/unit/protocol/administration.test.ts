/** Bytes of administrators' messages, written out by hand. Kafka 4.2's own classes read and write the same. */
import { expect, test } from 'vitest';
import { APIS, type ApiName } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/codec.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import { fixture } from './fixture.ts';

type Of<N extends ApiName, K extends 'request' | 'response'> = Input<(typeof APIS)[N][K]>;

/** The bytes decode to something with `value` in it, and `value` encodes to the bytes. */
function agree<N extends ApiName, K extends 'request' | 'response'>(
  name: N,
  kind: K,
  version: number,
  value: Of<N, K>,
  ...pieces: string[]
): void {
  const hex = fixture(...pieces);
  const { encode, decode } = codec(APIS[name][kind] as any, version);
  expect(Buffer.concat(encode(value as any)).toString('hex')).toBe(hex);
  expect(decode(Buffer.from(hex, 'hex'))).toMatchObject(value as object);
}

test('ListConfigResources v0 and v1', () => {
  agree('ListConfigResources', 'request', 0, {}, '00');
  agree('ListConfigResources', 'request', 1, { resourceTypes: [2, 32] }, '03 02 20', '00');
  const configResources = [{ name: 'g', resourceType: 32 }];
  agree(
    'ListConfigResources',
    'response',
    1,
    { errorCode: 0, configResources },
    '00000000 0000 02 02',
    "'g'",
    '20 00 00',
  );
  agree(
    'ListConfigResources',
    'response',
    0,
    { errorCode: 0, configResources: [{ name: 'g' }] },
    '00000000 0000 02 02',
    "'g'",
    '00 00',
  );
});

test('ElectLeaders v0 and v2', () => {
  agree('ElectLeaders', 'request', 0, { topics: null, timeoutMs: 1 }, 'ffffffff 00000001');
  agree(
    'ElectLeaders',
    'request',
    2,
    { electionType: 1, topics: [{ name: 't', partitions: [0, 3] }], timeoutMs: 1 },
    '01 02 02', // unclean, one topic
    "'t'",
    '03 00000000 00000003 00',
    '00000001 00',
  );
  agree(
    'ElectLeaders',
    'response',
    0,
    { topics: [{ name: 't', partitions: [{ index: 3, errorCode: 84, errorMessage: 'no' }] }] },
    '00000000 00000001 0001',
    "'t'",
    '00000001 00000003 0054 0002',
    "'no'",
  );
  agree(
    'ElectLeaders',
    'response',
    2,
    { errorCode: 0, topics: [{ name: 't', partitions: [{ index: 3, errorCode: 0, errorMessage: null }] }] },
    '00000000 0000 02 02',
    "'t'",
    '02 00000003 0000 00 00 00 00',
  );
});

test('AlterPartitionReassignments v0 and v1', () => {
  const topics = [
    {
      name: 't',
      partitions: [
        { index: 0, replicas: [1, 2] },
        { index: 1, replicas: null },
      ],
    },
  ];
  const bytes = [
    '02 02',
    "'t'",
    '03 00000000 03 00000001 00000002 00', // to brokers 1 and 2
    '00000001 00 00', // cancelled
    '00 00',
  ];
  agree('AlterPartitionReassignments', 'request', 0, { timeoutMs: 1, topics }, '00000001', ...bytes);
  agree(
    'AlterPartitionReassignments',
    'request',
    1,
    { timeoutMs: 1, allowReplicationFactorChange: false, topics },
    '00000001 00',
    ...bytes,
  );
  agree(
    'AlterPartitionReassignments',
    'response',
    1,
    {
      errorCode: 0,
      errorMessage: null,
      topics: [{ name: 't', partitions: [{ index: 1, errorCode: 85, errorMessage: 'no' }] }],
    },
    '00000000 01 0000 00', // throttle time, factors may change, no error
    '02 02',
    "'t'",
    '02 00000001 0055 03',
    "'no'",
    '00 00 00',
  );
});

test('ListPartitionReassignments v0', () => {
  agree('ListPartitionReassignments', 'request', 0, { timeoutMs: 1, topics: null }, '00000001 00 00');
  agree(
    'ListPartitionReassignments',
    'request',
    0,
    { timeoutMs: 1, topics: [{ name: 't', partitions: [5] }] },
    '00000001 02 02',
    "'t'",
    '02 00000005 00 00',
  );
  agree(
    'ListPartitionReassignments',
    'response',
    0,
    {
      errorCode: 0,
      errorMessage: null,
      topics: [{ name: 't', partitions: [{ index: 5, replicas: [1, 2], addingReplicas: [2], removingReplicas: [] }] }],
    },
    '00000000 0000 00 02 02',
    "'t'",
    '02 00000005 03 00000001 00000002 02 00000002 01 00 00 00',
  );
});

test('DescribeLogDirs v1, v3 and v4', () => {
  agree('DescribeLogDirs', 'request', 1, { topics: null }, 'ffffffff');
  agree(
    'DescribeLogDirs',
    'request',
    4,
    { topics: [{ name: 't', partitions: [0] }] },
    '02 02',
    "'t'",
    '02 00000000 00 00',
  );
  const partitions = [{ index: 0, partitionSize: 258, offsetLag: 1, isFutureKey: false }];
  const dir = { errorCode: 0, logDir: '/d', topics: [{ name: 't', partitions }] };
  agree(
    'DescribeLogDirs',
    'response',
    1,
    { results: [dir] },
    '00000000 00000001 0000 0002',
    "'/d'",
    '00000001 0001',
    "'t'",
    '00000001 00000000 0000000000000102 0000000000000001 00',
  );
  const flexible = ['02 0000 03', "'/d'", '02 02', "'t'", '02 00000000 0000000000000102 0000000000000001 00 00 00'];
  agree('DescribeLogDirs', 'response', 3, { errorCode: 0, results: [dir] }, '00000000 0000', ...flexible, '00 00');
  agree(
    'DescribeLogDirs',
    'response',
    4,
    { errorCode: 0, results: [{ ...dir, totalBytes: 4096, usableBytes: -1 }] },
    '00000000 0000',
    ...flexible,
    '0000000000001000 ffffffffffffffff',
    '00 00',
  );
});

test('DescribeQuorum v0 and v2', () => {
  agree(
    'DescribeQuorum',
    'request',
    2,
    { topics: [{ name: '__cluster_metadata', partitions: [{ index: 0 }] }] },
    '02 13',
    "'__cluster_metadata'",
    '02 00000000 00 00 00',
  );
  const partition = { index: 0, errorCode: 0, leaderId: 1, leaderEpoch: 7, highWatermark: 9 };
  const voter = { replicaId: 1, logEndOffset: 9 };
  agree(
    'DescribeQuorum',
    'response',
    0,
    { errorCode: 0, topics: [{ name: 'm', partitions: [{ ...partition, currentVoters: [voter], observers: [] }] }] },
    '0000 02 02',
    "'m'",
    '02 00000000 0000 00000001 00000007 0000000000000009',
    '02 00000001 0000000000000009 00', // the voter
    '01 00 00 00',
  );
  agree(
    'DescribeQuorum',
    'response',
    2,
    {
      errorCode: 0,
      errorMessage: null,
      topics: [
        {
          name: 'm',
          partitions: [
            {
              ...partition,
              errorMessage: null,
              currentVoters: [
                {
                  ...voter,
                  replicaDirectoryId: 'AAECAwQFBgcICQoLDA0ODw',
                  lastFetchTimestamp: -1,
                  lastCaughtUpTimestamp: 5,
                },
              ],
              observers: [],
            },
          ],
        },
      ],
      nodes: [{ nodeId: 1, listeners: [{ name: 'CONTROLLER', host: 'h', port: 65535 }] }],
    },
    '0000 00 02 02',
    "'m'",
    '02 00000000 0000 00 00000001 00000007 0000000000000009',
    '02 00000001 000102030405060708090a0b0c0d0e0f 0000000000000009 ffffffffffffffff 0000000000000005 00',
    '01 00 00',
    '02 00000001 02 0b',
    "'CONTROLLER'",
    '02',
    "'h'",
    'ffff 00 00 00',
  );
});

test('UpdateFeatures v0 to v2', () => {
  const update = { feature: 'f', maxVersionLevel: 2 };
  agree(
    'UpdateFeatures',
    'request',
    0,
    { timeoutMs: 1, featureUpdates: [{ ...update, allowDowngrade: true }] },
    '00000001 02 02',
    "'f'",
    '0002 01 00 00',
  );
  agree(
    'UpdateFeatures',
    'request',
    2,
    { timeoutMs: 1, featureUpdates: [{ ...update, upgradeType: 3 }], validateOnly: true },
    '00000001 02 02',
    "'f'",
    '0002 03 00 01 00',
  );
  agree(
    'UpdateFeatures',
    'response',
    1,
    { errorCode: 0, errorMessage: null, results: [{ feature: 'f', errorCode: 95, errorMessage: 'no' }] },
    '00000000 0000 00 02 02',
    "'f'",
    '005f 03',
    "'no'",
    '00 00',
  );
  agree('UpdateFeatures', 'response', 2, { errorCode: 95, errorMessage: 'no' }, '00000000 005f 03', "'no'", '00');
});

test('DescribeClientQuotas v0 and v1', () => {
  const components = [
    { entityType: 'user', matchType: 0, match: 'u' },
    { entityType: 'client-id', matchType: 1, match: null },
  ];
  agree(
    'DescribeClientQuotas',
    'request',
    0,
    { components, strict: true },
    '00000002 0004',
    "'user'",
    '00 0001',
    "'u'",
    '0009',
    "'client-id'",
    '01 ffff 01',
  );
  const entries = [
    { entity: [{ entityType: 'user', entityName: null }], values: [{ key: 'producer_byte_rate', value: 1.5 }] },
  ];
  agree(
    'DescribeClientQuotas',
    'response',
    1,
    { errorCode: 0, errorMessage: null, entries },
    '00000000 0000 00 02',
    '02 05',
    "'user'",
    '00 00',
    '02 13',
    "'producer_byte_rate'",
    '3ff8000000000000 00 00 00',
  );
  agree(
    'DescribeClientQuotas',
    'response',
    0,
    { errorCode: 42, errorMessage: 'no', entries: null },
    '00000000 002a 0002',
    "'no'",
    'ffffffff',
  );
});

test('AlterClientQuotas v0 and v1', () => {
  const entity = [{ entityType: 'ip', entityName: '::1' }];
  const ops = [{ key: 'k', value: 2, remove: false }];
  agree(
    'AlterClientQuotas',
    'request',
    0,
    { entries: [{ entity, ops }], validateOnly: false },
    '00000001 00000001 0002',
    "'ip'",
    '0003',
    "'::1'",
    '00000001 0001',
    "'k'",
    '4000000000000000 00 00',
  );
  agree(
    'AlterClientQuotas',
    'response',
    1,
    { entries: [{ errorCode: 0, errorMessage: null, entity }] },
    '00000000 02 0000 00',
    '02 03',
    "'ip'",
    '04',
    "'::1'",
    '00 00 00',
  );
});

test('DescribeProducers v0', () => {
  const topics = [{ name: 't', partitionIndexes: [3] }];
  agree('DescribeProducers', 'request', 0, { topics }, '02 02', "'t'", '02 00000003 00 00');
  const producer = {
    producerId: 5,
    producerEpoch: 2,
    lastSequence: 12,
    lastTimestamp: 1_000,
    coordinatorEpoch: 4,
    currentTxnStartOffset: 7,
  };
  const partitions = [{ index: 3, errorCode: 0, errorMessage: null, activeProducers: [producer] }];
  agree(
    'DescribeProducers',
    'response',
    0,
    { topics: [{ name: 't', partitions }] },
    '00000000 02 02',
    "'t'",
    '02 00000003 0000 00', // one partition without an error
    '02 0000000000000005 00000002 0000000c 00000000000003e8 00000004 0000000000000007 00',
    '00 00 00',
  );
});
