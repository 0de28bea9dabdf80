/**
 * What the classic APIs call: checks a request, finds or creates its group, passes it on. Groups of other kinds take part
 * as Kafka has it: a consumer group with members decides itself about those that speak the classic protocol, one without
 * becomes classic, a share group takes none.
 */
import type { ErrorName } from '../../../errors.ts';
import { KafkaError } from '../../../errors.ts';
import type { Journal, Records } from '../../../journal/journal.ts';
import {
  CLIENT_ID_CHARS_KEPT,
  INSTANCE_ID_CHARS_MAX,
  MEMBER_METADATA_BYTES_MAX,
  MEMBER_TEXT_BYTES_MAX,
} from '../../../limits.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import type { GroupKind, Groups } from '../groups.ts';
import type { LiveGroup } from '../live-group.ts';
import { ClassicGroup, type ClassicGroupOptions } from './classic-group.ts';
import type { ClassicMembership } from './classic-membership.ts';
import { deflate } from './classic-records.ts';
import {
  emptyGroup,
  type Group,
  type GroupSettings,
  type JoinAnswer,
  type MemberName,
  type Protocol,
  refused,
  type SyncAnswer,
} from './group-state.ts';
import type { Join } from './join.ts';
import type { Sync } from './sync.ts';

export interface ClassicSettings extends GroupSettings {
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
}

export interface ClassicGroupsOptions {
  readonly groups: Groups;
  readonly runtime: Runtime;
  readonly settings: ClassicSettings;
}

/** A JoinGroup request; `newMemberId` is given here. */
export interface JoinRequest extends Omit<Join, 'newMemberId' | 'clientId'> {
  readonly clientId: string | null;
}

export class ClassicGroups implements GroupKind {
  readonly type = 'classic';
  readonly #options: ClassicGroupsOptions;

  constructor(options: ClassicGroupsOptions) {
    this.#options = options;
  }

  load(groupId: string, journal: Journal, records: Records): ClassicGroup {
    return ClassicGroup.load(this.#groupOptions(groupId, journal), records);
  }

  /** A group that goes on as a classic one, with members that another kind of group had. Lists it. */
  adopt(groupId: string, journal: Journal, group: Group): ClassicGroup {
    const emptySince = group.members.size === 0 ? this.#options.runtime.clock.now() : null;
    const adopted = new ClassicGroup(this.#groupOptions(groupId, journal), { group, emptySince, partial: false });
    this.#options.groups.put(adopted);
    return adopted;
  }

  /** Throws what `checkJoin` and `Groups.place` throw, and INCONSISTENT_GROUP_PROTOCOL for a group of another kind. */
  join(groupId: string, request: JoinRequest): JoinAnswer | Promise<JoinAnswer> {
    checkGroupId(groupId);
    checkJoin(request, this.#options.settings);
    const clientId = (request.clientId ?? '').slice(0, CLIENT_ID_CHARS_KEPT);
    const named = { ...request, clientId, newMemberId: this.#newMemberId(request.groupInstanceId ?? clientId) };
    const found = this.#find(groupId);
    const membership = found && this.#membershipToJoin(found);
    if (membership) return membership.join(named);
    if (request.memberId !== '')
      return this.#absent(groupId, (error) => ({ ...refused(error), memberId: request.memberId }));
    return this.#create(groupId, named).then((group) => group.join(named));
  }

  sync(groupId: string, request: Sync): SyncAnswer | Promise<SyncAnswer> {
    checkGroupId(groupId);
    for (const assignment of request.assignments.values()) checkLength('an assignment', assignment);
    const membership = this.#find(groupId)?.classic;
    return membership ? membership.sync(request) : this.#absent(groupId, refused);
  }

  heartbeat(groupId: string, name: MemberName, generationId: number): ErrorName | Promise<ErrorName> {
    checkGroupId(groupId);
    const membership = this.#find(groupId)?.classic;
    return membership ? membership.heartbeat(name, generationId) : this.#absent(groupId, (error) => error);
  }

  leave(groupId: string, names: readonly MemberName[]): readonly ErrorName[] | Promise<readonly ErrorName[]> {
    checkGroupId(groupId);
    const membership = this.#find(groupId)?.classic;
    return membership ? membership.leave(names) : this.#absent(groupId, (error) => names.map(() => error));
  }

  /** Undefined, too, for a group that another broker coordinates by now. */
  #find(groupId: string): LiveGroup | undefined {
    const { groups } = this.#options;
    const group = groups.find(groupId);
    if (group === undefined || group.journal.role === 'leading') return group;
    groups.abandon(group);
    return undefined;
  }

  /** Undefined where a classic group takes the place of what is there. */
  #membershipToJoin(group: LiveGroup): ClassicMembership | undefined {
    if (group.type === 'consumer' && group.memberCount === 0) return undefined;
    if (group.classic) return group.classic;
    throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', `${JSON.stringify(group.groupId)} is a ${group.type} group`);
  }

  async #create(groupId: string, { clientId, clientHost }: Join): Promise<ClassicMembership> {
    const { groups } = this.#options;
    const journal = await groups.place(groupId, `${clientId}${clientHost}`);
    const found = groups.find(groupId); // Others may have created it meanwhile.
    return (found && this.#membershipToJoin(found)) ?? this.adopt(groupId, journal, emptyGroup);
  }

  async #absent<T>(groupId: string, answer: (error: ErrorName) => T): Promise<T> {
    return answer(await this.#options.groups.absence(groupId));
  }

  #groupOptions(groupId: string, journal: Journal): ClassicGroupOptions {
    const { groups, runtime, settings } = this.#options;
    return {
      groupId,
      journal,
      runtime,
      settings,
      onIdle: (group) => groups.forget(group),
      onLost: (group) => groups.abandon(group),
    };
  }

  /** As Kafka makes them: what the client is called, and a UUID. */
  #newMemberId(prefix: string): string {
    const hex = this.#options.runtime.random.bytes(16).toString('hex');
    const parts = [0, 8, 12, 16, 20].map((at, index, all) => hex.slice(at, all[index + 1] ?? 32));
    return [prefix, ...parts].join('-');
  }
}

