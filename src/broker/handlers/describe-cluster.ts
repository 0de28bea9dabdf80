/**
 * DescribeCluster (60), v0-2: brokers, controller and cluster id. The first thing Java's admin client asks.
 *
 * Endpoint type 2 asks for controllers, which do not listen for clients: MISMATCHED_ENDPOINT_TYPE, as Kafka's brokers
 * answer. Brokers are those that Metadata tells; those that are about to stop are told as fenced
 * ones, to who asks for these (v2, KIP-1073). Authorized operations are not told, since there are no ACLs.
 */
import type { Member } from '../../cluster/members.ts';
import { KafkaError } from '../../errors.ts';
import type { ClientView } from '../client-view.ts';
import type { Handler } from '../handler.ts';

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeCluster: Handler<'DescribeCluster'> = {
  handle({ endpointType, includeFencedBrokers }, call) {
    if (endpointType === CONTROLLERS) {
      throw new KafkaError('MISMATCHED_ENDPOINT_TYPE', 'this is an endpoint of brokers, not of controllers');
    }
    if (endpointType !== BROKERS) {
      throw new KafkaError('UNSUPPORTED_ENDPOINT_TYPE', `${endpointType} is no type of endpoint`);
    }
    const { view } = call;
    return {
      errorCode: 0,
      endpointType,
      clusterId: call.broker.clusterId,
      controllerId: view.controllerId,
      brokers: [
        ...view.brokers.map((member) => describe(view, member, false)),
        ...(includeFencedBrokers ? view.leaving.map((member) => describe(view, member, true)) : []),
      ],
    };
  },
  refuse: ({ endpointType }, error, call) => ({
    errorCode: call.code(error.error),
    errorMessage: error.message,
    endpointType,
    clusterId: '',
    brokers: [],
  }),
};

function describe(view: ClientView, member: Member, isFenced: boolean) {
  const { nodeId: brokerId, ...address } = view.nodeOf(member);
  return { brokerId, ...address, isFenced };
}
