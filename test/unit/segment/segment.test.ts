import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StorageCorruptError } from '../../../src/errors.ts';
import { checkBatch, placeBatch, readBatchHeader } from '../../../src/record/batch.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { encodeFooter, layoutSegment, type PartitionInput } from '../../../src/segment/build.ts';
import type { BatchDescription, Footer, PartitionBatches } from '../../../src/segment/footer.ts';
import { decodeTrailer, TRAILER_BYTES } from '../../../src/segment/format.ts';
import { checkBody, openSegment, readFooter } from '../../../src/segment/read.ts';

const TOPIC_A = Buffer.from('0a0b0c0d0e0f10111213141516171819', 'hex').toString('base64url');
const TOPIC_B = Buffer.from('ff0b0c0d0e0f10111213141516171819', 'hex').toString('base64url');
const timestamp = 1_763_683_200_000;

function placed(values: readonly string[], producer: { producerId?: number; baseSequence?: number } = {}) {
  const bytes = buildBatch(
    values.map((value) => ({ key: null, value })),
    { timestamp, producerEpoch: 3, ...producer },
  );
  return { bytes, header: checkBatch(bytes) };
}

const input = (): PartitionInput[] => [
  { topicId: TOPIC_B, partition: 0, journal: 1, batches: [placed(['b'])] },
  {
    topicId: TOPIC_A,
    partition: 7,
    journal: 0,
    batches: [
      placed(['x', 'y'], { producerId: 9, baseSequence: 0 }),
      placed(['z'], { producerId: 9, baseSequence: 2 }),
      placed(['long'.repeat(500)], { producerId: 9, baseSequence: 9 }),
    ],
  },
  { topicId: TOPIC_A, partition: 2, journal: 0, batches: [placed(['first'])] },
];

function build(offsets: 'fresh' | 'absolute' = 'fresh') {
  const layout = layoutSegment('some-segment', input(), offsets);
  return { layout, object: Buffer.concat(layout.parts) };
}

describe('a segment', () => {
  test('opens from its last bytes with the footer and the reference it was built with', () => {
    const { layout, object } = build();
    expect(openSegment('some-segment', object, object.length)).toEqual({
      type: 'opened',
      reference: layout.reference,
      footer: layout.footer,
      bodyCrc: crc32c(object.subarray(0, layout.reference.footerPosition)),
    });
    expect(layout.reference.bytes).toBe(object.length);
    expect(layout.crc32c).toBe(crc32c(object));
  });

  test('has its partitions sorted and its batches where the footer says', () => {
    const { layout, object } = build();
    expect(layout.footer.partitions.map(({ topicId, partition }) => [topicId, partition])).toEqual([
      [TOPIC_A, 2],
      [TOPIC_A, 7],
      [TOPIC_B, 0],
    ]);
    for (const { batches } of layout.footer.partitions) {
      for (const batch of batches) {
        const header = checkBatch(object.subarray(batch.position, batch.position + batch.length));
        expect(batch).toMatchObject({ offsetCount: header.recordCount, baseOffset: -1, leaderEpoch: -1 });
      }
    }
  });

  test('says how much it needs when the tail is shorter than the footer', () => {
    const { layout, object } = build();
    const tailBytes = layout.reference.footerLength + TRAILER_BYTES;
    expect(openSegment('s', object.subarray(-(tailBytes - 1)), object.length)).toEqual({ type: 'needs', tailBytes });
    expect(openSegment('s', object.subarray(-tailBytes), object.length)).toMatchObject({ type: 'opened' });
  });

  test('is built without a copy, and batches that lie side by side become one part', () => {
    const arrival = Buffer.concat([Buffer.alloc(8), ...input()[1]!.batches.map(({ bytes }) => bytes)]);
    let at = 8;
    const batches = input()[1]!.batches.map(({ header }) => {
      at += header.length;
      return { bytes: arrival.subarray(at - header.length, at), header };
    });
    const { parts } = layoutSegment('s', [{ ...input()[1]!, batches }], 'fresh');
    expect(parts).toHaveLength(3);
    expect(parts[0]!.buffer).toBe(arrival.buffer);
    expect(parts[0]!.byteOffset).toBe(arrival.byteOffset + 8);
    expect(parts[0]!.length).toBe(arrival.length - 8);
  });

  test('keeps absolute offsets and epochs of merged batches', () => {
    const bytes = placed(['a', 'b']).bytes;
    placeBatch(bytes, 0, 2 ** 40, 6);
    const layout = layoutSegment(
      's',
      [{ topicId: TOPIC_A, partition: 0, journal: 0, batches: [{ bytes, header: readBatchHeader(bytes, 0) }] }],
      'absolute',
    );
    const opened = openSegment('s', Buffer.concat(layout.parts), layout.reference.bytes);
    expect(opened).toMatchObject({
      footer: { partitions: [{ batches: [{ baseOffset: 2 ** 40, leaderEpoch: 6, offsetCount: 2 }] }] },
    });
  });
});

