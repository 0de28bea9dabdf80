import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

test.each(
  versionsOf('FindCoordinator'),
)('v%i says that groups are not served, with an error that is not tried again', async (version) => {
  const answer = await ask(door(), 'FindCoordinator', version, { key: 'g', keyType: 0, coordinatorKeys: ['g', 'h'] });
  const errorCode = ERRORS.UNSUPPORTED_VERSION.code;
  if (version >= 4) {
    expect(answer.coordinators.map(({ key }) => key)).toEqual(['g', 'h']);
    for (const coordinator of answer.coordinators) {
      expect(coordinator).toMatchObject({ errorCode, nodeId: -1, errorMessage: 'consumer groups are not served' });
    }
  } else {
    expect(answer).toMatchObject({ errorCode, nodeId: -1 });
  }
});

test('a type of coordinator that does not exist is INVALID_REQUEST', async () => {
  const answer = await ask(door(), 'FindCoordinator', 4, { keyType: 9, coordinatorKeys: ['g'] });
  expect(answer.coordinators[0]?.errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});

test.each(
  versionsOf('FindCoordinator').filter((version) => version >= 1),
)('v%i sends transactional ids here, where InitProducerId refuses them', async (version) => {
  const answer = await ask(door(), 'FindCoordinator', version, { key: 'tx', keyType: 1, coordinatorKeys: ['tx'] });
  const found = version >= 4 ? answer.coordinators[0] : answer;
  expect(found).toMatchObject({ errorCode: 0, nodeId: 7, host: '127.0.0.1', port: 9092 });
});
