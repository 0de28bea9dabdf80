/**
 * IncrementalAlterConfigs (44), v0-1: single configurations of topics, groups and brokers are set, deleted, appended to or
 * subtracted from.
 *
 * Each resource has its own result and changes as a whole or not at all. A resource that is named twice, a configuration
 * that is named twice in one, and a null where a value is needed are INVALID_REQUEST. `validateOnly` changes nothing. The
 * broker named '' stands for all of them. What is a default of topics can be changed for brokers while they run; settings
 * cannot: INVALID_REQUEST says so.
 *
 * Unlike Kafka: levels of loggers and client metrics cannot be set.
 */
import type { ConfigAlteration } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { IncrementalAlterConfigsRequest } from '../../protocol/messages/incremental-alter-configs.ts';
import { alterResources, refuseResources, requireValue } from '../config-alterations.ts';
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
    throw new KafkaError('INVALID_REQUEST', `Unknown operations type ${configOperation} for ${name}`);
  }
  if (operation === 'DELETE') return { operation, name };
  return { operation, name, value: requireValue(name, value) };
}
