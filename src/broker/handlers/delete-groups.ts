/**
 * DeleteGroups (42), v0-2: groups without members go, with all their offsets. NON_EMPTY_GROUP and GROUP_ID_NOT_FOUND per
 * group.
 */

import type { Handler } from '../handler.ts';
import { changeEach, itemError } from '../item-errors.ts';

export const deleteGroups: Handler<'DeleteGroups'> = {
  async handle({ groupsNames }, call) {
    const { groups } = call.broker.coordinators;
    const results = await changeEach(groupsNames, async (groupId) => {
      try {
        await groups.delete(groupId);
        return { groupId, errorCode: 0 };
      } catch (cause) {
        return { groupId, errorCode: itemError(call, cause).errorCode };
      }
    });
    return { results };
  },
  refuse: ({ groupsNames }, { error }, call) => ({
    results: groupsNames.map((groupId) => ({ groupId, errorCode: call.code(error) })),
  }),
};
