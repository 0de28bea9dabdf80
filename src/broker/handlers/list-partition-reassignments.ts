/** ListPartitionReassignments (46), v0: nothing is ever being moved, see alter-partition-reassignments.ts. */
import type { Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

export const listPartitionReassignments: Handler<'ListPartitionReassignments'> = {
  handle: () => ({ errorCode: 0, topics: [] }),
  refuse: (_request, error, call) => ({ ...itemError(call, error), topics: [] }),
};
