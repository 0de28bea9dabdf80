/**
 * ElectLeaders (43), v0-2. A partition has the leader that it should have, or its journal is being taken over, and then
 * nobody is asked: ELECTION_NOT_NEEDED for each, or, while there is no leader, PREFERRED_LEADER_NOT_AVAILABLE and
 * ELIGIBLE_LEADERS_NOT_AVAILABLE for an unclean election. With all partitions asked for (null), those that need none are
 * left out, as in Kafka.
 */
import { KafkaError } from '../../errors.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { requirePartition } from '../partitions.ts';

const PREFERRED = 0;
const UNCLEAN = 1;

export const electLeaders: Handler<'ElectLeaders'> = {
  handle({ electionType, topics }, call) {
    if (electionType !== PREFERRED && electionType !== UNCLEAN) {
      throw new KafkaError('INVALID_REQUEST', `Unknown election type ${electionType}`);
    }
    const outcome = (name: string, index: number) => ({ index, ...elect(name, index, electionType, call) });
    if (topics !== null) {
      return {
        errorCode: 0,
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map((index) => outcome(name, index)),
        })),
      };
    }
    const needed = call.code('ELECTION_NOT_NEEDED');
    const all = call.broker.topics.list('', '', call.broker.topics.count).map(({ name, partitions }) => ({
      name,
      partitions: partitions
        .map(({ partition }) => outcome(name, partition))
        .filter(({ errorCode }) => errorCode !== needed),
    }));
    return { errorCode: 0, topics: all.filter(({ partitions }) => partitions.length > 0) };
  },
  refuse: ({ topics }, error, call) => ({
    errorCode: call.code(error.error),
    // Version 0 has no error of the whole request.
    topics: (call.apiVersion === 0 ? (topics ?? []) : []).map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((index) => ({ index, ...itemError(call, error) })),
    })),
  }),
};

function elect(name: string, index: number, electionType: number, call: Call) {
  try {
    const partition = requirePartition(call.broker, name, index);
    if (call.broker.leaders.of(partition.journal) !== null) {
      throw new KafkaError('ELECTION_NOT_NEEDED', 'the partition has its leader');
    }
    const error = electionType === PREFERRED ? 'PREFERRED_LEADER_NOT_AVAILABLE' : 'ELIGIBLE_LEADERS_NOT_AVAILABLE';
    throw new KafkaError(error, 'the journal of the partition is not led now; a broker takes it over by itself');
  } catch (cause) {
    return itemError(call, cause);
  }
}
