import { expect, test } from 'vitest';
import { consumerAssignment } from '../../../../src/coordinator/group/group-details.ts';

/** Version 0, `orders` with partitions 0 and 2, `b` with none, user data that is not looked at. */
const BYTES = Buffer.from(
  '0000' +
    '00000002' +
    '0006' +
    '6f7264657273' +
    '00000002' +
    '00000000' +
    '00000002' +
    '0001' +
    '62' +
    '00000000' +
    'ffffffff',
  'hex',
);

test('the assignment of a consumer is read', () => {
  expect(consumerAssignment(BYTES)).toEqual([
    { topic: 'orders', partitions: [0, 2] },
    { topic: 'b', partitions: [] },
  ]);
});

test('every truncation, and bytes that are something else, assign nothing', () => {
  const end = BYTES.length - 4; // User data.
  for (let length = 0; length < end; length++) expect(consumerAssignment(BYTES.subarray(0, length))).toEqual([]);
  expect(consumerAssignment(Buffer.from('00007fffffff', 'hex'))).toEqual([]);
  expect(consumerAssignment(Buffer.from('{"assigned":"by a worker"}'))).toEqual([]);
});