function checkGroupId(groupId: string): void {
  if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'a group needs an id');
}

/** Throws INVALID_SESSION_TIMEOUT, INVALID_REQUEST, MESSAGE_TOO_LARGE. */
function checkJoin(request: JoinRequest, settings: ClassicSettings): void {
  const { sessionTimeoutMs, groupInstanceId, protocols } = request;
  const { sessionTimeoutMinMs, sessionTimeoutMaxMs } = settings;
  if (sessionTimeoutMs < sessionTimeoutMinMs || sessionTimeoutMs > sessionTimeoutMaxMs) {
    const allowed = `${sessionTimeoutMinMs} to ${sessionTimeoutMaxMs} ms are allowed`;
    throw new KafkaError('INVALID_SESSION_TIMEOUT', `a session timeout of ${sessionTimeoutMs} ms: ${allowed}`);
  }
  if (groupInstanceId !== null && (groupInstanceId === '' || groupInstanceId.length > INSTANCE_ID_CHARS_MAX)) {
    throw new KafkaError('INVALID_REQUEST', `an instance id has 1 to ${INSTANCE_ID_CHARS_MAX} characters`);
  }
  checkProtocols(protocols);
}

function checkProtocols(protocols: readonly Protocol[]): void {
  let bytes = 0;
  for (const { name, metadata } of protocols) {
    bytes += name.length + (metadata.length / 4) * 3;
    checkLength(`metadata for ${JSON.stringify(name)}`, metadata);
  }
  if (bytes > MEMBER_METADATA_BYTES_MAX) {
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `${bytes} bytes of metadata of one member: at most ${MEMBER_METADATA_BYTES_MAX}`,
    );
  }
}

function checkLength(what: string, base64: string): void {
  const bytes = (base64.length / 4) * 3;
  const fits = bytes <= MEMBER_METADATA_BYTES_MAX && deflate(base64).length <= MEMBER_TEXT_BYTES_MAX;
  if (!fits) throw new KafkaError('MESSAGE_TOO_LARGE', `${what} of ${bytes} bytes is too long`);
}
