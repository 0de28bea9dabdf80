/**
 * Records of a share group, in its owner's family (`coordinator/owner.ts`). Version 1 of each, as JSON:
 *
 *   `group`          v, type: 'share', epoch, topics (their hash), emptySince
 *   `m/<member id>`  v, what the member said of itself, its epochs, what it was told to have
 *   `a/<member id>`  v, partitions: what it is to have; apart, because a new target changes those of many
 *
 * Partitions are runs by topic id. Persisted: names and meanings stay.
 */
import { StorageCorruptError } from '../../../errors.ts';
import type { RecordChange, Records } from '../../../journal/journal.ts';
import { groupOwner } from '../../owner.ts';
import { readAssignment, type WrittenAssignment, writeAssignment } from '../assignor/assignment.ts';
import { type Assignment, NO_PARTITIONS } from '../assignor/assignor.ts';
import { GROUP_KEY, memberIdOf, memberKey, parseRecord } from '../group-record.ts';
import type { ShareGroupState, ShareMember } from './share-membership.ts';

const TARGET = 'a/';

interface GroupRecord {
  readonly type: string;
  readonly epoch: number;
  readonly topics: string;
  readonly emptySince: number | null;
}

interface MemberRecord {
  readonly rack: string | null;
  readonly client: string;
  readonly host: string;
  readonly names: readonly string[];
  readonly epoch: number;
  readonly previous: number;
  readonly assigned: WrittenAssignment;
}

const targetKey = (memberId: string): string => TARGET + memberId;

/** Reads one group's records again and again; what did not change since the last time is the same object. */
export class ShareGroupReader {
  readonly #owner: string;
  /** By key, with the text they were made of. */
  #known = new Map<string, { readonly text: string; readonly value: unknown }>();
  #last: { readonly records: Records; readonly group: ShareGroupState | null } | null = null;

  constructor(groupId: string) {
    this.#owner = groupOwner(groupId);
  }

  /** Null when the records are not those of a share group. Throws StorageCorruptError. */
  read(records: Records): ShareGroupState | null {
    if (this.#last?.records === records) return this.#last.group;
    const group = this.#assemble(records);
    this.#last = { records, group };
    return group;
  }

  #assemble(records: Records): ShareGroupState | null {
    const before = this.#known;
    const known: typeof before = new Map();
    const parse = <T>(key: string, text: string, make: (parsed: Record<string, unknown>) => T): T => {
      const old = before.get(key);
      const value = old?.text === text ? (old.value as T) : make(parseRecord(this.#owner, text));
      known.set(key, { text, value });
      return value;
    };
    const text = records.get(GROUP_KEY);
    if (text === undefined) return null;
    const { type, epoch, topics, emptySince } = parse(GROUP_KEY, text, (parsed) => parsed as unknown as GroupRecord);
    if (type !== 'share') return null;
    const members = new Map<string, ShareMember>();
    const targets = new Map<string, Assignment>();
    for (const [key, value] of records) {
      const memberId = memberIdOf(key);
      if (memberId !== null)
        members.set(
          memberId,
          parse(key, value, (parsed) => this.#member(memberId, parsed)),
        );
      else if (key.startsWith(TARGET)) {
        targets.set(
          key.slice(TARGET.length),
          parse(key, value, (parsed) => this.#partitions(parsed['partitions'])),
        );
      }
    }
    this.#known = known;
    return { epoch, topicsHash: topics, emptySince, members, targets };
  }

  #member(memberId: string, parsed: Record<string, unknown>): ShareMember {
    const record = parsed as unknown as MemberRecord;
    return {
      memberId,
      rackId: record.rack,
      clientId: record.client,
      clientHost: record.host,
      subscribedTopicNames: record.names,
      memberEpoch: record.epoch,
      previousMemberEpoch: record.previous,
      assigned: this.#partitions(record.assigned),
    };
  }

  #partitions(written: unknown): Assignment {
    return readAssignment(written as WrittenAssignment, (text) => {
      return new StorageCorruptError(`${this.#owner}: ${text.slice(0, 100)} is no list of partitions`);
    });
  }
}

/** What has to be written for `after` to follow `before`. Values that are the same object are not looked at. */
export function shareGroupChanges(before: ShareGroupState | null, after: ShareGroupState): RecordChange[] {
  const changes: RecordChange[] = [];
  const isSame =
    before?.epoch === after.epoch && before.topicsHash === after.topicsHash && before.emptySince === after.emptySince;
  if (!isSame) changes.push({ key: GROUP_KEY, value: writeGroup(after) });
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

const writeGroup = ({ epoch, topicsHash, emptySince }: ShareGroupState): string =>
  JSON.stringify({ v: 1, type: 'share', epoch, topics: topicsHash, emptySince });

function writeMember(member: ShareMember): string {
  const record: MemberRecord = {
    rack: member.rackId,
    client: member.clientId,
    host: member.clientHost,
    names: member.subscribedTopicNames,
    epoch: member.memberEpoch,
    previous: member.previousMemberEpoch,
    assigned: writeAssignment(member.assigned),
  };
  return JSON.stringify({ v: 1, ...record });
}

const writeTarget = (target: Assignment): string => JSON.stringify({ v: 1, partitions: writeAssignment(target) });

export const targetOf = (group: ShareGroupState, memberId: string): Assignment =>
  group.targets.get(memberId) ?? NO_PARTITIONS;
