/**
 * Where share groups stand, for administrators: read, moved and forgotten. What is moved or forgotten gets a new state epoch
 * or none, so that a share partition in memory writes no more; only groups without members may be changed.
 */
import type { Topics } from '../../cluster/topics.ts';
import { KafkaError, toKafkaError } from '../../errors.ts';
import type { DecisionView, Journal, RecordChange, RecordsView } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import type { Log } from '../../log/log.ts';
import type { TimerHandle } from '../../runtime/clock.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { confirmLeading, refuse } from '../coordinator-error.ts';
import { noShareGroup, type ShareGroup } from '../group/share/share-group.ts';
import { ShareGroupReader } from '../group/share/share-group-records.ts';
import type { ShareGroups } from '../group/share/share-groups.ts';
import { groupOwner } from '../owner.ts';
import { emptyWindow, finishedCount } from './share-partition-state.ts';
import { newStateEpoch } from './share-partitions.ts';
import { decodeShareRecord, encodeShareRecord, shareKey, sharePlaceOf } from './share-record.ts';
import type { SharePlace } from './share-sessions.ts';

/** Records that one decision changes: it has to fit an entry. */
const CHANGES_MAX = 500;

export interface ShareOffsetsOptions {
  readonly groups: ShareGroups;
  readonly journals: Journals;
  readonly topics: Topics;
  readonly log: Log;
  readonly runtime: Pick<Runtime, 'random' | 'logger' | 'timers'>;
  /** Between looks for topics that were deleted. */
  readonly intervalMs: number;
}

export interface ShareOffset extends SharePlace {
  /** -1 when the group has not used the partition, as the lag. */
  readonly startOffset: number;
  readonly leaderEpoch: number;
  /** Records that are neither acknowledged nor archived. */
  readonly lag: number;
}

export interface NewShareOffset extends SharePlace {
  readonly startOffset: number;
}

export class ShareOffsets {
  readonly #options: ShareOffsetsOptions;
  #stop: () => void = () => {};
  #timer: TimerHandle | null = null;
  #closed = false;

  constructor(options: ShareOffsetsOptions) {
    this.#options = options;
  }

