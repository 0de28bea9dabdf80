import { describe, expect, test } from 'vitest';
import {
  alterTopicOverrides,
  checkTopicConfig,
  resolveTopicConfig,
  TOPIC_CONFIGS,
} from '../../../src/cluster/topic-config.ts';
import { topicNameProblem } from '../../../src/cluster/topic-name.ts';

describe('topic configuration', () => {
  test('every default passes its own check', () => {
    for (const [name, { default: value }] of Object.entries(TOPIC_CONFIGS))
      expect(checkTopicConfig(name, value)).toBe(value);
  });

  test.each([
    ['no.such.config', '1', /Unknown topic config name: no\.such\.config/],
    ['retention.ms', 'soon', /Invalid value soon for configuration retention\.ms: Not a number of type LONG/],
    ['retention.ms', '-2', /at least -1/],
    ['max.message.bytes', '2147483648', /Not a number of type INT/],
    ['min.cleanable.dirty.ratio', '1.5', /no more than 1/],
    ['segment.bytes', '1000', /at least 1048576/],
    ['leader.replication.throttled.replicas', '0:1,x', /partitionId/],
    ['preallocate', 'yes', /either true or false/],
    ['cleanup.policy', 'shred', /one of: compact, delete/],
    ['compression.type', 'zstd', /one of: producer/],
  ])('%s=%s is refused with the reason', (name, value, message) => {
    expect(() => checkTopicConfig(name, value)).toThrow(expect.objectContaining({ error: 'INVALID_CONFIG' }));
    expect(() => checkTopicConfig(name, value)).toThrow(message);
  });

  test('overrides win over broker defaults, broker defaults over those of Kafka', () => {
    const config = resolveTopicConfig({ 'retention.ms': '5' }, { 'retention.ms': '6', 'max.message.bytes': '100' });
    expect(config).toMatchObject({
      retentionMs: 5,
      maxMessageBytes: 100,
      timestampType: 'CreateTime',
      compacted: false,
    });
  });

  test('no limit and the largest long both mean for ever', () => {
    expect(resolveTopicConfig({ 'retention.ms': '-1' }, {}).retentionMs).toBe(Infinity);
    expect(resolveTopicConfig({ 'retention.ms': '9223372036854775807' }, {}).retentionMs).toBe(Infinity);
  });

  test('an empty cleanup.policy keeps everything, a repeated element counts once', () => {
    expect(checkTopicConfig('cleanup.policy', 'compact, delete,compact')).toBe('compact,delete');
    expect(checkTopicConfig('cleanup.policy', '')).toBe('');
    expect(resolveTopicConfig({ 'cleanup.policy': '' }, {})).toMatchObject({ compacted: false, deletes: false });
  });

  test('a list grows and shrinks, other types do not', () => {
    const both = alterTopicOverrides({}, {}, [{ operation: 'APPEND', name: 'cleanup.policy', value: 'compact' }]);
    expect(both).toEqual({ 'cleanup.policy': 'delete,compact' });
    expect(alterTopicOverrides(both, {}, [{ operation: 'SUBTRACT', name: 'cleanup.policy', value: 'delete' }])).toEqual(
      {
        'cleanup.policy': 'compact',
      },
    );
    expect(alterTopicOverrides(both, {}, [{ operation: 'DELETE', name: 'cleanup.policy' }])).toEqual({});
    expect(() => alterTopicOverrides({}, {}, [{ operation: 'APPEND', name: 'retention.ms', value: '1' }])).toThrow(
      /not a list/,
    );
  });
});

describe('topic names', () => {
  test.each(['orders', 'a', 'A.b_c-9', 'x'.repeat(249)])('%s is one', (name) => {
    expect(topicNameProblem(name)).toBeNull();
  });

  test.each(['', '.', '..', 'a b', 'ä', 'a/b', 'a\0', 'x'.repeat(250)])('%j is none', (name) => {
    expect(topicNameProblem(name)).not.toBeNull();
  });
});
