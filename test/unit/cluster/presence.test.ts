import { expect, test } from 'vitest';
import type { BrokerState } from '../../../src/cluster/cluster-items.ts';
import {
  CLOSED_PATIENCE_MS,
  CONNECT_PATIENCE_MS,
  HEARTBEAT_SILENCE_MS,
  type LinkState,
  type Presence,
  presenceChangesAt,
  presenceOf,
} from '../../../src/cluster/presence.ts';

const NOW = 100_000;
const SOON = NOW - 10;
const LONG_AGO = NOW - 10_000;

const links: Record<string, LinkState> = {
  'connecting since now': { type: 'connecting', since: SOON },
  'connecting since long': { type: 'connecting', since: LONG_AGO },
  up: { type: 'up', brokerEpoch: 3, since: LONG_AGO },
  'up with another instance since now': { type: 'up', brokerEpoch: 4, since: SOON },
  'up with another instance since long': { type: 'up', brokerEpoch: 4, since: LONG_AGO },
  'closed now': { type: 'down', reason: 'closed', since: SOON },
  'closed long ago': { type: 'down', reason: 'closed', since: LONG_AGO },
  refused: { type: 'down', reason: 'refused', since: SOON },
  silent: { type: 'down', reason: 'silent', since: SOON },
};

// Every link, while the counter moves, and when it stands still.
const truth: Record<keyof typeof links, readonly [moving: Presence, still: Presence]> = {
  'connecting since now': ['unknown', 'gone'],
  'connecting since long': ['gone', 'gone'],
  up: ['live', 'live'],
  'up with another instance since now': ['unknown', 'gone'],
  'up with another instance since long': ['gone', 'gone'],
  'closed now': ['unknown', 'gone'],
  'closed long ago': ['gone', 'gone'],
  refused: ['gone', 'gone'],
  silent: ['gone', 'gone'],
};

const states: readonly BrokerState[] = ['starting', 'running', 'draining', 'stopped'];

test.each(Object.keys(links))('a broker whose connection is %s', (name) => {
  const link = links[name]!;
  for (const state of states) {
    const [moving, still] = truth[name]!;
    const facts = { state, brokerEpoch: 3, link };
    const stopped = state === 'stopped';
    expect(presenceOf({ ...facts, stillMs: 0 }, NOW)).toBe(stopped ? 'gone' : moving);
    expect(presenceOf({ ...facts, stillMs: HEARTBEAT_SILENCE_MS + 1 }, NOW)).toBe(stopped ? 'gone' : still);
  }
});

test('what is not known now is known by the moment that is told', () => {
  for (const link of Object.values(links)) {
    const facts = { state: 'running', brokerEpoch: 3, link, stillMs: 0 } as const;
    const at = presenceChangesAt(facts);
    if (presenceOf(facts, NOW) === 'unknown') {
      expect(at).not.toBeNull();
      expect(at! - NOW).toBeLessThanOrEqual(Math.max(CLOSED_PATIENCE_MS, CONNECT_PATIENCE_MS));
      expect(presenceOf(facts, at!)).toBe('gone');
    }
  }
});
