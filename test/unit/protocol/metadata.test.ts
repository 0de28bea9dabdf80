/** Bytes written out by hand from the protocol's description, so that a symmetric mistake cannot hide. */
import { describe, expect, test } from 'vitest';
import { codec } from '../../../src/protocol/codec.ts';
import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/metadata.ts';
import { fixture } from './fixture.ts';

const topicId = 'AAECAwQFBgcICQoLDA0ODw';
const topicIdHex = '000102030405060708090a0b0c0d0e0f';

describe('MetadataRequest', () => {
  const decoded = (version: number, ...pieces: string[]) =>
    codec(MetadataRequest, version).decode(Buffer.from(fixture(...pieces), 'hex'));

  test('v0 asks for all with an empty list, and cannot ask with null', () => {
    expect(decoded(0, '00000000')).toMatchObject({ topics: [], allowAutoTopicCreation: true });
    expect(() => decoded(0, 'ffffffff')).toThrow(/null/);
  });

  test('v1 asks for all with null', () => {
    expect(decoded(1, 'ffffffff').topics).toBeNull();
    expect(decoded(1, '00000001 0006', "'orders'").topics).toMatchObject([{ name: 'orders' }]);
  });

  test('v4 says whether topics may be created, v8 asks for authorized operations', () => {
    expect(decoded(4, 'ffffffff 00')).toMatchObject({ allowAutoTopicCreation: false });
    expect(decoded(8, 'ffffffff 01 01 00')).toMatchObject({
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: false,
    });
  });

  test('v9 is flexible, v12 asks by id and has lost the operations of the cluster', () => {
    expect(decoded(9, '02 07', "'orders'", '00 01 00 01 00').topics).toMatchObject([{ name: 'orders' }]);
    expect(decoded(12, '02', topicIdHex, '00 00 01 01 00')).toEqual({
      topics: [{ topicId, name: null }],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: true,
    });
  });
});

describe('MetadataResponse', () => {
  const value = {
    brokers: [{ nodeId: 1, host: 'b1', port: 9092, rack: 'z' }],
    clusterId: 'c',
    controllerId: 1,
    topics: [
      {
        errorCode: 0,
        name: 'orders',
        topicId,
        partitions: [{ errorCode: 0, index: 2, leaderId: 1, leaderEpoch: 5, replicaNodes: [1], isrNodes: [1] }],
      },
    ],
  };
  const encoded = (version: number) => Buffer.concat(codec(MetadataResponse, version).encode(value)).toString('hex');

  test('v0 has brokers and topics and nothing else', () => {
    expect(encoded(0)).toBe(
      fixture(
        '00000001 00000001 0002',
        "'b1'",
        '00002384',
        '00000001 0000 0006',
        "'orders'",
        '00000001 0000 00000002 00000001',
        '00000001 00000001', // replicas
        '00000001 00000001', // in sync
      ),
    );
  });

  test('v8 has throttle time, rack, cluster id, controller, epochs, offline replicas and operations', () => {
    expect(encoded(8)).toBe(
      fixture(
        '00000000',
        '00000001 00000001 0002',
        "'b1'",
        '00002384 0001',
        "'z'",
        '0001',
        "'c'",
        '00000001',
        '00000001 0000 0006',
        "'orders'",
        '00', // not internal
        '00000001 0000 00000002 00000001 00000005',
        '00000001 00000001 00000001 00000001 00000000',
        '80000000', // operations of the topic: not asked for
        '80000000', // of the cluster
      ),
    );
  });

  test('v13 is flexible, has topic ids and an error code, and no operations of the cluster', () => {
    expect(encoded(13)).toBe(
      fixture(
        '00000000',
        '02 00000001 03',
        "'b1'",
        '00002384 02',
        "'z'",
        '00',
        '02',
        "'c'",
        '00000001',
        '02 0000 07',
        "'orders'",
        topicIdHex,
        '00',
        '02 0000 00000002 00000001 00000005 02 00000001 02 00000001 01 00',
        '80000000 00',
        '0000', // error code
        '00',
      ),
    );
  });
});
