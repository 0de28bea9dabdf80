/**
 * A broker that the others do not take (another secret, another format of the internal protocol, other stores) must not start:
 * it would be in the table, reach nobody, and take clients that it cannot serve. Who is registered and answers so may also
 * be somebody else by now, at the address of a broker that is gone. Only a heartbeat in our own table tells: that is waited for.
 */
import { type Address, formatAddress } from '../config.ts';
import { StartupError } from '../errors.ts';
import type { ProbeResult } from '../rpc/peer-events.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { type BrokerItem, readClusterItems } from './cluster-items.ts';
import { HEARTBEAT_INTERVAL_MS } from './heartbeat.ts';

const OPTIONS = { cause: 'startup' } as const;
const LOOK_MS = 1_000;
/** Most that are asked. */
const ASKED_MAX = 16;

export interface IntroductionOptions {
  readonly metadata: MetadataStore;
  readonly clusterId: string;
  readonly brokerId: number;
  readonly runtime: Runtime;
  readonly probe: (address: Address) => Promise<ProbeResult>;
  readonly signal?: AbortSignal;
}

/** Throws StartupError, with the reason in their words, when brokers of the cluster are alive and none of them takes this one. */
export async function meetOthers(options: IntroductionOptions): Promise<void> {
  const { metadata, clusterId, brokerId, runtime, probe, signal } = options;
  const { brokers } = await readClusterItems(metadata, clusterId, OPTIONS);
  const others = [...brokers.values()]
    .filter((other) => other.brokerId !== brokerId && other.state !== 'stopped' && other.internal.port !== 0)
    .slice(0, ASKED_MAX);
  const ask = (some: readonly BrokerItem[]) =>
    Promise.all(some.map(async (other) => ({ other, result: await probe(other.internal) })));
  for (let left = others, waited = 0; waited < 2 * HEARTBEAT_INTERVAL_MS; waited += LOOK_MS) {
    const found = await ask(left);
    if (found.some(({ result }) => result.answer === 'hello')) return;
    const refused = found.flatMap(({ other, result }) => (result.answer === 'unfit' ? [{ other, ...result }] : []));
    if (refused.length === 0) return;
    left = refused.map(({ other }) => other);
    const now = waited === 0 ? brokers : (await readClusterItems(metadata, clusterId, OPTIONS)).brokers;
    const alive = refused.find(({ other }) => isAlive(other, now.get(other.brokerId)));
    if (alive) {
      const { brokerId: id, internal } = alive.other;
      throw new StartupError(
        `broker ${id} of cluster ${clusterId} at ${formatAddress(internal)} does not take this one: ${alive.why}`,
      );
    }
    if (waited === 0) {
      const fields = { brokers: left.map((other) => other.brokerId), why: refused[0]!.why };
      runtime.logger.info(fields, 'brokers do not take this one; it looks whether they live');
    }
    await sleep(runtime.timers, LOOK_MS, signal);
  }
  runtime.logger.warn(
    { brokers: others.map((other) => other.brokerId) },
    'somebody else answers at the addresses of brokers that are gone',
  );
}

const isAlive = (before: BrokerItem, now: BrokerItem | undefined): boolean =>
  now !== undefined && now.brokerEpoch === before.brokerEpoch && now.counter > before.counter;
