/**
 * What members that speak the classic protocol ask of a group. Classic groups are made of nothing else; a consumer group
 * may have such members while its clients are upgraded (KIP-848).
 */
import type { ErrorName } from '../../../errors.ts';
import type { JoinAnswer, MemberName, SyncAnswer } from './group-state.ts';
import type { Join } from './join.ts';
import type { Sync } from './sync.ts';

export interface ClassicMembership {
  /** May wait for others to join. */
  join(request: Join): JoinAnswer | Promise<JoinAnswer>;
  /** May wait for the leader's assignment to be durable. */
  sync(request: Sync): SyncAnswer | Promise<SyncAnswer>;
  heartbeat(name: MemberName, generationId: number): ErrorName;
  /** Per member, in the order of the request; NONE for those that left. */
  leave(names: readonly MemberName[]): readonly ErrorName[] | Promise<readonly ErrorName[]>;
}

export type { Join, JoinAnswer, MemberName, Sync, SyncAnswer };
