/** What `/v1/cluster` of a broker tells, for tests. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, Member } from './cluster.ts';

export interface BrokerView {
  readonly broker_id: number;
  readonly state: 'live' | 'draining' | 'gone';
  readonly controller: boolean;
  readonly journals: readonly number[];
}

export interface ClusterView {
  readonly controller_id: number | null;
  readonly brokers: { readonly live: number; readonly draining: number; readonly gone: number };
  readonly journals: { readonly count: number; readonly led: number };
}

async function ask<Answer>(member: Member, path: string): Promise<Answer> {
  const response = await fetch(member.broker.url + path, { signal: AbortSignal.timeout(5_000) });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

export const clusterOf = (member: Member): Promise<ClusterView> => ask(member, '/v1/cluster');

export const brokersOf = async (member: Member): Promise<readonly BrokerView[]> =>
  (await ask<{ readonly brokers: readonly BrokerView[] }>(member, '/v1/cluster/brokers')).brokers;

/** The first answer that is as wanted; throws with the last one when none is in time. */
export async function until<Answer>(
  look: () => Promise<Answer>,
  isWanted: (answer: Answer) => boolean,
  withinMs: number,
): Promise<Answer> {
  let last: Answer | unknown = null;
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await pause(100)) {
    try {
      const answer = await look();
      if (isWanted(answer)) return answer;
      last = answer;
    } catch (cause) {
      last = cause;
    }
  }
  throw new Error(`not after ${withinMs} ms: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

/** Until every running broker sees the same: all journals led, by those that run, evenly. */
export async function settled(cluster: Cluster, withinMs = 30_000): Promise<void> {
  const count = cluster.running.length;
  for (const member of cluster.running) {
    await until(
      () => clusterOf(member),
      ({ brokers, journals }) => brokers.live === count && journals.led === journals.count,
      withinMs,
    );
  }
  const isEven = (counts: readonly number[]) =>
    counts.length === count && Math.max(...counts) - Math.min(...counts) <= 1;
  await until(() => journalsPerBroker(cluster), isEven, withinMs);
}

/** How many journals each running broker leads. */
export async function journalsPerBroker(cluster: Cluster): Promise<readonly number[]> {
  const brokers = await brokersOf(cluster.running[0]!);
  return brokers.filter(({ state }) => state === 'live').map(({ journals }) => journals.length);
}
