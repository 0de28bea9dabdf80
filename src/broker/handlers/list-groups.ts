/**
 * ListGroups (16), v0-5: all groups that this broker coordinates, of every kind; in some states (v4), of some types (v5).
 * Filters are compared without regard to case, as Kafka does.
 */
import type { Handler } from '../handler.ts';

export const listGroups: Handler<'ListGroups'> = {
  handle({ statesFilter, typesFilter }, call) {
    const states = lowerCase(statesFilter);
    const types = lowerCase(typesFilter);
    const groups = [];
    for (const { groupId, protocolType, state, type } of call.broker.coordinators.groups.list()) {
      if (states.size > 0 && !states.has(state.toLowerCase())) continue;
      if (types.size > 0 && !types.has(type)) continue;
      groups.push({ groupId, protocolType, groupState: state, groupType: type });
    }
    return { errorCode: 0, groups };
  },
  refuse: (_request, { error }, call) => ({ errorCode: call.code(error), groups: [] }),
};

const lowerCase = (names: readonly string[]): ReadonlySet<string> => new Set(names.map((name) => name.toLowerCase()));
