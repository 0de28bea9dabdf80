/** What `test/integration/committed-offsets.test.ts` cannot bring about: a coordinator that is away. */
import { expect, test } from 'vitest';
import { ERRORS, KafkaError } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const away = (error: 'COORDINATOR_NOT_AVAILABLE' | 'COORDINATOR_LOAD_IN_PROGRESS') => {
  const broker = door();
  const fetch = () => Promise.reject(new KafkaError(error, 'later'));
  return {
    ...broker,
    coordinators: Object.assign(Object.create(broker.coordinators), {
      offsets: { fetch, learnTopics: async () => {} },
    }),
  };
};

test.each(versionsOf('OffsetFetch'))('v%i tells consumers to look for the coordinator again', async (version) => {
  const topics = [{ name: 'orders', topicId: 'AAAAAAAAQACAAAAAAAAAAA', partitionIndexes: [0] }];
  const request = version >= 8 ? { groups: [{ groupId: 'g', topics }] } : { groupId: 'g', topics };
  const codes = async (error: Parameters<typeof away>[0]) => {
    const answer = await ask(away(error), 'OffsetFetch', version, request);
    if (version >= 8) return answer.groups.map(({ errorCode }) => errorCode);
    if (version >= 2) return [answer.errorCode];
    return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  };
  expect(await codes('COORDINATOR_NOT_AVAILABLE')).toEqual([ERRORS.NOT_COORDINATOR.code]);
  expect(await codes('COORDINATOR_LOAD_IN_PROGRESS')).toEqual([ERRORS.COORDINATOR_LOAD_IN_PROGRESS.code]);
});
