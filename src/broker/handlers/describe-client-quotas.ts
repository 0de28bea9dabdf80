/**
 * DescribeClientQuotas (48), v0-1: entities that have quotas and match the filter (KIP-546). A component that is strange, or
 * goes with no other, is INVALID_REQUEST, an unknown type of entity UNSUPPORTED_VERSION, as in Kafka.
 */
import { type EntityType, entityMatcher } from '../../cluster/quota-entity.ts';
import type { Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

export const describeClientQuotas: Handler<'DescribeClientQuotas'> = {
  handle({ components, strict }, { broker }) {
    const matches = entityMatcher(components, strict);
    const found = [...broker.configs.quotas.entries()].filter(([entity]) => matches(entity));
    return {
      errorCode: 0,
      entries: found.map(([entity, quotas]) => ({
        entity: (Object.keys(entity) as EntityType[]).map((entityType) => ({
          entityType,
          entityName: entity[entityType]!,
        })),
        values: Object.entries(quotas).map(([key, value]) => ({ key, value })),
      })),
    };
  },
  refuse: (_request, error, call) => ({ ...itemError(call, error), entries: null }),
};
