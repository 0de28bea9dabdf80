/** Requests and responses as whole frames: headers of all kinds, ApiVersions with its exceptions. */
import { describe, expect, test } from 'vitest';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  readRequestHeader,
} from '../../../src/protocol/header.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../../src/protocol/messages/api-versions.ts';
import { DeleteGroupsRequest } from '../../../src/protocol/messages/delete-groups.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../../src/protocol/messages/heartbeat.ts';
import { MetadataRequest } from '../../../src/protocol/messages/metadata.ts';
import { OffsetDeleteResponse } from '../../../src/protocol/messages/offset-delete.ts';
import { fixture } from './fixture.ts';

const frame = (...pieces: string[]) => Buffer.from(fixture(...pieces), 'hex');
const hex = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString('hex');

const apiVersionsV3 = [
  '0012 0003 0000002a', // key 18, version 3, correlation id
  '0005', // client id: int16 length in flexible versions, too
  "'kafka'",
  '00', // tags of the header
  '0b',
  "'librdkafka'",
  '06',
  "'2.5.0'",
  '00',
];

describe('request headers', () => {
  test('of version 1 end with the client id', () => {
    const bytes = frame('000c 0003 0000002a 0002', "'c1'", '0001', "'g'", '00000005 0001', "'m'", 'ffff');
    const header = readRequestHeader(bytes);
    expect(header).toEqual({ apiKey: 12, apiVersion: 3, correlationId: 42, clientId: 'c1', end: 12 });
    expect(decodeRequest(HeartbeatRequest, header, bytes)).toEqual({
      groupId: 'g',
      generationId: 5,
      memberId: 'm',
      groupInstanceId: null,
    });
  });

  test('of version 2 carry tags, which are skipped', () => {
    const bytes = frame(...apiVersionsV3);
    const header = readRequestHeader(bytes);
    expect(header).toMatchObject({ apiKey: 18, apiVersion: 3, correlationId: 42, clientId: 'kafka' });
    const body = { clientSoftwareName: 'librdkafka', clientSoftwareVersion: '2.5.0' };
    expect(decodeRequest(ApiVersionsRequest, header, bytes)).toEqual(body);
    const tagged = frame('0012 0003 0000002a ffff 02 00 01 aa 63 02 bbcc', ...apiVersionsV3.slice(4));
    expect(decodeRequest(ApiVersionsRequest, readRequestHeader(tagged), tagged)).toEqual(body);
  });

  test('may have a null client id', () => {
    expect(readRequestHeader(frame('0012 0000 0000002a ffff')).clientId).toBeNull();
  });

  test('are read for keys and versions that nobody knows', () => {
    const header = readRequestHeader(frame('7fff 7fff 0000002a 0000 ffffffffffff'));
    expect(header).toEqual({ apiKey: 32_767, apiVersion: 32_767, correlationId: 42, clientId: '', end: 10 });
  });

  test('cut anywhere are refused', () => {
    const bytes = frame('0012 0003 0000002a 0002', "'c1'");
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readRequestHeader(bytes.subarray(0, length))).toThrow(/request header: .* needed/);
    }
    expect(() => readRequestHeader(frame('0012 0003 0000002a fffe'))).toThrow(/client id of length -2/);
  });

  test('whose tags or body are cut anywhere are refused', () => {
    const bytes = frame(...apiVersionsV3);
    const header = readRequestHeader(bytes);
    for (let length = header.end; length < bytes.length; length++) {
      expect(() => decodeRequest(ApiVersionsRequest, header, bytes.subarray(0, length))).toThrow(/ApiVersionsRequest/);
    }
  });

  test('of librdkafka for all topics have three bytes too many, which are ignored', () => {
    const bytes = frame('0003 000d 00000003 0007', "'rdkafka'", '00', '00 00 00', '00 01 00 00');
    expect(decodeRequest(MetadataRequest, readRequestHeader(bytes), bytes)).toMatchObject({
      topics: null,
      allowAutoTopicCreation: false,
    });
  });

  test('are followed by a bounded number of array elements', () => {
    const bytes = Buffer.concat([frame('002a 0000 0000002a ffff 0003d091'), Buffer.alloc(2 * 250_001)]);
    const decode = () => decodeRequest(DeleteGroupsRequest, readRequestHeader(bytes), bytes);
    expect(decode).toThrow(/array of 250001 where 250000 more are allowed/);
    bytes.writeInt32BE(250_000, 10);
    expect(decode().groupsNames).toHaveLength(250_000);
  });

  test('are written with the size in front', () => {
    const body = { clientSoftwareName: 'librdkafka', clientSoftwareVersion: '2.5.0' };
    const parts = encodeRequest(ApiVersionsRequest, 3, { correlationId: 42, clientId: 'kafka' }, body);
    expect(hex(parts)).toBe(fixture('00000022', ...apiVersionsV3));
    expect(hex(encodeRequest(ApiVersionsRequest, 0, { correlationId: 1, clientId: null }, {}))).toBe(
      fixture('0000000a 0012 0000 00000001 ffff'),
    );
  });
});

