/** Bytes of messages about transactions, written out by hand. */
import { expect, test } from 'vitest';
import { APIS, type ApiName } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/codec.ts';
import { fixture } from './fixture.ts';

/** The bytes decode to something with `value` in it, and `value` encodes to the bytes. */
function agree(name: ApiName, kind: 'request' | 'response', version: number, value: object, ...pieces: string[]): void {
  const hex = fixture(...pieces);
  const { encode, decode } = codec(APIS[name][kind] as any, version);
  expect(Buffer.concat(encode(value as any)).toString('hex')).toBe(hex);
  expect(decode(Buffer.from(hex, 'hex'))).toMatchObject(value);
}

const producer = { producerId: 9, producerEpoch: 3 };

test('AddPartitionsToTxn v0, as librdkafka sends it, and v3', () => {
  const request = { transactionalId: 'tx', ...producer, topics: [{ name: 'a', partitions: [0, 258] }] };
  agree(
    'AddPartitionsToTxn',
    'request',
    0,
    request,
    '0002',
    "'tx'",
    '0000000000000009 0003 00000001 0001',
    "'a'",
    '00000002 00000000 00000102',
  );
  agree(
    'AddPartitionsToTxn',
    'request',
    3,
    request,
    '03',
    "'tx'",
    '0000000000000009 0003 02 02',
    "'a'",
    '03 00000000 00000102 00 00',
  );
  const response = { topics: [{ name: 'a', partitions: [{ index: 2, errorCode: 51 }] }] };
  agree('AddPartitionsToTxn', 'response', 0, response, '00000000 00000001 0001', "'a'", '00000001 00000002 0033');
});

test('AddPartitionsToTxn v4 carries many transactions', () => {
  const topics = [{ name: 'a', partitions: [1] }];
  const request = { transactions: [{ transactionalId: 'tx', ...producer, verifyOnly: true, topics }] };
  agree(
    'AddPartitionsToTxn',
    'request',
    4,
    request,
    '02 03',
    "'tx'",
    '0000000000000009 0003 01 02 02',
    "'a'",
    '02 00000001 00 00 00',
  );
  const results = [{ name: 'a', partitions: [{ index: 1, errorCode: 0 }] }];
  const response = { errorCode: 0, transactions: [{ transactionalId: 'tx', topics: results }] };
  agree(
    'AddPartitionsToTxn',
    'response',
    4,
    response,
    '00000000 0000 02 03',
    "'tx'",
    '02 02',
    "'a'",
    '02 00000001 0000 00 00 00 00',
  );
});

test('AddOffsetsToTxn v0 and v3', () => {
  const request = { transactionalId: 'tx', ...producer, groupId: 'g' };
  agree('AddOffsetsToTxn', 'request', 0, request, '0002', "'tx'", '0000000000000009 0003 0001', "'g'");
  agree('AddOffsetsToTxn', 'request', 3, request, '03', "'tx'", '0000000000000009 0003 02', "'g'", '00');
  agree('AddOffsetsToTxn', 'response', 0, { errorCode: 90 }, '00000000 005a');
});

test('EndTxn v0 and v5, whose answer tells how to go on', () => {
  const request = { transactionalId: 'tx', ...producer, committed: true };
  agree('EndTxn', 'request', 0, request, '0002', "'tx'", '0000000000000009 0003 01');
  agree('EndTxn', 'request', 5, request, '03', "'tx'", '0000000000000009 0003 01 00');
  agree('EndTxn', 'response', 0, { errorCode: 48 }, '00000000 0030');
  agree('EndTxn', 'response', 5, { errorCode: 0, ...producer }, '00000000 0000 0000000000000009 0003 00');
});

test('WriteTxnMarkers v1 and v2', () => {
  const topics = [{ name: 'a', partitionIndexes: [1] }];
  const marker = { ...producer, transactionResult: false, topics, coordinatorEpoch: 4 };
  const bytes = ['02 0000000000000009 0003 00 02 02', "'a'", '02 00000001 00 00000004'];
  agree('WriteTxnMarkers', 'request', 1, { markers: [marker] }, ...bytes, '00 00');
  agree('WriteTxnMarkers', 'request', 2, { markers: [{ ...marker, transactionVersion: 2 }] }, ...bytes, '02 00 00');
});

test('DescribeTransactions v0', () => {
  agree('DescribeTransactions', 'request', 0, { transactionalIds: ['tx'] }, '02 03', "'tx'", '00');
  const state = {
    errorCode: 0,
    transactionalId: 'tx',
    transactionState: 'Ongoing',
    transactionTimeoutMs: 60_000,
    transactionStartTimeMs: 1,
    ...producer,
    topics: [{ name: 'a', partitions: [1] }],
  };
  agree(
    'DescribeTransactions',
    'response',
    0,
    { transactionStates: [state] },
    '00000000 02 0000 03',
    "'tx'",
    '08',
    "'Ongoing'",
    '0000ea60 0000000000000001 0000000000000009 0003 02 02',
    "'a'",
    '02 00000001 00 00 00',
  );
});

test('ListTransactions v0, v1 and v2', () => {
  const filters = { stateFilters: ['Empty'], producerIdFilters: [9] };
  const bytes = ['02 06', "'Empty'", '02 0000000000000009'];
  agree('ListTransactions', 'request', 0, filters, ...bytes, '00');
  agree('ListTransactions', 'request', 1, { ...filters, durationFilter: -1 }, ...bytes, 'ffffffffffffffff 00');
  const two = { ...filters, durationFilter: 1, transactionalIdPattern: 't.' };
  agree('ListTransactions', 'request', 2, two, ...bytes, '0000000000000001 03', "'t.'", '00');
  const three = { ...two, transactionalIdPattern: null };
  agree('ListTransactions', 'request', 2, three, ...bytes, '0000000000000001 00 00');
  const transactionStates = [{ transactionalId: 'tx', producerId: 9, transactionState: 'Empty' }];
  const response = { errorCode: 0, unknownStateFilters: ['X'], transactionStates };
  agree(
    'ListTransactions',
    'response',
    0,
    response,
    '00000000 0000 02 02',
    "'X'",
    '02 03',
    "'tx'",
    '0000000000000009 06',
    "'Empty'",
    '00 00',
  );
});
