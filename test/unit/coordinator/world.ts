/**
 * A broker without sockets, whose coordinators work: real journals over memory stores that may misbehave, and a door to
 * send requests through. It can be started again on the same stores.
 */
import type { Broker } from '../../../src/broker/handler.ts';
import { type Given, parseConfig } from '../../../src/config.ts';
import type { APIS, ApiName } from '../../../src/protocol/apis.ts';
import type { Infer, Input } from '../../../src/protocol/schema.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { type Core, openCore } from '../../../src/server.ts';
import { Faults, faultyMetadataStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ask } from '../broker/door.ts';
import { alone } from '../cluster/cluster-of.ts';

export interface CoordinatorWorld {
  readonly core: Core;
  readonly broker: Broker;
  /** Of the metadata store. */
  readonly faults: Faults;
  readonly metadata: MemoryMetadataStore;
  /** One request through the router. */
  ask<N extends ApiName>(
    name: N,
    version: number,
    body: Input<(typeof APIS)[N]['request']>,
  ): Promise<Infer<(typeof APIS)[N]['response']>>;
  /** Starts another broker on the same stores, and stops this one. */
  restart(): Promise<void>;
  /** Starts another broker on the same stores, which this one, answered, does not know of. */
  takeOver(): Promise<Broker>;
  close(): Promise<void>;
}

export async function openCoordinatorWorld(runtime: Runtime, given: Given = {}): Promise<CoordinatorWorld> {
  const config = parseConfig({ 'broker.id': '7', 'group.initial.rebalance.delay.ms': '0', ...given });
  const metadata = new MemoryMetadataStore();
  const objects = new MemoryObjectStore();
  const faults = new Faults(runtime);
  const stores = { metadata: faultyMetadataStore(metadata, faults), objects };
  let core = await openCore({ config, runtime, stores });
  const brokerOf = ({ log, topics, coordinators, configs, journals, brokerId }: Core): Broker => ({
    runtime,
    config,
    log,
    topics,
    coordinators,
    configs,
    ...alone(brokerId, journals, config.zone),
    clusterId: config.cluster,
  });
  let broker = brokerOf(core);
  const deposed: Core[] = [];
  return {
    get core() {
      return core;
    },
    get broker() {
      return broker;
    },
    faults,
    metadata,
    ask: (name, version, body) => ask(broker, name, version, body),
    async restart() {
      const before = core;
      core = await openCore({ config, runtime, stores });
      broker = brokerOf(core);
      await before.close();
    },
    async takeOver() {
      const before = { core, broker };
      core = await openCore({ config, runtime, stores });
      broker = brokerOf(core);
      deposed.push(before.core);
      return before.broker;
    },
    async close() {
      for (const each of [...deposed.splice(0), core]) await each.close();
    },
  };
}
