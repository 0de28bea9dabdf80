/**
 * AlterConfigs (33), v0-2: the configurations of a topic, a group or a broker become exactly the given ones; those not given
 * go back to their defaults. Java's admin client no longer sends it, librdkafka, KafkaJS and @platformatic/kafka do.
 *
 * Refuses what IncrementalAlterConfigs refuses, in the same way.
 */
import type { ConfigAlteration } from '../../cluster/topics.ts';
import { alterResources, refuseResources, requireValue } from '../config-alterations.ts';
import type { Handler } from '../handler.ts';

export const alterConfigs: Handler<'AlterConfigs'> = {
  turn: 'alone',
  handle: (request, call) =>
    alterResources(request, call, ({ configs }, overrides): ConfigAlteration[] => {
      const given = new Set(configs.map(({ name }) => name));
      const gone = Object.keys(overrides).filter((name) => !given.has(name));
      return [
        ...gone.map((name) => ({ operation: 'DELETE', name }) as const),
        ...configs.map(({ name, value }) => ({ operation: 'SET', name, value: requireValue(name, value) }) as const),
      ];
    }),
  refuse: refuseResources,
};
