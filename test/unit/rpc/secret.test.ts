import { describe, expect, test } from 'vitest';
import { StartupError } from '../../../src/errors.ts';
import { clusterKey, requireSecret } from '../../../src/rpc/secret.ts';

describe('an internal listener', () => {
  test.each(['127.0.0.1', '127.3.2.1', '::1', 'localhost'])('at %s needs no secret', (host) => {
    expect(() => requireSecret({ host, port: 1 }, '')).not.toThrow();
  });

  test.each(['0.0.0.0', '::', '10.0.0.1', 'broker-1.internal', '128.0.0.1'])('at %s needs one', (host) => {
    const listen = () => requireSecret({ host, port: 1 }, '');
    expect(listen).toThrow(StartupError);
    expect(listen).toThrow(
      `the internal listener is at ${host}, beyond loopback, and MILLRACE_CLUSTER_SECRET is not set`,
    );
    expect(() => requireSecret({ host, port: 1 }, 'sixteen letters!')).not.toThrow();
  });
});

describe('the key of a cluster', () => {
  test('follows from the secret and the cluster id, and from nothing else', () => {
    const keys = [
      clusterKey('a', 'x'),
      clusterKey('a', 'y'),
      clusterKey('b', 'x'),
      clusterKey('', 'x'),
      clusterKey('', 'ax'),
    ];
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(keys.length);
    expect(clusterKey('a', 'x')).toEqual(keys[0]);
    expect(keys.every(({ length }) => length === 32)).toBe(true);
  });

  test('is the same in every version', () => {
    expect(clusterKey('sixteen letters!', 'test').toString('hex')).toMatchInlineSnapshot(
      `"ea18f58d21d851d2ae05b86a819d68f78c35c952a1484862b02c0602fe96c0dd"`,
    );
  });
});
