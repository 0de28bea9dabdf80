/** Whether a member may commit or fetch offsets, as Kafka has it. */
import { KafkaError } from '../../../errors.ts';
import type { Committer } from '../live-group.ts';
import type { ConsumerGroup } from './consumer-group.ts';

/** Members of the consumer protocol commit with this version or a later one: before it they could not be told STALE_MEMBER_EPOCH. */
const COMMITS_SINCE = 9;

/** Throws UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION, UNSUPPORTED_VERSION. */
export function checkConsumerCommit(group: ConsumerGroup, committer: Committer): void {
  const { memberId, generationIdOrMemberEpoch, transactional, apiVersion } = committer;
  // An administrator, or a client that manages its partitions itself, while nobody else does.
  if (generationIdOrMemberEpoch < 0 && group.members.size === 0) return;
  const member = group.members.get(memberId);
  if (member !== undefined && member.classic === null && !transactional && apiVersion < COMMITS_SINCE) {
    throw new KafkaError(
      'UNSUPPORTED_VERSION',
      `OffsetCommit version ${COMMITS_SINCE} or above must be used by members of the consumer protocol`,
    );
  }
  checkMember(group, memberId, generationIdOrMemberEpoch);
}

/** Throws UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION. */
export function checkMember(group: ConsumerGroup, memberId: string, memberEpoch: number): void {
  const member = group.members.get(memberId);
  if (member === undefined) {
    throw new KafkaError('UNKNOWN_MEMBER_ID', `Member ${memberId} is not a member of group ${group.groupId}.`);
  }
  if (memberEpoch === member.memberEpoch) return;
  const problem = `${memberEpoch} does not match the expected member epoch ${member.memberEpoch}.`;
  throw member.classic === null
    ? new KafkaError('STALE_MEMBER_EPOCH', `The received member epoch ${problem}`)
    : new KafkaError('ILLEGAL_GENERATION', `The received generation id ${problem}`);
}
