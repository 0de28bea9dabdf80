/**
 * OffsetDelete (47), v0: a group forgets what it committed for single partitions (KIP-496).
 *
 * A topic that members subscribe to is GROUP_SUBSCRIBED_TO_TOPIC. A group whose members speak another protocol than
 * "consumer" is NON_EMPTY_GROUP as a whole, one that does not exist GROUP_ID_NOT_FOUND. Where nothing was committed there is
 * no error.
 */
import { KafkaError } from '../../errors.ts';
import type { Handler } from '../handler.ts';
import { acceptedOf, codesWith, eachOf, learnNames, topicIdOf, withCodes } from '../offset-topics.ts';

export const offsetDelete: Handler<'OffsetDelete'> = {
  async handle({ groupId, topics }, call) {
    const learning = learnNames(call);
    if (learning !== null) await learning;
    const places = topics.flatMap(({ name, partitions }) =>
      partitions.map(({ index }) => {
        const topicId = topicIdOf(call, { name, topicId: '' }, index);
        return topicId instanceof KafkaError ? topicId : { topicName: name, topicId, partition: index };
      }),
    );
    const outcomes = await call.broker.coordinators.offsets.delete(groupId, acceptedOf(places));
    return { errorCode: 0, topics: withCodes(topics, eachOf(codesWith(call, places, outcomes))) };
  },
  refuse: (_request, error, call) => ({ errorCode: call.code(error.error), topics: [] }),
};
