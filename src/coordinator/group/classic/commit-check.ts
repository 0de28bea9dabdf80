import type { ErrorName } from '../../../errors.ts';
import type { Committer } from '../live-group.ts';
import { type Group, memberError } from './group-state.ts';

/** Null when offsets may be committed; else why not, as Kafka has it. */
export function checkClassicCommit(group: Group, committer: Committer): ErrorName | null {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId, transactional } = committer;
  if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
  // From an administrator, or a consumer that assigns partitions to itself.
  if (generationId < 0 && group.state === 'Empty') return null;
  if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
    const error = memberError(group, { memberId, groupInstanceId });
    if (error !== null) return error;
    if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';
  } else if (!transactional && group.state !== 'Empty') {
    return 'UNKNOWN_MEMBER_ID';
  }
  // It has joined and knows the generation, so it is told gently.
  return !transactional && group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : null;
}