describe('damage', () => {
  const { layout, object } = build();
  const { footerPosition } = layout.reference;
  const check = (bytes: Buffer) => {
    const opened = openSegment('s', bytes, bytes.length);
    if (opened.type === 'needs') throw new StorageCorruptError('s');
    checkBody('s', opened.footer, opened.bodyCrc, bytes.subarray(0, opened.reference.footerPosition));
  };

  test('nothing is wrong with the intact one', () => check(object));

  test('every truncation is refused', () => {
    for (let length = 0; length < object.length; length++) {
      expect(() => check(object.subarray(0, length)), `${length} bytes`).toThrow(StorageCorruptError);
    }
  });

  test('every flipped bit of footer and trailer is refused when it is opened', () => {
    for (let bit = footerPosition * 8; bit < object.length * 8; bit++) {
      const changed = Buffer.from(object);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => openSegment('s', changed, changed.length), `bit ${bit}`).toThrow(StorageCorruptError);
    }
  });

  test('every flipped bit of the body is found by the check of the body', () => {
    for (let bit = 0; bit < footerPosition * 8; bit++) {
      const changed = Buffer.from(object);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => check(changed), `bit ${bit}`).toThrow(StorageCorruptError);
    }
  });

  test('a damaged batch is named with segment, byte and partition', () => {
    const batch = layout.footer.partitions[1]!.batches[1]!;
    const changed = Buffer.from(object);
    changed[batch.position + 65]! ^= 1;
    expect(() => check(changed)).toThrow(
      `segment s is damaged at byte ${batch.position}: batch of partition ${TOPIC_A}-7: its CRC is wrong`,
    );
  });

  test('a file that is no segment is named as such', () => {
    expect(() => openSegment('notes.txt', Buffer.alloc(100, 'text'), 100)).toThrow(
      "segment notes.txt is damaged at byte 64: the trailer does not end in 'MILLRACE'",
    );
  });
});

// Sealed with right checksums, so that only the footer's own sense can refuse them.
describe('a footer that makes no sense', () => {
  const topic = '0a0b0c0d0e0f10111213141516171819';
  const batch = `00${'46'}${'01'}00`; // no flags, 70 bytes, one offset, timestamp 0
  const read = (hex: string, bodyBytes = 70) => {
    const bytes = Buffer.from(hex, 'hex');
    const reference = {
      id: 's',
      bytes: 0,
      footerPosition: bodyBytes,
      footerLength: bytes.length,
      footerCrc: crc32c(bytes),
    };
    return readFooter(reference, bytes);
  };

  test('is refused, and the one that does is read', () => {
    expect(read(`01${'00'}${topic}${'05'}${'02'}${'01'}${batch}`)).toEqual({
      partitions: [
        {
          topicId: TOPIC_A,
          partition: 5,
          journal: 2,
          batches: [
            {
              position: 0,
              length: 70,
              offsetCount: 1,
              producerId: -1,
              producerEpoch: -1,
              baseSequence: -1,
              attributes: 0,
              baseTimestamp: 0,
              maxTimestamp: 0,
              baseOffset: -1,
              leaderEpoch: -1,
            },
          ],
        },
      ],
    } satisfies Footer);
  });

  test.each([
    ['nothing', ''],
    ['2^50 partitions', 'ffffffffffffff03'],
    ['2^50 batches', `0100${topic}0502ffffffffffffff03${batch}`],
    ['no batches in a partition', `0100${topic}050200`],
    ['a topic id cut short', `0100${topic.slice(2)}`],
    ['a first partition without topic', `0101050201${batch}`],
    ['a partition of unknown kind', `0102${topic}050201${batch}`],
    ['partitions out of order', `0200${topic}050201${batch}00${topic}040201${batch}`],
    ['a batch longer than the body', `0100${topic}050201${batch.replace('46', '47')}`],
    ['a batch shorter than a header', `0100${topic}050201${batch.replace('46', '3c')}`],
    ['a batch of 2^50 bytes', `0100${topic}050201${batch.replace('46', 'ffffffffffffff03')}`],
    ['a batch without offsets', `0100${topic}050201004600${'00'}`],
    ['unknown flags', `0100${topic}05020140460100`],
    ['a first batch that continues a producer', `0100${topic}05020103460100`],
    ['bytes too many', `0100${topic}050201${batch}00`],
    ['a body longer than its batches', `0100${topic}050201${batch}`, 71],
  ])('%s', (_, hex, bodyBytes = 70) => {
    expect(() => read(hex, bodyBytes)).toThrow(/segment s is damaged at byte \d+: the footer cannot be/);
  });
});

