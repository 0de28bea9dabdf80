import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const here = { errorCode: 0, nodeId: 7, host: '127.0.0.1', port: 9092 };
const nowhere = { nodeId: -1, host: '', port: -1 };
const versions = versionsOf('FindCoordinator');

test.each(versions)('v%i sends groups to this broker', async (version) => {
  const answer = await ask(door(), 'FindCoordinator', version, { key: 'g', keyType: 0, coordinatorKeys: ['g', 'h'] });
  if (version < 4) expect(answer).toMatchObject(here);
  else
    expect(answer.coordinators).toMatchObject([
      { key: 'g', ...here },
      { key: 'h', ...here },
    ]);
});

test.each(versions.filter((version) => version >= 1))('v%i sends transactional ids to this broker', async (version) => {
  const answer = await ask(door(), 'FindCoordinator', version, { key: 'tx', keyType: 1, coordinatorKeys: ['tx'] });
  expect(version >= 4 ? answer.coordinators[0] : answer).toMatchObject(here);
});

test.each(versions)('v%i refuses an empty group id with INVALID_GROUP_ID', async (version) => {
  const answer = await ask(door(), 'FindCoordinator', version, { key: '', keyType: 0, coordinatorKeys: ['', 'g'] });
  const errorCode = ERRORS.INVALID_GROUP_ID.code;
  if (version < 4) expect(answer).toMatchObject({ ...nowhere, errorCode });
  else
    expect(answer.coordinators).toMatchObject([
      { key: '', ...nowhere, errorCode },
      { key: 'g', ...here },
    ]);
});

test('v6 sends share partitions to this broker, and refuses keys that are none', async () => {
  const keys = ['queue:AAAAAAAAQACAAAAAAAAAAA:0', 'with:colons:AAAAAAAAQACAAAAAAAAAAA:12', 'queue', 'queue:x:0', ':::'];
  const answer = await ask(door(), 'FindCoordinator', 6, { keyType: 2, coordinatorKeys: keys });
  expect(answer.coordinators.map(({ errorCode }) => errorCode)).toEqual([0, 0, 42, 42, 42]);
});

test('share partitions are unknown before v6', async () => {
  const answer = await ask(door(), 'FindCoordinator', 5, {
    keyType: 2,
    coordinatorKeys: ['g:AAAAAAAAQACAAAAAAAAAAA:0'],
  });
  expect(answer.coordinators[0]?.errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});

test('a type of coordinator that does not exist is INVALID_REQUEST', async () => {
  const answer = await ask(door(), 'FindCoordinator', 4, { keyType: 9, coordinatorKeys: ['g'] });
  expect(answer.coordinators[0]?.errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});
