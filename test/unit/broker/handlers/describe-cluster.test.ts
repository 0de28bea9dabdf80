import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const BROKERS = 1;

test.each(versionsOf('DescribeCluster'))('v%i names the cluster, its broker and its controller', async (version) => {
  const answer = await ask(door(), 'DescribeCluster', version, {
    includeClusterAuthorizedOperations: true,
    endpointType: BROKERS,
  });
  expect(answer).toMatchObject({
    errorCode: 0,
    errorMessage: null,
    clusterId: 'test',
    controllerId: 7,
    endpointType: BROKERS,
    brokers: [{ brokerId: 7, host: '127.0.0.1', port: 9092, rack: 'zone-a', isFenced: false }],
    clusterAuthorizedOperations: -(2 ** 31),
  });
});

test.each([
  [2, ERRORS.MISMATCHED_ENDPOINT_TYPE.code],
  [3, ERRORS.UNSUPPORTED_ENDPOINT_TYPE.code],
])('endpoint type %i is refused', async (endpointType, errorCode) => {
  const answer = await ask(door(), 'DescribeCluster', 1, { includeClusterAuthorizedOperations: false, endpointType });
  expect(answer).toMatchObject({ errorCode, brokers: [] });
});
