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
import { confirmLeading, isFinal, refuse, sureOfError, toCoordinatorError } from '../../coordinator-error.ts';
import type { GroupKind, Groups } from '../groups.ts';
import type { LiveGroup } from '../live-group.ts';
import { ClassicGroup, type ClassicGroupOptions } from './classic-group.ts';
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
    const { memberId } = request;
    const found = this.#find(groupId);
    if (found && !takesClassicMembers(found)) return refuse(found.journal, isOfAnotherKind(found));
    if (found?.classic && !isToBeReplaced(found)) return sure(found.journal, found.classic.join(named));
    if (memberId !== '') return this.#noMember(groupId, found).then((error) => ({ ...refused(error), memberId }));
    return this.#create(groupId, named).then(({ journal, membership }) => sure(journal, membership.join(named)));
  }

  sync(groupId: string, request: Sync): SyncAnswer | Promise<SyncAnswer> {
    checkGroupId(groupId);
    for (const assignment of request.assignments.values()) checkLength('an assignment', assignment);
    const found = this.#find(groupId);
    if (found?.classic) return sure(found.journal, found.classic.sync(request));
    return this.#noMember(groupId, found).then(refused);
  }

  heartbeat(groupId: string, name: MemberName, generationId: number): ErrorName | Promise<ErrorName> {
    checkGroupId(groupId);
    const found = this.#find(groupId);
    if (!found?.classic) return this.#noMember(groupId, found);
    const error = found.classic.heartbeat(name, generationId);
    return isFinal(error) ? sureOfError(found.journal, error) : error;
  }

  async leave(groupId: string, names: readonly MemberName[]): Promise<readonly ErrorName[]> {
    checkGroupId(groupId);
    const found = this.#find(groupId);
    if (!found?.classic) {
      const error = await this.#noMember(groupId, found);
      return names.map(() => error);
    }
    const errors = await found.classic.leave(names);
    try {
      // Nothing is written where the group goes on in memory: a successor would keep the members.
      await confirmLeading(found.journal);
      return errors;
    } catch (cause) {
      const { error } = toCoordinatorError(cause);
      return names.map(() => error);
    }
  }

  /** Undefined, too, for a group that another broker coordinates by now. */
  #find(groupId: string): LiveGroup | undefined {
    const { groups } = this.#options;
    const group = groups.find(groupId);
    if (group === undefined || group.journal.role === 'leading') return group;
    groups.abandon(group);
    return undefined;
  }

  async #create(groupId: string, { clientId, clientHost }: Join) {
    const { groups } = this.#options;
    const journal = await groups.place(groupId, `${clientId}${clientHost}`);
    const found = groups.find(groupId); // Others may have created it meanwhile.
    if (found && !takesClassicMembers(found)) return refuse(journal, isOfAnotherKind(found));
    const isThere = found?.classic !== undefined && !isToBeReplaced(found);
    return { journal, membership: isThere ? found.classic : this.adopt(groupId, journal, emptyGroup) };
  }

  /** What is told to a member that the group does not have, or that has no group. */
  async #noMember(groupId: string, found: LiveGroup | undefined): Promise<ErrorName> {
    return found === undefined
      ? this.#options.groups.absence(groupId)
      : sureOfError(found.journal, 'UNKNOWN_MEMBER_ID');
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

/** A classic group takes its place when somebody joins. */
const isToBeReplaced = ({ type, memberCount }: LiveGroup): boolean => type === 'consumer' && memberCount === 0;

const takesClassicMembers = (group: LiveGroup): boolean => group.classic !== undefined || isToBeReplaced(group);

const isOfAnotherKind = ({ groupId, type }: LiveGroup): KafkaError =>
  new KafkaError('INCONSISTENT_GROUP_PROTOCOL', `${JSON.stringify(groupId)} is a ${type} group`);

/** The answer, once it is sure when it is a refusal. */
function sure<A extends JoinAnswer | SyncAnswer>(journal: Journal, answer: A | Promise<A>): A | Promise<A> {
  if (answer instanceof Promise) return answer.then((later) => sure(journal, later));
  if (answer.type !== 'refused' || !isFinal(answer.error)) return answer;
  return sureOfError(journal, answer.error).then((error) => ({ ...answer, error }));
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
