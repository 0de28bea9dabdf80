/**
 * OffsetCommit (8), v2-10; topics by id since v10.
 *
 * Members commit with their generation or epoch; whoever is no member commits with -1, which makes a group where there is
 * none. Each partition has its own result: unknown topics and partitions, metadata above `offset.metadata.max.bytes`. What
 * arrives together is one journal entry. A retention time (v2 to v4) counts for the offsets that bring it.
 */
import { KafkaError } from '../../errors.ts';
import type { Handler } from '../handler.ts';
import { clientOf, codesOf, eachOf, learnNames, offsetOf, withCodes } from '../offset-topics.ts';

export const offsetCommit: Handler<'OffsetCommit'> = {
  async handle({ groupId, memberId, groupInstanceId, generationIdOrMemberEpoch, retentionTimeMs, topics }, call) {
    const { apiVersion, broker } = call;
    const learning = learnNames(call);
    if (learning !== null) await learning;
    const expiry = retentionTimeMs < 0 ? null : { expiresAt: broker.runtime.clock.now() + retentionTimeMs };
    const offsets = topics.flatMap((topic) =>
      topic.partitions.map((partition) => {
        const offset = offsetOf(call, topic, partition);
        return expiry === null || offset instanceof KafkaError ? offset : { ...offset, ...expiry };
      }),
    );
    const committer = { memberId, groupInstanceId, generationIdOrMemberEpoch, transactional: false, apiVersion };
    const codes = await codesOf(call, offsets, (accepted) =>
      broker.coordinators.offsets.commit({ groupId, client: clientOf(call) }, committer, accepted),
    );
    return { topics: withCodes(topics, eachOf(codes)) };
  },
  refuse: ({ topics }, error, call) => ({ topics: withCodes(topics, () => call.code(error.error)) }),
};
