/**
 * Which offsets of a group are over (KIP-211): pure. Those of topics that are deleted go whoever subscribes. Others go when
 * their time has passed since
 *
 *   a client's own retention time (v2 to v4)   that time, instead of all below
 *   a classic group without members            the last one left
 *   a group that never had members             the offset was committed
 *   a consumer group, a classic one in Stable  the offset was committed, where no member subscribes to the topic
 *
 * and never while a transaction holds another offset of the partition. Guards of transactions that ended go with time, too.
 */
import type { RecordChange, Records } from '../../../journal/journal.ts';
import type { LiveGroup } from '../live-group.ts';
import { type CommittedOffset, committedOffsets, offsetKey, pendingOffsets } from './offset-records.ts';
import { expiredGuards } from './transactional-offsets.ts';

export interface ExpiryRules {
  readonly now: number;
  readonly retentionMs: number;
  readonly guardRetentionMs: number;
  /** Undefined for a topic that is deleted, null where that is not known: its offsets stay. */
  readonly topicName: (topicId: string) => string | null | undefined;
}

/** Removals of one decision; what is left goes with the next. */
export const EXPIRED_COUNT_MAX = 1_000;

type GroupOfOffsets = Pick<
  LiveGroup,
  'type' | 'state' | 'protocolType' | 'memberCount' | 'emptySince' | 'subscribesTo'
>;

export function expiredOffsets(
  records: Records,
  group: GroupOfOffsets | undefined,
  rules: ExpiryRules,
): RecordChange[] {
  const { now, topicName } = rules;
  const changes: RecordChange[] = expiredGuards(records, now - rules.guardRetentionMs);
  let held: Set<string> | undefined;
  for (const { topicId, partition, committed } of committedOffsets(records)) {
    if (changes.length >= EXPIRED_COUNT_MAX) break;
    const name = topicName(topicId);
    if (name === null) continue;
    const key = offsetKey(topicId, partition);
    if (name !== undefined) {
      if (!isExpired(committed, name, group, rules)) continue;
      held ??= heldPlaces(records);
      if (held.has(key)) continue;
    }
    changes.push({ key, value: null });
  }
  return changes.slice(0, EXPIRED_COUNT_MAX);
}

function isExpired(
  committed: CommittedOffset,
  topicName: string,
  group: GroupOfOffsets | undefined,
  { now, retentionMs }: ExpiryRules,
): boolean {
  const since = countsFrom(committed, topicName, group);
  if (since === null) return false;
  if (committed.expiresAt !== undefined) return committed.expiresAt <= now;
  return since + retentionMs <= now;
}

/** Null: not now. */
function countsFrom({ committedAt }: CommittedOffset, topicName: string, group: GroupOfOffsets | undefined) {
  if (group === undefined) return committedAt;
  const { type, state, protocolType, emptySince } = group;
  if (type === 'share') return null;
  if (type === 'classic' && state === 'Empty') {
    return protocolType === '' ? committedAt : (emptySince ?? committedAt);
  }
  if (type === 'classic' && (state !== 'Stable' || protocolType !== 'consumer')) return null;
  return group.subscribesTo(topicName) ? null : committedAt;
}

function heldPlaces(records: Records): Set<string> {
  const held = new Set<string>();
  for (const { topicId, partition } of pendingOffsets(records)) held.add(offsetKey(topicId, partition));
  return held;
}
