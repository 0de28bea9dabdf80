/**
 * Records of a consumer group, in its owner's family (`coordinator/owner.ts`). Version 1 of each, as JSON:
 *
 *   `group`          v, type: 'consumer', epoch, targetEpoch, topics (their hash), emptySince
 *   `m/<member id>`  v, what the member said of itself, where it is between what it has and its target
 *   `a/<member id>`  v, partitions: its part of the target; apart, because a new target changes those of many
 *
 * Partitions are runs by topic id. Persisted: names and meanings stay.
 */
import { StorageCorruptError } from '../../../errors.ts';
import type { RecordChange, Records } from '../../../journal/journal.ts';
import { groupOwner } from '../../owner.ts';
import { readAssignment, type WrittenAssignment, writeAssignment } from '../assignor/assignment.ts';
import type { Assignment } from '../assignor/assignor.ts';
import { GROUP_KEY, isMembershipKey, memberIdOf, memberKey, parseRecord } from '../group-record.ts';
import type { ClassicMembership, ConsumerGroup, ConsumerMember, MemberState } from './consumer-group.ts';

const VERSION = 1;
const TARGET = 'a/';
const STATES: readonly MemberState[] = ['STABLE', 'UNREVOKED_PARTITIONS', 'UNRELEASED_PARTITIONS'];

export const targetKey = (memberId: string): string => TARGET + memberId;

interface GroupRecord {
  readonly type: string;
  readonly epoch: number;
  readonly targetEpoch: number;
  readonly topics: string;
  readonly emptySince: number | null;
}

interface MemberRecord {
  readonly instance: string | null;
  readonly rack: string | null;
  readonly client: string;
  readonly host: string;
  readonly rebalanceMs: number;
  readonly assignor: string | null;
  readonly names: readonly string[];
  readonly regex: string | null;
  readonly epoch: number;
  readonly previous: number;
  readonly state: string;
  readonly assigned: WrittenAssignment;
  readonly revoking: WrittenAssignment;
  readonly classic: ClassicMembership | null;
}

interface Read {
  readonly records: Records;
  readonly group: ConsumerGroup;
}

type ReadMembers = Map<string, { readonly text: string; readonly member: ConsumerMember }>;
type ReadTargets = Map<string, { readonly text: string; readonly target: Assignment }>;

/**
 * Reads one group's records again and again. What did not change since the last time is not parsed again, and equal lists
 * of topic names are one list.
 */
export class ConsumerGroupReader {
  readonly #groupId: string;
  /** What was read last, and before: the durable records, and those of an entry being built. */
  #latest: Read | null = null;
  #before: Read | null = null;
  #header: { readonly text: string; readonly record: GroupRecord } | null = null;
  #members: ReadMembers = new Map();
  #targets: ReadTargets = new Map();

  constructor(groupId: string) {
    this.#groupId = groupId;
  }

