/**
 * DeleteShareGroupOffsets (92), v0: a share group forgets topics: it begins anew there, as `share.auto.offset.reset` says
 * (KIP-932). The group must have no members. A topic that it has not used is UNKNOWN_TOPIC_OR_PARTITION.
 */
import { KafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { Handler } from '../handler.ts';
import { itemError, unknownTopic } from '../item-errors.ts';
import { learnNames } from '../offset-topics.ts';

export const deleteShareGroupOffsets: Handler<'DeleteShareGroupOffsets'> = {
  turn: 'alone',
  async handle({ groupId, topics }, call) {
    const { topics: known, coordinators } = call.broker;
    if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'the group id is empty');
    const learning = learnNames(call);
    if (learning !== null) await learning;
    const topicIds = new Set(topics.flatMap(({ name }) => known.byName(name)?.topicId ?? []));
    const used = await coordinators.shareOffsets.delete(groupId, topicIds);
    return {
      topics: topics.map(({ name }) => {
        const topicId = known.byName(name)?.topicId ?? ZERO_UUID;
        if (used.has(topicId)) return { name, topicId };
        const unused = new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', 'there are no offsets to delete');
        return { name, topicId, ...itemError(call, topicId === ZERO_UUID ? unknownTopic(name) : unused) };
      }),
    };
  },
  refuse: (_request, error, call) => ({ ...itemError(call, error), topics: [] }),
};
