import type { Leaders, Members } from '../cluster/members.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';

/** The other brokers, as coordinators need them. */
export interface CoordinatorCluster {
  readonly brokerId: number;
  readonly leaders: Leaders;
  readonly members: Members;
  readonly peers: Peers;
  readonly registry: RpcRegistry;
}
