/** A broker behind the door: a log in memory, the real registry of topics over a metadata store in memory. */
import { BrokerMetrics } from '../../../src/broker/broker-metrics.ts';
import type { Broker } from '../../../src/broker/handler.ts';
import { type Peer, Router } from '../../../src/broker/router.ts';
import { HANDLERS } from '../../../src/broker/served.ts';
import { ClusterConfigs } from '../../../src/cluster/cluster-configs.ts';
import { Placements } from '../../../src/cluster/placements.ts';
import { TopicRegistry } from '../../../src/cluster/topic-registry.ts';
import { type Given, parseConfig } from '../../../src/config.ts';
import { openCoordinators } from '../../../src/coordinator/coordinators.ts';
import type { Journal } from '../../../src/journal/journal.ts';
import { fixedJournals } from '../../../src/journal/journals.ts';
import { APIS, type ApiName } from '../../../src/protocol/apis.ts';
import { decodeResponse } from '../../../src/protocol/header.ts';
import type { Infer, Input } from '../../../src/protocol/schema.ts';
import { type Logger, silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { requestBytes } from '../../integration/kafka-client.ts';
import { alone } from '../cluster/cluster-of.ts';
import { MemoryLog } from './memory-log.ts';

export interface Door extends Broker {
  readonly log: MemoryLog;
  readonly topics: TopicRegistry;
}

/** Agrees to everything: what the registry and the report need of a journal. */
const journal = {
  id: 0,
  role: 'leading',
  epoch: 3,
  propose: async () => ({ type: 'done' }),
  state: { lastSeq: 12, partition: () => ({ bytes: 1_234 }), records: () => new Map() },
} as unknown as Journal;

export function door(given: Given = {}, logger: Logger = silentLogger): Door {
  const config = parseConfig({ 'broker.id': '7', ...given });
  const runtime = systemRuntime(logger);
  const metadata = new MemoryMetadataStore();
  const clusterId = 'test';
  const configs = new ClusterConfigs({ clusterId, metadata, runtime, config });
  const topics = new TopicRegistry({
    clusterId,
    metadata,
    journals: fixedJournals([journal]),
    runtime,
    defaults: configs.brokers.topicDefaults,
    partitionsDefault: config['num.partitions'],
  });
  const log = new MemoryLog();
  // No journal: nothing coordinates here. `test/unit/coordinator/world.ts` has a broker that does.
  configs.brokers.onTopicDefaults((changed) => topics.setDefaults(changed));
  const placements = new Placements({ clusterId, metadata, journals: fixedJournals([journal]), runtime });
  return {
    runtime,
    config,
    log,
    topics,
    coordinators: openCoordinators({
      config,
      runtime,
      journals: fixedJournals([]),
      topics,
      log,
      placements,
      groupConfigs: configs.groups,
      brokerId: config['broker.id'],
      cluster: null,
    }),
    configs,
    ...alone(config['broker.id'], [journal], 'zone-a'),
    clusterId,
  };
}

export const noGauges = { connections: () => 0, requestsInFlight: () => 0, frameBytes: () => 0, unsentBytes: () => 0 };

export const routerOf = (broker: Broker): Router =>
  new Router(broker, HANDLERS, new BrokerMetrics(broker.runtime.metrics, noGauges));

export const peer = {
  clientHost: '/127.0.0.1',
  advertised: { host: '127.0.0.1', port: 9092 },
  listenerZone: '',
  answerBytesMax: 2 ** 30,
  signal: new AbortController().signal,
};

/** One request through the router, without a socket: encoded, handled, decoded. Null when nothing is answered. */
export async function ask<N extends ApiName>(
  broker: Broker,
  name: N,
  version: number,
  body: Input<(typeof APIS)[N]['request']>,
  { clientId, ...changes }: Partial<Peer> & { readonly clientId?: string } = {},
): Promise<Infer<(typeof APIS)[N]['response']>> {
  const request = requestBytes(name, version, body, 1, clientId).subarray(4);
  const outcome = await routerOf(broker).handle(request, { ...peer, ...changes });
  if (outcome.type !== 'respond') throw new Error(`${name} v${version}: ${JSON.stringify(outcome)}`);
  const frame = Buffer.concat(outcome.response.parts).subarray(4);
  outcome.response.release?.();
  return decodeResponse(APIS[name].response as any, version, frame).body as Infer<(typeof APIS)[N]['response']>;
}

/** All versions of an API. */
export const versionsOf = (name: ApiName): number[] =>
  Array.from({ length: APIS[name].max - APIS[name].min + 1 }, (_, index) => APIS[name].min + index);
