/**
 * A broker that leaves: what its clients are answered once its journals are with others, so that they look for those at
 * once, before their connections end. What is not in the table is answered as ever, Metadata and FindCoordinator before all:
 * they name the others.
 */
import type { Member, Members } from '../cluster/members.ts';
import { type ErrorName, KafkaError } from '../errors.ts';
import type { ApiName } from '../protocol/apis.ts';

const REFUSED: Partial<Record<ApiName, ErrorName>> = {
  Produce: 'NOT_LEADER_OR_FOLLOWER',
  Fetch: 'NOT_LEADER_OR_FOLLOWER',
  ListOffsets: 'NOT_LEADER_OR_FOLLOWER',
  OffsetForLeaderEpoch: 'NOT_LEADER_OR_FOLLOWER',
  JoinGroup: 'NOT_COORDINATOR',
  SyncGroup: 'NOT_COORDINATOR',
  Heartbeat: 'NOT_COORDINATOR',
  ConsumerGroupHeartbeat: 'NOT_COORDINATOR',
  ShareGroupHeartbeat: 'NOT_COORDINATOR',
  OffsetCommit: 'NOT_COORDINATOR',
  OffsetFetch: 'NOT_COORDINATOR',
  TxnOffsetCommit: 'NOT_COORDINATOR',
  AddPartitionsToTxn: 'NOT_COORDINATOR',
  AddOffsetsToTxn: 'NOT_COORDINATOR',
  EndTxn: 'NOT_COORDINATOR',
};

/** Why a leaving broker does not do this; null for what it still does. */
export function refusalOf(api: ApiName): KafkaError | null {
  const error = REFUSED[api];
  return error === undefined ? null : new KafkaError(error, 'this broker is about to stop: others do its work now');
}

const isOther =
  ({ self }: Members) =>
  ({ brokerId, draining }: Member): boolean =>
    brokerId !== self.brokerId && !draining;

/** Whether anybody is there to go to. */
export const hasOthers = (members: Members): boolean => members.live().some(isOther(members));
