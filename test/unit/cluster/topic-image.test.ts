import { expect, test } from 'vitest';
import { resolveTopicConfig } from '../../../src/cluster/topic-config.ts';
import { TopicImage } from '../../../src/cluster/topic-image.ts';
import type { Topic } from '../../../src/cluster/topics.ts';

const topic = (name: string, journals = [0], topicId = `id-${name}`): Topic => ({
  name,
  topicId,
  partitions: journals.map((journal, partition) => ({ topicId, partition, journal })),
  overrides: {},
  config: resolveTopicConfig({}, {}),
  replicationFactor: 1,
  createdAt: 0,
});

const image = (...names: string[]) => {
  const made = new TopicImage();
  for (const name of names) made.put(topic(name));
  return made;
};

const names = (topics: readonly Topic[]) => topics.map(({ name }) => name);

test('topics are listed in order of names, in pages', () => {
  const topics = image('b', 'a', 'C', 'c');
  expect(names(topics.list('', '', 10))).toEqual(['C', 'a', 'b', 'c']);
  expect(names(topics.list('', '', 2))).toEqual(['C', 'a']);
  expect(names(topics.list('', 'a', 2))).toEqual(['b', 'c']);
  expect(names(topics.list('', 'aa', 1))).toEqual(['b']);
});

test('a prefix narrows a listing, from wherever it continues', () => {
  const topics = image('orders', 'orders.eu', 'orders.us', 'payments', 'a');
  expect(names(topics.list('orders', '', 10))).toEqual(['orders', 'orders.eu', 'orders.us']);
  expect(names(topics.list('orders', 'orders.eu', 10))).toEqual(['orders.us']);
  expect(names(topics.list('orders', 'zzz', 10))).toEqual([]);
});

test('a removed topic is gone from every view and its name is free', () => {
  const topics = image('a.b', 'c');
  topics.remove('id-a.b');
  expect(topics.byName('a.b')).toBeUndefined();
  expect(topics.byId('id-a.b')).toBeUndefined();
  expect(topics.colliding('a_b')).toBeUndefined();
  expect(names(topics.list('', '', 10))).toEqual(['c']);
});

test('names that differ only in dots and underscores collide', () => {
  expect(image('a.b').colliding('a_b')).toBe('a.b');
});

test('partitions are counted per journal', () => {
  const topics = new TopicImage();
  topics.put(topic('a', [0, 1, 0]));
  topics.put(topic('a', [0, 1, 0, 1]));
  expect([topics.partitionsOf(0), topics.partitionsOf(1), topics.partitionsOf(2)]).toEqual([2, 2, 0]);
});

test('the version grows when topics or partitions come or go, and not when a configuration changes', () => {
  const topics = image('a');
  const grows = (change: () => void) => {
    const before = topics.version;
    change();
    return topics.version > before;
  };
  expect(grows(() => topics.put(topic('b')))).toBe(true);
  expect(grows(() => topics.put({ ...topic('b'), overrides: { 'retention.ms': '1' } }))).toBe(false);
  expect(grows(() => topics.put(topic('b', [0, 1])))).toBe(true);
  expect(grows(() => topics.remove('id-b'))).toBe(true);
  expect(grows(() => topics.remove('id-b'))).toBe(false);
});
