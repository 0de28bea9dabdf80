import { expect, test } from 'vitest';
import { API_NAMES, APIS, advertise, apiNameOf, versionsTable } from '../../../src/protocol/apis.ts';

test('request and response of an API agree on key, versions and name', () => {
  for (const name of API_NAMES) {
    const { request, response } = APIS[name];
    expect(request.name).toBe(`${name}Request`);
    expect(response.name).toBe(`${name}Response`);
    expect(response.apiKey).toBe(request.apiKey);
    expect(response.versions).toEqual(request.versions);
    expect(response.flexibleSince).toBe(request.flexibleSince);
  }
});

test('no two APIs share a key', () => {
  expect(new Set(API_NAMES.map((name) => APIS[name].key)).size).toBe(API_NAMES.length);
});

test('an API is found by its key, an unknown key is not', () => {
  expect(apiNameOf(1)).toBe('Fetch');
  expect(apiNameOf(4)).toBeUndefined();
  expect(apiNameOf(-1)).toBeUndefined();
});

test('only what has a handler is advertised, and Produce from version 0', () => {
  expect(advertise(['ApiVersions', 'Produce'])).toEqual([
    { apiKey: 0, minVersion: 0, maxVersion: 13 },
    { apiKey: 18, minVersion: 0, maxVersion: 4 },
  ]);
});

test('the table for the README has a row per API with a handler, by key', () => {
  expect(versionsTable(['DescribeTopicPartitions', 'Produce'])).toBe(
    [
      '| API | key | versions |',
      '|---|---|---|',
      '| Produce | 0 | 3 to 13 |',
      '| DescribeTopicPartitions | 75 | 0 |',
      '',
    ].join('\n'),
  );
});

test('the ranges are those of Kafka 4.2', () => {
  const ranges = Object.fromEntries(API_NAMES.map((name) => [name, [APIS[name].min, APIS[name].max]]));
  expect(ranges).toMatchObject({
    Produce: [3, 13],
    Fetch: [4, 18],
    ListOffsets: [1, 11],
    Metadata: [0, 13],
    OffsetCommit: [2, 10],
    OffsetFetch: [1, 10],
    JoinGroup: [0, 9],
    CreateTopics: [2, 7],
    DeleteTopics: [1, 6],
    InitProducerId: [0, 5],
    OffsetForLeaderEpoch: [2, 4],
    DescribeConfigs: [1, 4],
    WriteTxnMarkers: [1, 2],
    DescribeCluster: [0, 2],
  });
});
