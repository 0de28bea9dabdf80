/** A broker without sockets on memory stores, whose time passes when the test says so, and which can be started again. */
import type { Broker } from '../../../../../src/broker/handler.ts';
import { type Given, parseConfig } from '../../../../../src/config.ts';
import { ERRORS } from '../../../../../src/errors.ts';
import type { APIS, ApiName } from '../../../../../src/protocol/apis.ts';
import type { Infer, Input } from '../../../../../src/protocol/schema.ts';
import { type Core, openCore } from '../../../../../src/server.ts';
import { ask } from '../../../broker/door.ts';
import { alone } from '../../../cluster/cluster-of.ts';
import { memoryStores, type Stores } from '../../../journal/harness.ts';
import { type ManualRuntime, manualRuntime } from '../../../log/manual-runtime.ts';

type Asked<N extends ApiName> = Input<(typeof APIS)[N]['request']>;
type Answered<N extends ApiName> = Infer<(typeof APIS)[N]['response']>;

export interface BrokerWorld {
  readonly runtime: ManualRuntime;
  readonly core: Core;
  readonly broker: Broker;
  ask<N extends ApiName>(name: N, version: number, body: Asked<N>): Promise<Answered<N>>;
  /** Durable entries of all journals. */
  entries(): number;
  topic(name: string, partitions: number): Promise<string>;
  close(): Promise<void>;
}

export interface BrokerWorldOptions {
  readonly stores?: Stores;
  readonly given?: Given;
  readonly runtime?: ManualRuntime;
}

export async function openBroker(options: BrokerWorldOptions = {}): Promise<BrokerWorld> {
  const { stores = memoryStores(), given = {}, runtime = manualRuntime() } = options;
  const config = parseConfig(given);
  const core = await openCore({ config, runtime, stores });
  const { log, topics, coordinators, configs, journals, brokerId } = core;
  const broker: Broker = {
    runtime,
    config,
    log,
    topics,
    coordinators,
    configs,
    ...alone(brokerId, journals),
    clusterId: config.cluster,
  };
  return {
    runtime,
    core,
    broker,
    ask: (name, version, body) => ask(broker, name, version, body),
    entries: () => journals.reduce((sum, { state }) => sum + state.lastSeq, 0),
    topic: async (name, partitions) => (await topics.create({ name, partitions, config: {} })).topicId,
    close: () => core.close(),
  };
}

export const errorName = (code: number): string => Object.entries(ERRORS).find(([, error]) => error.code === code)![0];
