import { expect, test } from 'vitest';
import { StartupError, StorageCorruptError } from '../../../src/errors.ts';
import type { Command, Entry } from '../../../src/journal/entry.ts';
import { decodeBody, decodeEntry, EntryEncoder, encodeEntry } from '../../../src/journal/entry-codec.ts';
import { ENTRY_DESCRIBED_BYTES_MAX } from '../../../src/limits.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { lane, partitionBatches, segmentReference, TOPIC } from './harness.ts';

const ID = '00112233445566778899aabbccddeeff';
const TIMESTAMP = 1_763_683_200_000;

const extent = {
  baseOffset: 10,
  endOffset: 20,
  source: { type: 'segment' as const, segmentId: 'merged' },
  position: 5,
  length: 100,
  batchCount: 2,
  maxTimestamp: TIMESTAMP - 5,
  leaderEpoch: 3,
  absolute: true,
  appendedAt: TIMESTAMP - 10,
};

const COMMANDS: readonly Command[] = [
  { type: 'epochStarted', epoch: 4, brokerId: 7, brokerEpoch: 12 },
  { type: 'partitionsCreated', topicId: TOPIC, partitions: [0, 1, 9_999] },
  { type: 'partitionsDeleted', topicId: TOPIC, partitions: [1] },
  {
    type: 'appended',
    lane: lane(12, 3, 7),
    number: 5,
    source: { type: 'segment', segment: segmentReference('s') },
    batches: {
      type: 'described',
      partitions: partitionBatches([
        {
          partition: 0,
          batches: [{ count: 2, producerId: 77, producerEpoch: 3, baseSequence: 12 }, { maxTimestamp: -1 }],
        },
        { partition: 3, batches: [{ length: 61, attributes: 4 }] },
      ]),
    },
    exceptions: [
      { type: 'duplicate', index: 0, baseOffset: 3, maxTimestamp: TIMESTAMP },
      { type: 'refused', index: 2, error: 'UNKNOWN_TOPIC_OR_PARTITION', nextOffset: -1 },
    ],
    groups: [{ key: 'clé', fingerprint: 0xffffffff, batches: [0, 2] }],
  },
  {
    type: 'appended',
    lane: lane(12, 3, 7),
    number: 6,
    source: { type: 'inline', position: 17, length: 200 },
    batches: { type: 'footer', batchCount: 1_234 },
    exceptions: [],
    groups: [],
  },
  { type: 'laneSkipped', lane: lane(12, 3, 7), number: 7 },
  {
    type: 'merged',
    segments: [segmentReference('merged')],
    swaps: [{ topicId: TOPIC, partition: 0, removeFrom: 10, removeCount: 3, add: [extent] }],
  },
  { type: 'logStartAdvanced', topicId: TOPIC, partition: 0, logStartOffset: 15 },
  { type: 'condemned', segmentIds: ['s', 't'] },
  { type: 'forgotten', segmentIds: ['s'] },
  { type: 'expired', before: TIMESTAMP - 86_400_000, keysBefore: TIMESTAMP - 600_000 },
  { type: 'producerIdsAllocated', first: 1_000, count: 1_000 },
  {
    type: 'recordsChanged',
    owner: 'group/a',
    changes: [
      { key: 'k', value: 'v' },
      { key: 'l', value: null },
    ],
  },
  { type: 'transactionGuarded', topicId: TOPIC, partition: 3, producerId: 1_000, producerEpoch: 7, transaction: 300 },
  {
    type: 'transactionMarked',
    topicId: TOPIC,
    partition: 3,
    producerId: 1_000,
    producerEpoch: 8,
    coordinatorEpoch: 4,
    transaction: 300,
    committed: true,
    position: 78,
  },
];

const entry = (commands: readonly Command[], body = Buffer.alloc(0)): Entry => ({
  seq: 42,
  id: ID,
  epoch: 4,
  timestamp: TIMESTAMP,
  commands,
  body,
});

/** Changes bytes and makes the checksum right again. */
function tampered(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  copy.writeUInt32LE(crc32c(copy.subarray(4)), 0);
  return copy;
}

test.each(COMMANDS.map((command) => [command.type, command] as const))('%s survives a round trip', (_type, command) => {
  expect(decodeEntry(0, 42, encodeEntry(0, entry([command])))).toEqual(entry([command]));
});

test('all commands and a body survive a round trip together', () => {
  const whole = entry(COMMANDS, Buffer.from('inline records'));
  const bytes = encodeEntry(0, whole);
  expect(decodeEntry(0, 42, bytes).body.toString()).toBe('inline records');
  expect(decodeBody(0, 42, bytes)).toEqual({ id: ID, body: Buffer.from('inline records') });
  const { commands } = decodeEntry(0, 42, bytes);
  expect(commands.map(({ type }) => type)).toEqual(COMMANDS.map(({ type }) => type));
});

// Written out by hand, so that a symmetric mistake cannot hide, and so that the format does not change unnoticed.
test('the bytes of an entry are those of format version 2', () => {
  const bytes = encodeEntry(0, {
    ...entry([{ type: 'condemned', segmentIds: ['ab'] }]),
    timestamp: 3,
    body: Buffer.from('xy'),
  });
  const behindCrc = ['02', ID, '2a', '04', '06', '01', '05', '08', '01', '02', '6162', '7879'].join('');
  expect(bytes.subarray(4).toString('hex')).toBe(behindCrc);
  expect(bytes.readUInt32LE(0)).toBe(crc32c(Buffer.from(behindCrc, 'hex')));
});