  /** Forgets what groups hold of deleted topics, now and from now on. Once, after groups have started. */
  start(): void {
    this.#stop = this.#options.journals.whileLeading((journal) => {
      void this.#forgetGone();
      return journal.subscribe(({ partitions }) => this.#onApplied(journal, partitions));
    });
    this.#lookLater();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#stop();
  }

  /** Deletions in journals of other brokers are not seen here. */
  #lookLater(): void {
    const { runtime, intervalMs } = this.#options;
    this.#timer = runtime.timers.after(intervalMs, async () => {
      await this.#forgetGone();
      if (!this.#closed) this.#lookLater();
    });
  }

  /**
   * All that the group has used; nothing for a group that is not there. Throws NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE
   * where another broker may know it.
   */
  async places(groupId: string): Promise<readonly SharePlace[]> {
    const group = await this.#locate(groupId);
    return group === undefined ? [] : this.#placesOf(group).filter(({ topicId }) => this.#options.topics.byId(topicId));
  }

  async describe(groupId: string, place: SharePlace): Promise<ShareOffset> {
    const group = await this.#locate(groupId);
    const text = group?.journal.state.record(groupOwner(groupId), shareKey(place.topicId, place.partition));
    if (text === undefined) return { ...place, startOffset: -1, leaderEpoch: 0, lag: -1 };
    const { leaderEpoch, window } = decodeShareRecord(text);
    const { logStartOffset, highWatermark } = await this.#options.log.watermarks(place);
    const startOffset = Math.max(window.startOffset, logStartOffset);
    const lag = Math.max(highWatermark - startOffset - finishedCount(window), 0);
    return { ...place, startOffset, leaderEpoch, lag };
  }

  /**
   * Creates the group when there is none. Throws GROUP_ID_NOT_FOUND when the id belongs to a group of another kind,
   * NON_EMPTY_GROUP, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE.
   */
  async alter(groupId: string, client: string, offsets: readonly NewShareOffset[]): Promise<void> {
    const group = await this.#options.groups.create(groupId, client);
    const stateEpoch = newStateEpoch(this.#options.runtime);
    const changing = offsets.map(async ({ topicId, partition, startOffset }) => {
      const { leaderEpoch } = await this.#options.log.watermarks({ topicId, partition });
      const value = encodeShareRecord({ stateEpoch, leaderEpoch, window: emptyWindow(startOffset) });
      return { key: shareKey(topicId, partition), value };
    });
    const changes = await Promise.all(changing);
    await this.#change(group, (_, done) => changes.slice(done, done + CHANGES_MAX));
  }

  /** Which of the topics the group had used. Throws as `alter`, and GROUP_ID_NOT_FOUND when there is no group. */
  async delete(groupId: string, topicIds: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const group = await this.#options.groups.locate(groupId);
    const used = new Set<string>();
    await this.#change(group, (view) => {
      const changes = removalsOf(view, groupId, topicIds);
      for (const { key } of changes) used.add(sharePlaceOf(key)!.topicId);
      return changes;
    });
    if (used.size === 0) await confirmLeading(group.journal);
    return used;
  }

  async #locate(groupId: string): Promise<ShareGroup | undefined> {
    await this.#options.groups.locate(groupId).catch((cause) => {
      if (!(cause instanceof KafkaError) || cause.error !== 'GROUP_ID_NOT_FOUND') throw cause;
    });
    return this.#find(groupId);
  }

  #find(groupId: string): ShareGroup | undefined {
    try {
      return this.#options.groups.find(groupId);
    } catch (cause) {
      // Of another kind: as a share group it has used nothing.
      if (cause instanceof KafkaError) return undefined;
      throw cause;
    }
  }

  #placesOf({ groupId, journal }: ShareGroup): SharePlace[] {
    return [...journal.state.records(groupOwner(groupId)).keys()].flatMap((key) => sharePlaceOf(key) ?? []);
  }

  async #change(group: ShareGroup, next: (view: RecordsView, done: number) => readonly RecordChange[]): Promise<void> {
    const { groupId, journal } = group;
    const reader = new ShareGroupReader(groupId);
    try {
      await changeAll(journal, groupId, (view, done) => {
        requireEmpty(view, reader, groupId);
        return next(view, done);
      });
    } catch (cause) {
      await refuse(journal, cause);
    }
  }

  #onApplied(journal: Journal, partitions: readonly SharePlace[]): void {
    if (this.#options.groups.count === 0) return;
    const deleted = partitions.filter((place) => journal.state.partition(place.topicId, place.partition) === undefined);
    if (deleted.length > 0) this.#forgetTopics(new Set(deleted.map(({ topicId }) => topicId)));
  }

  /** Topics that were deleted where this broker could not see it. What it has not heard of may be another broker's new one. */
  async #forgetGone(): Promise<void> {
    const { topics, groups, runtime } = this.#options;
    const unknown = new Set<string>();
    for (const group of groups.live()) {
      for (const place of this.#placesOf(group)) if (this.#isUnknown(place)) unknown.add(place.topicId);
    }
    const gone = new Set<string>();
    try {
      for (const topicId of unknown) if ((await topics.lookUp(topicId)) === undefined) gone.add(topicId);
    } catch (cause) {
      if (toKafkaError(cause) === null) throw cause;
      runtime.logger.warn({ cause: String(cause) }, 'deleted topics of share groups are looked for later');
    }
    if (gone.size > 0 && !this.#closed) this.#forgetTopics(gone);
  }

  #isUnknown({ topicId, partition }: SharePlace): boolean {
    const { journals, topics } = this.#options;
    if (topics.byId(topicId) !== undefined) return false;
    return Array.from(journals).every(({ state }) => state.partition(topicId, partition) === undefined);
  }

  /** Best effort: what stays is seen at the next look. */
  #forgetTopics(topicIds: ReadonlySet<string>): void {
    const { groups, runtime } = this.#options;
    for (const { groupId, journal } of groups.live()) {
      if (removalsOf(journal.state, groupId, topicIds).length === 0 || journal.role !== 'leading') continue;
      changeAll(journal, groupId, (view) => removalsOf(view, groupId, topicIds)).catch((cause) => {
        runtime.logger.warn({ groupId, cause: String(cause) }, 'share partitions of a deleted topic stay for now');
      });
    }
  }
}

/** As many entries as it takes; `next` is told how many changes were made before. */
async function changeAll(
  journal: Journal,
  groupId: string,
  next: (view: DecisionView, done: number) => readonly RecordChange[],
): Promise<void> {
  const owner = groupOwner(groupId);
  for (let done = 0, last = CHANGES_MAX; last === CHANGES_MAX; done += last) {
    const before = done;
    last = await journal.coordinate((view) => {
      const changes = next(view, before).slice(0, CHANGES_MAX);
      const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner, changes }];
      return { commands, answer: changes.length };
    });
  }
}

function requireEmpty(view: DecisionView, reader: ShareGroupReader, groupId: string): void {
  const group = reader.read(view.records(groupOwner(groupId)));
  if (group === null) throw noShareGroup(groupId);
  if (group.members.size === 0) return;
  throw new KafkaError('NON_EMPTY_GROUP', `share group ${JSON.stringify(groupId)} has members`);
}

function removalsOf(view: RecordsView, groupId: string, topicIds: ReadonlySet<string>): RecordChange[] {
  return [...view.records(groupOwner(groupId)).keys()]
    .filter((key) => topicIds.has(sharePlaceOf(key)?.topicId ?? ''))
    .map((key) => ({ key, value: null }));
}
