import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  rendezvous,
  rendezvousKey,
  rendezvousOrder,
  rendezvousPart,
  rendezvousSpread,
} from '../../../src/cluster/rendezvous.ts';

const KEYS = Array.from({ length: 20_000 }, (_, index) =>
  rendezvousPart(rendezvousKey(`topic-${index % 40}`), Math.floor(index / 40)),
);

const counts = (brokerIds: readonly number[]) => {
  const found = new Map(brokerIds.map((id) => [id, 0]));
  for (const key of KEYS) found.set(rendezvous(key, brokerIds)!, found.get(rendezvous(key, brokerIds)!)! + 1);
  return [...found.values()];
};

test.each([
  [[1, 2, 3]],
  [[0, 1, 2, 3, 4]],
  [[101, 102, 103, 104, 105, 106, 107]],
  [[5, 90_000]],
])('keys are spread evenly over brokers %j', (brokerIds) => {
  const even = KEYS.length / brokerIds.length;
  for (const count of counts(brokerIds)) expect(Math.abs(count - even) / even).toBeLessThan(0.05);
});

test('partitions of one topic are spread over brokers', () => {
  const topic = rendezvousKey('J8fK2mGqT0aZxB1cD3eF5g');
  const keys = Array.from({ length: 300 }, (_, partition) => rendezvousPart(topic, partition));
  for (const id of [1, 2, 3]) {
    const own = keys.filter((key) => rendezvous(key, [1, 2, 3]) === id).length;
    expect(own).toBeGreaterThan(70);
    expect(own).toBeLessThan(130);
  }
});

test('a broker that goes moves only its keys, and gets the same ones back', () => {
  for (const key of KEYS) {
    const before = rendezvous(key, [1, 2, 3, 4, 5]);
    const after = rendezvous(key, [1, 2, 4, 5]);
    if (before === 3) expect(after).not.toBe(3);
    else expect(after).toBe(before);
  }
});

test('the keys of a broker that goes are spread evenly over the others', () => {
  const moved = KEYS.filter((key) => rendezvous(key, [1, 2, 3, 4, 5]) === 3);
  for (const id of [1, 2, 4, 5]) {
    const share = moved.filter((key) => rendezvous(key, [1, 2, 4, 5]) === id).length / moved.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(0.03);
  }
});

test('the order of brokers does not matter, and the first in order is the one chosen', () => {
  const broker = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(
      fc.string(),
      fc.nat(10_000),
      fc.uniqueArray(broker, { minLength: 1, maxLength: 9 }),
      (text, part, ids) => {
        const key = rendezvousPart(rendezvousKey(text), part);
        const order = rendezvousOrder(key, ids);
        expect(rendezvous(key, ids)).toBe(order[0]);
        expect(rendezvous(key, ids.toReversed())).toBe(order[0]);
        expect(order.toSorted()).toEqual(ids.toSorted());
        expect(
          rendezvousOrder(
            key,
            ids.filter((id) => id !== order[0]),
          ),
        ).toEqual(order.slice(1));
      },
    ),
  );
});

test('without brokers there is none', () => {
  expect(rendezvous(1, [])).toBeUndefined();
});

test('the parts of a key are spread evenly, however few there are', () => {
  const broker = fc.integer({ min: 0, max: 1_000 });
  fc.assert(
    fc.property(fc.nat(), fc.nat(200), fc.uniqueArray(broker, { minLength: 1, maxLength: 9 }), (key, count, ids) => {
      const spread = rendezvousSpread(key, count, ids);
      expect(spread).toHaveLength(count);
      for (const id of ids) {
        expect(spread.filter((each) => each === id).length).toBeLessThanOrEqual(Math.ceil(count / ids.length));
      }
      expect(rendezvousSpread(key, count, ids.toReversed())).toEqual(spread);
    }),
  );
  expect(rendezvousSpread(1, 5, [])).toEqual([]);
});

test('spread parts mostly stay where they are when a broker goes', () => {
  let moved = 0;
  let more = 0;
  for (let topic = 0; topic < 500; topic++) {
    const key = rendezvousKey(`topic-${topic}`);
    const before = rendezvousSpread(key, 12, [1, 2, 3, 4, 5]);
    const after = rendezvousSpread(key, 12, [1, 2, 4, 5]);
    for (const [part, id] of before.entries()) {
      if (after[part] === id) continue;
      moved++;
      if (id !== 3) more++;
    }
  }
  expect(moved / (500 * 12)).toBeLessThan(0.35);
  expect(more / moved).toBeLessThan(0.4);
});

test('all versions of the program agree on the broker of a key', () => {
  const topic = rendezvousKey('J8fK2mGqT0aZxB1cD3eF5g');
  const chosen = Array.from({ length: 12 }, (_, partition) => rendezvous(rendezvousPart(topic, partition), [1, 2, 3]));
  expect(chosen).toMatchInlineSnapshot(`
    [
      3,
      3,
      2,
      2,
      3,
      1,
      1,
      2,
      1,
      2,
      2,
      2,
    ]
  `);
});