test('the bytes of an append are those of format version 2', () => {
  const command: Command = {
    type: 'appended',
    lane: { brokerId: 1, brokerEpoch: 2, lane: 3 },
    number: 4,
    source: { type: 'inline', position: 5, length: 100 },
    batches: {
      type: 'described',
      partitions: partitionBatches([
        { batches: [{ count: 2, producerId: 9, producerEpoch: 1, baseSequence: 6, maxTimestamp: 10 }] },
      ]),
    },
    exceptions: [{ type: 'refused', index: 0, error: 'OFFSET_MISMATCH', nextOffset: 8 }],
    groups: [{ key: 'k', fingerprint: 1, batches: [0] }],
  };
  const bytes = encodeEntry(0, { ...entry([command]), timestamp: 10 });
  expect(bytes.subarray(4 + 1 + 16 + 5).toString('hex')).toBe(
    '04' +
      '01020304' +
      '010564' +
      '0001' +
      '00000000000040008000000000000000' +
      '00' +
      '01' +
      '00' +
      '64' +
      '02' +
      '00' +
      '00' +
      '00' +
      '12' +
      '02' +
      '0c' +
      '01' +
      '00' +
      '02' +
      '10' +
      '01' +
      '016b' +
      '02' +
      '0100',
  );
});

test('every truncation is refused and names journal and entry', () => {
  const whole = encodeEntry(3, entry(COMMANDS, Buffer.from('inline')));
  for (let length = 0; length < whole.length; length++) {
    expect(() => decodeEntry(3, 42, whole.subarray(0, length))).toThrow(StorageCorruptError);
    expect(() => decodeEntry(3, 42, whole.subarray(0, length))).toThrow(/^journal 3, entry 42: /);
  }
});

test('every flipped bit is noticed', () => {
  const whole = encodeEntry(0, entry(COMMANDS.slice(0, 4)));
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at]! ^= 1 << (at % 8);
    expect(() => decodeEntry(0, 42, flipped)).toThrow(StorageCorruptError);
  }
});

test('commands cut anywhere behind a right checksum are refused, never read as something else', () => {
  const whole = encodeEntry(0, entry(COMMANDS));
  for (let cut = 1; cut < whole.length - 40; cut++) {
    const shorter = tampered(whole.subarray(0, whole.length - cut), () => {});
    expect(() => decodeEntry(0, 42, shorter)).toThrow(/^journal 0, entry 42: /);
  }
});

test('the bytes of a merge name a topic once for all of its partitions', () => {
  const swap = (partition: number) => ({ topicId: TOPIC, partition, removeFrom: 1, removeCount: 2, add: [] });
  const command: Command = { type: 'merged', segments: [], swaps: [swap(7), swap(9)] };
  const bytes = encodeEntry(0, { ...entry([command]), timestamp: 10 });
  const expected = ['06', '00', '01', Buffer.from(TOPIC, 'base64url').toString('hex'), '02', '07010200', '09010200'];
  expect(bytes.subarray(4 + 1 + 16 + 5).toString('hex')).toBe(expected.join(''));
});

test('the bytes of a guard and of a marker', () => {
  const fields = { topicId: TOPIC, partition: 3, producerId: 5, producerEpoch: 2, transaction: 300 };
  const commands: readonly Command[] = [
    { type: 'transactionGuarded', ...fields },
    { type: 'transactionMarked', ...fields, coordinatorEpoch: 4, committed: false, position: 78 },
  ];
  const bytes = encodeEntry(0, { ...entry(commands), timestamp: 10 });
  const shared = `${Buffer.from(TOPIC, 'base64url').toString('hex')}030a04ac02`;
  expect(bytes.subarray(4 + 1 + 16 + 5).toString('hex')).toBe(`40${shared}41${shared}08009c01`);
});

test('an entry under the key of another one is refused', () => {
  expect(() => decodeEntry(0, 43, encodeEntry(0, entry([])))).toThrow('journal 0, entry 43: it holds entry 42');
});

test('an unknown format version is not guessed at', () => {
  const bytes = tampered(encodeEntry(0, entry([])), (copy) => {
    copy[4] = 3;
  });
  expect(() => decodeEntry(0, 42, bytes)).toThrow(StartupError);
  expect(() => decodeEntry(0, 42, bytes)).toThrow(/journal 0, entry 42: it has format version 3/);
});

test('an unknown command is not skipped', () => {
  const whole = encodeEntry(0, entry([{ type: 'forgotten', segmentIds: [] }]));
  const bytes = tampered(whole, (copy) => {
    copy[copy.length - 2] = 31;
  });
  expect(() => decodeEntry(0, 42, bytes)).toThrow(StartupError);
  expect(() => decodeEntry(0, 42, bytes)).toThrow(/holds a command of type 31/);
});

test('an append is described while the entry stays within a write unit, and named by its footer beyond', () => {
  const encoder = new EntryEncoder(0);
  encoder.begin(entry([]));
  let number = 0;
  const append = (): Command => ({
    type: 'appended',
    lane: lane(1),
    number: number++,
    source: { type: 'segment', segment: segmentReference(`s${number}`) },
    batches: { type: 'described', partitions: partitionBatches([{ batches: Array.from({ length: 10 }, () => ({})) }]) },
    exceptions: [],
    groups: [],
  });
  for (let at = 0; at < 12; at++) encoder.add(append());
  const forms = decodeEntry(0, 42, encoder.finish()).commands.map(
    (command) => command.type === 'appended' && command.batches,
  );
  expect(forms.slice(0, 3)).toMatchObject([{ type: 'described' }, { type: 'described' }, { type: 'described' }]);
  expect(forms.at(-1)).toEqual({ type: 'footer', batchCount: 10 });
  const described = forms.filter((form) => form && form.type === 'described').length;
  encoder.begin(entry([]));
  number = 0;
  for (let at = 0; at < described; at++) encoder.add(append());
  expect(encoder.finish().length).toBeLessThanOrEqual(ENTRY_DESCRIBED_BYTES_MAX);
});
