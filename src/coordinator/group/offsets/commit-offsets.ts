/**
 * Commits of offsets, decided: pure. What several members of a group commit together becomes one change of its records.
 *
 * What is committed again unchanged is not written while its record is young against the retention: consumers that commit
 * by the clock would otherwise write for ever on topics without traffic. Then somebody has to make sure that this broker
 * still leads, which a durable entry shows by itself.
 */
import { KafkaError } from '../../../errors.ts';
import type { Decided, DecisionView } from '../../../journal/journal.ts';
import { groupOwner } from '../../owner.ts';
import type { Committer, LiveGroup } from '../live-group.ts';
import { decodeOffset, encodeOffset, hasPending, type OffsetPlace, offsetKey } from './offset-records.ts';
import { type OffsetToCommit, supersedeBy } from './transactional-offsets.ts';

export interface OffsetCommit {
  readonly committer: Committer;
  readonly offsets: readonly OffsetToCommit[];
}

export interface CommitContext {
  /** As it is in memory now; undefined for a group that these offsets create. */
  readonly group: LiveGroup | undefined;
  /** An unchanged offset is not written again before its record is that old. */
  readonly freshMs: number;
}

export interface CommitsDecided {
  /** Per commit why it was refused; null for those that count. */
  readonly refusals: readonly (KafkaError | null)[];
  readonly written: boolean;
}

export function decideCommits(
  view: DecisionView,
  groupId: string,
  commits: readonly OffsetCommit[],
  context: CommitContext,
): Decided<CommitsDecided> {
  const accepted = new Map<string, OffsetToCommit>();
  const refusals = commits.map(({ committer, offsets }) => {
    const refusal = refusalAtEntry(context.group, committer, view);
    if (refusal !== null) return refusal;
    for (const offset of offsets) accepted.set(offsetKey(offset.topicId, offset.partition), offset);
    return null;
  });
  const commands = commitOffsets(view, groupId, accepted, context.freshMs);
  return { commands, answer: { refusals, written: commands.length > 0 } };
}

/**
 * Members of classic groups live in memory, and were looked at in the turn in which this was proposed. All others are
 * records, and one that left in an entry before may not commit behind it.
 */
function refusalAtEntry(group: LiveGroup | undefined, committer: Committer, view: DecisionView): KafkaError | null {
  if (group === undefined || group.type === 'classic') return null;
  return refusalOf(() => group.checkCommit(committer, view));
}

export function refusalOf(check: () => void): KafkaError | null {
  try {
    check();
    return null;
  } catch (cause) {
    if (cause instanceof KafkaError) return cause;
    throw cause;
  }
}

export function commitOffsets(
  view: DecisionView,
  groupId: string,
  accepted: ReadonlyMap<string, OffsetToCommit>,
  freshMs: number,
) {
  const owner = groupOwner(groupId);
  const records = view.records(owner);
  const places: OffsetPlace[] = [...accepted.values()];
  const changes = hasPending(records) ? supersedeBy(records, places) : [];
  for (const [key, { topicId: _, partition: __, ...offset }] of accepted) {
    const standing = records.get(key);
    if (standing !== undefined && isFresh(standing, offset, view.timestamp - freshMs)) continue;
    changes.push({ key, value: encodeOffset({ ...offset, committedAt: view.timestamp }) });
  }
  return changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner, changes }];
}

function isFresh(standing: string, offset: Omit<OffsetToCommit, 'topicId' | 'partition'>, since: number): boolean {
  if (offset.expiresAt !== undefined) return false;
  const known = decodeOffset(standing);
  return (
    known.offset === offset.offset &&
    known.leaderEpoch === offset.leaderEpoch &&
    known.metadata === offset.metadata &&
    known.expiresAt === undefined &&
    known.committedAt > since
  );
}

/** A member that is checked where there is no group: only who manages its partitions itself makes one by committing. */
export function requireCreator({ generationIdOrMemberEpoch, transactional, apiVersion }: Committer): void {
  if (generationIdOrMemberEpoch < 0) return;
  if (!transactional && apiVersion >= 9) throw new KafkaError('GROUP_ID_NOT_FOUND', 'there is no such group');
  throw new KafkaError('ILLEGAL_GENERATION', `there is no generation ${generationIdOrMemberEpoch} of a missing group`);
}
