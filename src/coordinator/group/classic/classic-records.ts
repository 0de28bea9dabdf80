/**
 * What of a classic group is durable: what Kafka writes to __consumer_offsets. JSON, version 1.
 *
 *   group      { v, type: 'classic', generation, protocolType, protocol, leader, emptySince?, partial? }
 *   m/<id>     { v, instance, client, host, session, rebalance, subscription, assignment }
 *
 * Subscription (of the chosen protocol) and assignment are base64 of the members' bytes; long ones are deflated before, and
 * have a `~` in front. A group that does not fit one entry is written in several: `partial` is there until the last of
 * them, and a group that is loaded with it rebalances, since its members may hold assignments of two generations.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { StorageCorruptError } from '../../../errors.ts';
import type { CoordinatorCommand, Decided, DecisionView, RecordChange, Records } from '../../../journal/journal.ts';
import { RECORDS_CHANGED_BYTES_MAX } from '../../../limits.ts';
import { GROUP_KEY, isMembershipKey, memberIdOf, memberKey, parseRecord } from '../group-record.ts';
import { emptyGroup, type Group, type Member, metadataOf } from './group-state.ts';

/** Shorter ones are left as they are: they are many, and people read them. */
const DEFLATE_CHARS_MIN = 4_096;
const INFLATED_BYTES_MAX = 64 * 1024 * 1024;
const DEFLATED = '~';
/** What a change takes in an entry besides key and value. */
const CHANGE_BYTES = 16;

/** A group as it should be in its journal. */
export interface GroupImage {
  readonly group: GroupRecord;
  /** Values by key. */
  readonly members: ReadonlyMap<string, string>;
}

interface GroupRecord {
  readonly v: 1;
  readonly type: 'classic';
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string | null;
  readonly emptySince?: number;
  readonly partial?: true;
}

export function imageOf(group: Group): GroupImage {
  const { proposed } = group;
  const members = new Map<string, string>();
  for (const member of group.members.values()) {
    const assignment = proposed ? (proposed.get(member.memberId) ?? '') : member.assignment;
    members.set(memberKey(member.memberId), encodeMember(member, group.protocolName, assignment));
  }
  return {
    group: {
      v: 1,
      type: 'classic',
      generation: group.generationId,
      protocolType: group.protocolType,
      protocol: group.protocolName,
      leader: group.leaderId,
    },
    members,
  };
}

const encodeMember = (member: Member, protocolName: string | null, assignment: string): string =>
  JSON.stringify({
    v: 1,
    instance: member.groupInstanceId,
    client: member.clientId,
    host: member.clientHost,
    session: member.sessionTimeoutMs,
    rebalance: member.rebalanceTimeoutMs,
    subscription: deflate(metadataOf(member, protocolName)),
    assignment: deflate(assignment),
  });

/** Base64 as it is written. */
export function deflate(base64: string): string {
  if (base64.length < DEFLATE_CHARS_MIN) return base64;
  return DEFLATED + deflateRawSync(Buffer.from(base64, 'base64')).toString('base64');
}

function inflate(text: string): string {
  if (!text.startsWith(DEFLATED)) return text;
  const bytes = Buffer.from(text.slice(DEFLATED.length), 'base64');
  return inflateRawSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX }).toString('base64');
}

export interface Written {
  /** False while more of it is to be written. */
  readonly complete: boolean;
  readonly emptySince: number | null;
}

/** A decision: brings the records of an owner to `image`, or as far as one entry takes them. */
export function writeImage(view: DecisionView, owner: string, image: GroupImage): Decided<Written> {
  const standing = view.records(owner);
  const { changes, complete } = differences(standing, image.members);
  const isEmpty = image.members.size === 0;
  const record: GroupRecord = {
    ...image.group,
    ...(isEmpty && { emptySince: view.timestamp }),
    ...(!complete && { partial: true }),
  };
  changes.push({ key: GROUP_KEY, value: JSON.stringify(record) });
  const command: CoordinatorCommand = { type: 'recordsChanged', owner, changes };
  return { commands: [command], answer: { complete, emptySince: isEmpty ? view.timestamp : null } };
}

function differences(standing: Records, members: ReadonlyMap<string, string>) {
  const changes: RecordChange[] = [];
  let bytes = 0;
  const add = (key: string, value: string | null): boolean => {
    bytes += Buffer.byteLength(key) + (value === null ? 0 : Buffer.byteLength(value)) + CHANGE_BYTES;
    if (bytes > RECORDS_CHANGED_BYTES_MAX && changes.length > 0) return false;
    changes.push({ key, value });
    return true;
  };
  for (const key of standing.keys()) {
    const stale = isMembershipKey(key) && key !== GROUP_KEY && !members.has(key);
    if (stale && !add(key, null)) return { changes, complete: false };
  }
  for (const [key, value] of members) {
    if (standing.get(key) !== value && !add(key, value)) return { changes, complete: false };
  }
  return { changes, complete: true };
}

export interface LoadedGroup {
  readonly group: Group;
  readonly emptySince: number | null;
  readonly partial: boolean;
}

/** A group as it was when it was written. Throws StorageCorruptError. */
export function loadGroup(owner: string, records: Records): LoadedGroup {
  const text = records.get(GROUP_KEY);
  if (text === undefined) return { group: emptyGroup, emptySince: 0, partial: false };
  const record = parseRecord(owner, text) as unknown as GroupRecord;
  const members = new Map<string, Member>();
  const staticMembers = new Map<string, string>();
  for (const [key, value] of records) {
    const memberId = memberIdOf(key);
    if (memberId === null) continue;
    const member = decodeMember(owner, memberId, value, record.protocol ?? '');
    members.set(memberId, member);
    if (member.groupInstanceId !== null) staticMembers.set(member.groupInstanceId, memberId);
  }
  const group: Group = {
    ...emptyGroup,
    state: members.size === 0 ? 'Empty' : 'Stable',
    generationId: record.generation,
    protocolType: record.protocolType,
    protocolName: members.size === 0 ? null : record.protocol,
    leaderId: record.leader !== null && members.has(record.leader) ? record.leader : firstKey(members),
    members,
    staticMembers,
  };
  const emptySince = members.size === 0 ? (record.emptySince ?? 0) : null;
  return { group, emptySince, partial: record.partial === true };
}

const firstKey = (members: ReadonlyMap<string, Member>): string | null => members.keys().next().value ?? null;

function decodeMember(owner: string, memberId: string, text: string, protocolName: string): Member {
  const record = parseRecord(owner, text);
  const { instance, client, host, session, rebalance, subscription, assignment } = record;
  const complete =
    typeof client === 'string' &&
    typeof host === 'string' &&
    typeof session === 'number' &&
    typeof rebalance === 'number' &&
    typeof subscription === 'string' &&
    typeof assignment === 'string';
  if (!complete) throw new StorageCorruptError(`${owner}: member ${memberId} is incomplete: ${text.slice(0, 200)}`);
  return {
    memberId,
    groupInstanceId: typeof instance === 'string' ? instance : null,
    clientId: client,
    clientHost: host,
    sessionTimeoutMs: session,
    rebalanceTimeoutMs: rebalance,
    protocols: [{ name: protocolName, metadata: inflate(subscription) }],
    assignment: inflate(assignment),
    waiting: null,
    isNew: false,
    synced: true,
  };
}
