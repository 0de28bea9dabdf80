/**
 * A share session that its coordinator refused to open was remembered by the broker that the client talked to and by the
 * coordinator: clients name members as they like, and memory grew with each name.
 */
import { expect, test } from 'vitest';
import { LeaderCalls } from '../../src/cluster/leader-calls.ts';
import { RoutedShares } from '../../src/coordinator/share/routed-shares.ts';
import { ShareFronts } from '../../src/coordinator/share/share-fronts.ts';
import type { ShareFetchRequest } from '../../src/coordinator/share/shares.ts';
import { KafkaError } from '../../src/errors.ts';
import { KnownLeaders } from '../unit/cluster/seats-world.ts';
import { testRuntime } from '../unit/journal/harness.ts';
import { LocalNetwork } from '../unit/rpc/local-peers.ts';

test('share sessions that are refused leave nothing behind', async () => {
  const network = new LocalNetwork();
  const leaders = new KnownLeaders();
  leaders.set(0, { brokerId: 1, epoch: 1 });
  const members = { live: () => [], onChanged: () => () => {} } as never;
  const journal = { id: 0, role: 'leading', state: { records: () => new Map([['group', '']]) } };
  const fronts = new ShareFronts({
    journals: { get: () => journal, whileLeading: () => () => {} } as never,
    placements: {} as never,
    members,
    registry: network.registry(1),
    shares: {
      fetch: () => Promise.reject(new KafkaError('SHARE_SESSION_LIMIT_REACHED', 'there are enough')),
    } as never,
  });
  const peers = network.peers({ brokerId: 2, brokerEpoch: 1 });
  const routed = new RoutedShares({
    brokerId: 2,
    shares: {} as never,
    placements: { recall: async () => ({ id: 0, role: 'following' }), mistrust() {} } as never,
    calls: new LeaderCalls({ brokerId: 2, leaders: () => leaders, peers }),
    patience: { runtime: testRuntime(), patienceMs: 0, signal: new AbortController().signal },
  });
  const connection = new AbortController().signal;
  for (let member = 0; member < 50; member++) {
    const request = { groupId: 'queue', memberId: `member ${member}`, epoch: 0, maxWaitMs: 0 } as ShareFetchRequest;
    await expect(routed.fetch(request, connection)).rejects.toMatchObject({ error: 'SHARE_SESSION_LIMIT_REACHED' });
  }
  expect(routed.forwardedCount).toBe(0);
  expect(fronts.connectionCount).toBe(0);
});
