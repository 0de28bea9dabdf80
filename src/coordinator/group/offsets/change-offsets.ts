/**
 * Changes of a group's offsets by somebody who is not a member: deletion (OffsetDelete), reset and checkpoint (HTTP). Pure;
 * `group` is what it is in memory when the entry is built, after every entry before.
 */
import { KafkaError } from '../../../errors.ts';
import type { Decided, DecisionView } from '../../../journal/journal.ts';
import { groupOwner } from '../../owner.ts';
import type { LiveGroup } from '../live-group.ts';
import { commitOffsets } from './commit-offsets.ts';
import { decodeOffset, type OffsetPlace, offsetKey } from './offset-records.ts';
import type { OffsetToCommit } from './transactional-offsets.ts';

export interface OffsetWrite extends OffsetToCommit {
  /** What must be committed now for the write to count; null: nothing. Absent: whatever it is. */
  readonly expected?: number | null;
}

/** Why nothing was written. */
export interface OffsetMismatch extends OffsetPlace {
  readonly expected: number | null;
  readonly actual: number | null;
}

export interface WritesDecided {
  /** Empty: all was written; else nothing was. */
  readonly mismatches: readonly OffsetMismatch[];
  readonly written: boolean;
}

/** Members would go on from where they are, and commit that: only a group without any can be moved. */
export function requireNoMembers(group: LiveGroup | undefined): void {
  if (group === undefined) return;
  if (group.type === 'share') {
    throw new KafkaError(
      'GROUP_ID_NOT_FOUND',
      `${JSON.stringify(group.groupId)} is a share group: it commits no offsets`,
    );
  }
  if (group.memberCount === 0 && (group.state === 'Empty' || group.state === 'Dead')) return;
  const message = `group ${JSON.stringify(group.groupId)} has ${group.memberCount} members: stop them first`;
  throw new KafkaError('NON_EMPTY_GROUP', message);
}

export function decideWrites(
  view: DecisionView,
  groupId: string,
  group: LiveGroup | undefined,
  writes: readonly OffsetWrite[],
): Decided<WritesDecided> {
  requireNoMembers(group);
  const records = view.records(groupOwner(groupId));
  const mismatches: OffsetMismatch[] = [];
  const accepted = new Map<string, OffsetToCommit>();
  for (const { expected, ...offset } of writes) {
    const { topicId, partition } = offset;
    const key = offsetKey(topicId, partition);
    const standing = records.get(key);
    const actual = standing === undefined ? null : decodeOffset(standing).offset;
    if (expected !== undefined && expected !== actual) mismatches.push({ topicId, partition, expected, actual });
    accepted.set(key, offset);
  }
  if (mismatches.length > 0) return { commands: [], answer: { mismatches, written: false } };
  const commands = commitOffsets(view, groupId, accepted, 0);
  return { commands, answer: { mismatches, written: commands.length > 0 } };
}

export interface NamedPlace extends OffsetPlace {
  readonly topicName: string;
}

export interface DeletionDecided {
  /** Per place why it stays; null where nothing is committed any more. */
  readonly refusals: readonly (KafkaError | null)[];
  readonly written: boolean;
}

/** KIP-496: offsets of topics that members subscribe to stay. */
export function decideDeletion(
  view: DecisionView,
  groupId: string,
  group: LiveGroup | undefined,
  places: readonly NamedPlace[],
): Decided<DeletionDecided> {
  requireDeletable(groupId, group);
  const owner = groupOwner(groupId);
  const records = view.records(owner);
  const gone = new Set<string>();
  const refusals = places.map(({ topicName, topicId, partition }) => {
    if (group?.subscribesTo(topicName)) {
      return new KafkaError('GROUP_SUBSCRIBED_TO_TOPIC', `members subscribe to ${JSON.stringify(topicName)}`);
    }
    const key = offsetKey(topicId, partition);
    if (records.has(key)) gone.add(key);
    return null;
  });
  const changes = [...gone].map((key) => ({ key, value: null }));
  const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner, changes }];
  return { commands, answer: { refusals, written: changes.length > 0 } };
}

function requireDeletable(groupId: string, group: LiveGroup | undefined): void {
  if (group === undefined || group.type === 'share' || group.state === 'Dead') {
    throw new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(groupId)} that commits offsets`);
  }
  // What members of other protocols read cannot be told.
  if (group.type === 'classic' && group.state !== 'Empty' && group.protocolType !== 'consumer') {
    throw new KafkaError('NON_EMPTY_GROUP', `group ${JSON.stringify(groupId)} has members`);
  }
}