const TIMESTAMP = fc.oneof(
  fc.constant(-1),
  fc.integer({ min: timestamp - 100_000, max: timestamp }),
  fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
);
const DESCRIPTION = fc.record({
  length: fc.integer({ min: 61, max: 2_000_000 }),
  offsetCount: fc.integer({ min: 1, max: 2 ** 31 }),
  producer: fc.option(
    fc.record({
      producerId: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 0, max: 2 ** 51 })),
      producerEpoch: fc.nat(32_767),
      // -1: the marker of a transaction.
      baseSequence: fc.oneof(fc.nat(2_147_483_647), fc.constant(-1)),
      continues: fc.boolean(),
    }),
  ),
  attributes: fc.constantFrom(0, 4, 0x0c, 0x7f),
  baseTimestamp: TIMESTAMP,
  maxTimestamp: TIMESTAMP,
  absolute: fc.option(fc.record({ gap: fc.nat(2 ** 40), leaderEpoch: fc.nat(2 ** 31 - 1) })),
});
const PARTITIONS = fc.uniqueArray(
  fc.record({
    topicId: fc.constantFrom(TOPIC_A, TOPIC_B, 'AAAAAAAAAAAAAAAAAAAAAQ'),
    partition: fc.oneof(fc.nat(3), fc.nat(10_000)),
    journal: fc.nat(8_191),
    batches: fc.array(DESCRIPTION, { minLength: 1, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 12, selector: ({ topicId, partition }) => `${topicId}-${partition}` },
);

test('any footer survives a round trip', () => {
  fc.assert(
    fc.property(PARTITIONS, (given) => {
      let position = 0;
      const partitions = given
        .toSorted((a, b) => (a.topicId === b.topicId ? a.partition - b.partition : a.topicId < b.topicId ? -1 : 1))
        .map(({ batches, ...owner }): PartitionBatches => {
          const absolute = batches[0]!.absolute !== null;
          let before: BatchDescription | undefined;
          return {
            ...owner,
            batches: batches.map((batch) => {
              before = description(batch, position, before, absolute);
              position += batch.length;
              return before;
            }),
          };
        });
      const bytes = encodeFooter({ partitions });
      const reference = {
        id: 's',
        bytes: 0,
        footerPosition: position,
        footerLength: bytes.length,
        footerCrc: crc32c(bytes),
      };
      expect(readFooter(reference, bytes)).toEqual({ partitions });
    }),
  );
});

type Drawn = typeof DESCRIPTION extends fc.Arbitrary<infer T> ? T : never;

function description(
  { producer, absolute, ...rest }: Drawn,
  position: number,
  before: BatchDescription | undefined,
  isAbsolute: boolean,
): BatchDescription {
  const continues = producer?.continues && before && before.producerId >= 0;
  return {
    ...rest,
    position,
    producerId: continues ? before.producerId : (producer?.producerId ?? -1),
    producerEpoch: continues ? before.producerEpoch : (producer?.producerEpoch ?? -1),
    baseSequence: continues ? before.baseSequence + before.offsetCount : (producer?.baseSequence ?? -1),
    baseOffset: isAbsolute ? (before ? before.baseOffset + before.offsetCount : 0) + (absolute?.gap ?? 0) : -1,
    leaderEpoch: isAbsolute ? (absolute?.leaderEpoch ?? 0) : -1,
  };
}

test('a footer takes less than 30 bytes per batch', () => {
  const batch = (index: number): BatchDescription => ({
    position: index * 16_400,
    length: 16_400,
    offsetCount: 16,
    producerId: 1_000 + (index % 50),
    producerEpoch: 0,
    baseSequence: 1_000_000 + index * 16,
    attributes: 4,
    baseTimestamp: timestamp + ((index * 37) % 500),
    maxTimestamp: timestamp + ((index * 37) % 500) + 20,
    baseOffset: -1,
    leaderEpoch: -1,
  });
  const partitions = Array.from({ length: 50 }, (_, partition) => ({
    topicId: TOPIC_A,
    partition,
    journal: 0,
    batches: [batch(partition * 2), batch(partition * 2 + 1)],
  }));
  expect(encodeFooter({ partitions }).length / 100).toBeLessThan(20);
});

test('the trailer is 36 bytes, written out by hand', () => {
  const { layout, object } = build();
  const { footerPosition, footerLength, footerCrc } = layout.reference;
  const sealed = Buffer.alloc(24);
  sealed.writeBigUInt64BE(BigInt(footerPosition), 0);
  sealed.writeUInt32BE(footerLength, 8);
  sealed.writeUInt32BE(footerCrc, 12);
  sealed.writeUInt32BE(crc32c(object.subarray(0, footerPosition)), 16);
  sealed.writeUInt32BE(1, 20);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32c(sealed));
  const trailer = Buffer.concat([sealed, crc, Buffer.from('MILLRACE')]);
  expect(object.subarray(-TRAILER_BYTES).toString('hex')).toBe(trailer.toString('hex'));
});

test('a format version of the future is refused by name', () => {
  const { object } = build();
  const sealed = object.subarray(-TRAILER_BYTES);
  sealed.writeUInt32BE(2, 20);
  sealed.writeUInt32BE(crc32c(sealed.subarray(0, 24)), 24);
  expect(() => decodeTrailer('s', object, object.length)).toThrow('format version 2 is unknown here');
});