  /** Null when the records are not those of a consumer group. Throws StorageCorruptError. */
  read(records: Records): ConsumerGroup | null {
    if (this.#latest?.records === records) {
      this.#before = null; // Records of the past are not kept alive.
      return this.#latest.group;
    }
    if (this.#before?.records === records) return this.#before.group;
    const text = records.get(GROUP_KEY);
    if (text === undefined) return null;
    const isSameHeader = this.#header?.text === text;
    const header = isSameHeader ? this.#header! : { text, record: this.#parse<GroupRecord>(text) };
    if (header.record.type !== 'consumer') return null;
    this.#header = header;
    const isSame = this.#readMembers(records) && isSameHeader;
    const group = isSame && this.#latest ? this.#latest.group : this.#assemble(header.record);
    this.#before = this.#latest;
    this.#latest = { records, group };
    return group;
  }

  /** True when they are those of the last time. */
  #readMembers(records: Records): boolean {
    const before = { members: this.#members, targets: this.#targets };
    const members: ReadMembers = new Map();
    const targets: ReadTargets = new Map();
    let isSame = true;
    for (const [key, text] of records) {
      const memberId = memberIdOf(key);
      if (memberId !== null) {
        const known = before.members.get(memberId);
        if (known?.text !== text) isSame = false;
        members.set(
          memberId,
          known?.text === text ? known : { text, member: this.#parseMember(memberId, text, members) },
        );
      } else if (key.startsWith(TARGET)) {
        const targetOf = key.slice(TARGET.length);
        const known = before.targets.get(targetOf);
        if (known?.text !== text) isSame = false;
        targets.set(targetOf, known?.text === text ? known : { text, target: this.#parseTarget(text) });
      }
    }
    this.#members = members;
    this.#targets = targets;
    return isSame && members.size === before.members.size && targets.size === before.targets.size;
  }

  #assemble({ epoch, targetEpoch, topics, emptySince }: GroupRecord): ConsumerGroup {
    return {
      groupId: this.#groupId,
      epoch,
      targetEpoch,
      topicsHash: topics,
      emptySince,
      members: new Map([...this.#members].map(([memberId, { member }]) => [memberId, member])),
      targets: new Map([...this.#targets].map(([memberId, { target }]) => [memberId, target])),
    };
  }

  #parse<T>(text: string): T {
    return parseRecord(groupOwner(this.#groupId), text, VERSION) as T;
  }

  #parseMember(memberId: string, text: string, others: ReadMembers): ConsumerMember {
    const record = this.#parse<MemberRecord>(text);
    return {
      memberId,
      instanceId: record.instance,
      rackId: record.rack,
      clientId: record.client,
      clientHost: record.host,
      rebalanceTimeoutMs: record.rebalanceMs,
      serverAssignor: record.assignor,
      subscribedTopicNames: sharedNames(record.names, others),
      subscribedTopicRegex: record.regex,
      memberEpoch: record.epoch,
      previousMemberEpoch: record.previous,
      state: STATES.find((state) => state === record.state) ?? 'UNKNOWN',
      assigned: readAssignment(record.assigned, this.#corrupt),
      revoking: readAssignment(record.revoking, this.#corrupt),
      classic: record.classic,
    };
  }

  #parseTarget(text: string): Assignment {
    return readAssignment(this.#parse<{ partitions: WrittenAssignment }>(text).partitions, this.#corrupt);
  }

  readonly #corrupt = (text: string): Error =>
    new StorageCorruptError(`${groupOwner(this.#groupId)}: ${text.slice(0, 100)} is no list of partitions`);
}

/** The list that the first of the others has, when it is the same. */
function sharedNames(
  names: readonly string[],
  others: ReadonlyMap<string, { readonly member: ConsumerMember }>,
): readonly string[] {
  const [first] = others.values();
  const shared = first?.member.subscribedTopicNames;
  return shared && equalNames(shared, names) ? shared : names;
}

export const equalNames = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((name, index) => name === b[index]));

/** What has to be written for `after` to follow `before`, which was read from records. Values that are the same object are not looked at. */
export function recordChanges(before: ConsumerGroup | null, after: ConsumerGroup): RecordChange[] {
  const changes: RecordChange[] = [];
  if (before === null || !isSameGroup(before, after)) changes.push({ key: GROUP_KEY, value: writeGroup(after) });
  for (const memberId of before?.members.keys() ?? []) {
    if (!after.members.has(memberId)) changes.push({ key: memberKey(memberId), value: null });
  }
  for (const memberId of before?.targets.keys() ?? []) {
    if (!after.targets.has(memberId)) changes.push({ key: targetKey(memberId), value: null });
  }
  for (const [memberId, member] of after.members) {
    if (before?.members.get(memberId) !== member)
      changes.push({ key: memberKey(memberId), value: writeMember(member) });
  }
  for (const [memberId, target] of after.targets) {
    if (before?.targets.get(memberId) !== target)
      changes.push({ key: targetKey(memberId), value: writeTarget(target) });
  }
  return changes;
}

/** Removes what a group of another kind, or an earlier one, left of its membership. */
export const clearedMembership = (records: Records): RecordChange[] =>
  [...records.keys()].filter((key) => key !== GROUP_KEY && isMembershipKey(key)).map((key) => ({ key, value: null }));

const isSameGroup = (a: ConsumerGroup, b: ConsumerGroup): boolean =>
  a.epoch === b.epoch &&
  a.targetEpoch === b.targetEpoch &&
  a.topicsHash === b.topicsHash &&
  a.emptySince === b.emptySince;

function writeGroup({ epoch, targetEpoch, topicsHash, emptySince }: ConsumerGroup): string {
  const record: GroupRecord = { type: 'consumer', epoch, targetEpoch, topics: topicsHash, emptySince };
  return JSON.stringify({ v: VERSION, ...record });
}

function writeMember(member: ConsumerMember): string {
  const record: MemberRecord = {
    instance: member.instanceId,
    rack: member.rackId,
    client: member.clientId,
    host: member.clientHost,
    rebalanceMs: member.rebalanceTimeoutMs,
    assignor: member.serverAssignor,
    names: member.subscribedTopicNames,
    regex: member.subscribedTopicRegex,
    epoch: member.memberEpoch,
    previous: member.previousMemberEpoch,
    state: member.state,
    assigned: writeAssignment(member.assigned),
    revoking: writeAssignment(member.revoking),
    classic: member.classic,
  };
  return JSON.stringify({ v: VERSION, ...record });
}

const writeTarget = (target: Assignment): string => JSON.stringify({ v: VERSION, partitions: writeAssignment(target) });
