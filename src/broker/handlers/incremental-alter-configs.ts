/**
 * IncrementalAlterConfigs (44), v0-1: single configurations of topics are set, deleted, appended to or subtracted from.
 *
 * Each resource has its own result and changes as a whole or not at all. A resource that is named twice, a configuration
 * that is named twice in one, and a null where a value is needed are INVALID_REQUEST. `validateOnly` changes nothing.
 *
 * Unlike Kafka: settings of the broker cannot be changed while it runs; INVALID_REQUEST says so.
 */
import type { ConfigAlteration } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { IncrementalAlterConfigsRequest } from '../../protocol/messages/incremental-alter-configs.ts';
import { alterResources, refuseResources } from '../config-alterations.ts';
import type { Handler } from '../handler.ts';

type RequestedConfig = IncrementalAlterConfigsRequest['resources'][number]['configs'][number];

/** By number on the wire. */
const OPERATIONS = ['SET', 'DELETE', 'APPEND', 'SUBTRACT'] as const;

export const incrementalAlterConfigs: Handler<'IncrementalAlterConfigs'> = {
  turn: 'alone',
  handle: (request, call) => alterResources(request, call, (resource) => resource.configs.map(alteration)),
  refuse: refuseResources,
};

function alteration({ name, configOperation, value }: RequestedConfig): ConfigAlteration {
  const operation = OPERATIONS[configOperation];
  if (operation === undefined) {
    throw new KafkaError('INVALID_REQUEST', `Unknown config operation ${configOperation} for ${name}`);
  }
  if (operation === 'DELETE') return { operation, name };
  if (value === null) throw new KafkaError('INVALID_REQUEST', `Null value not supported for : ${name}`);
  return { operation, name, value };
}
