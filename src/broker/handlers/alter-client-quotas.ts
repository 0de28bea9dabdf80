/**
 * AlterClientQuotas (49), v0-1: quotas of users, client ids and addresses are set and removed (KIP-546, KIP-612).
 *
 * Each entity has its own result and changes as a whole or not at all. INVALID_REQUEST for an entity that is named twice, is
 * empty, or combines an address with others, for a quota that it cannot have, and for a value that is not above 0. They
 * hold for requests that arrive after the answer. `validateOnly` changes nothing.
 *
 * Unlike Kafka: an address must be one, names of hosts are not looked up. Nobody is authenticated, so every user is
 * ANONYMOUS.
 */
import { entityKey, parseEntity } from '../../cluster/quota-entity.ts';
import { KafkaError } from '../../errors.ts';
import type { AlterClientQuotasRequest } from '../../protocol/messages/alter-client-quotas.ts';
import type { Handler } from '../handler.ts';
import { changeEach, checkItemCount, itemError, namedTwice } from '../item-errors.ts';

type Entry = AlterClientQuotasRequest['entries'][number];

export const alterClientQuotas: Handler<'AlterClientQuotas'> = {
  turn: 'alone',
  async handle({ entries, validateOnly }, call) {
    checkItemCount('entities', entries.length);
    const twice = namedTwice(entries.map(keyOf).filter((key) => key !== null));
    return {
      entries: await changeEach(entries, async (entry) => {
        const { entity, ops } = entry;
        try {
          if (twice.has(keyOf(entry)!)) throw new KafkaError('INVALID_REQUEST', 'Ignoring duplicate entity');
          const operations = ops.map(({ key, value, remove }) => ({ name: key, value: remove ? null : value }));
          await call.broker.configs.quotas.alter(parseEntity(entity), operations, { validateOnly });
          return { errorCode: 0, errorMessage: null, entity };
        } catch (cause) {
          return { ...itemError(call, cause), entity };
        }
      }),
    };
  },
  refuse: ({ entries }, error, call) => ({
    entries: entries.map(({ entity }) => ({ ...itemError(call, error), entity })),
  }),
};

/** Null for an entity that is none. */
function keyOf({ entity }: Entry): string | null {
  try {
    return entityKey(parseEntity(entity));
  } catch (cause) {
    if (cause instanceof KafkaError) return null;
    throw cause;
  }
}