describe('response headers', () => {
  test('are a correlation id in fixed versions', () => {
    expect(hex(encodeResponse(HeartbeatResponse, 0, 7, { errorCode: 27 }))).toBe(fixture('00000006 00000007 001b'));
    expect(hex(encodeResponse(OffsetDeleteResponse, 0, 7, { errorCode: 0, topics: [] }))).toBe(
      fixture('0000000e 00000007 0000 00000000 00000000'),
    );
  });

  test('have tags in flexible versions', () => {
    const bytes = fixture('0000000c 00000007 00 00000000 001b 00');
    expect(hex(encodeResponse(HeartbeatResponse, 4, 7, { errorCode: 27 }))).toBe(bytes);
    expect(decodeResponse(HeartbeatResponse, 4, frame(bytes).subarray(4))).toEqual({
      correlationId: 7,
      body: { throttleTimeMs: 0, errorCode: 27 },
    });
  });
});

describe('ApiVersionsResponse', () => {
  const apiKeys = [
    { apiKey: 0, minVersion: 0, maxVersion: 13 },
    { apiKey: 18, minVersion: 0, maxVersion: 4 },
  ];

  test('v0 carries an error and the ranges: the answer to an unknown version', () => {
    expect(hex(encodeResponse(ApiVersionsResponse, 0, 42, { errorCode: 35, apiKeys }))).toBe(
      fixture('00000016 0000002a 0023 00000002 0000 0000 000d 0012 0000 0004'),
    );
  });

  test('v3 is flexible, its features are tags, and its header is not flexible', () => {
    const value = {
      errorCode: 0,
      apiKeys,
      finalizedFeaturesEpoch: 0,
      supportedFeatures: [{ name: 'f', minVersion: 1, maxVersion: 2 }],
      finalizedFeatures: [{ name: 'f', maxVersionLevel: 2, minVersionLevel: 1 }],
    };
    const body = [
      '0000 03 0000 0000 000d 00 0012 0000 0004 00 00000000',
      '03', // three tags
      '00 08 02 02',
      "'f'",
      '0001 0002 00',
      '01 08 0000000000000000', // epoch
      '02 08 02 02',
      "'f'",
      '0002 0001 00',
    ];
    const parts = encodeResponse(ApiVersionsResponse, 3, 42, value);
    expect(hex(parts)).toBe(fixture('00000038 0000002a', ...body));
    expect(decodeResponse(ApiVersionsResponse, 3, Buffer.concat(parts).subarray(4))).toEqual({
      correlationId: 42,
      body: { ...value, throttleTimeMs: 0, zkMigrationReady: false },
    });
  });

  test('v3 without features has no tags', () => {
    expect(hex(encodeResponse(ApiVersionsResponse, 3, 42, { errorCode: 0, apiKeys: [] }))).toBe(
      fixture('0000000c 0000002a 0000 01 00000000 00'),
    );
  });
});
