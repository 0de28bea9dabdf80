/**
 * The share partitions that this broker has in memory: made from their records, or anew at their first use, dropped when
 * nobody needs them or when somebody altered or deleted their records.
 */
import type { GroupConfigs } from '../../cluster/group-configs.ts';
import { KafkaError, toKafkaError } from '../../errors.ts';
import type { Applied, Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import type { Log } from '../../log/log.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { CommitCadence } from '../group/offsets/commit-cadence.ts';
import type { ShareGroups } from '../group/share/share-groups.ts';
import { groupIdOf, groupOwner } from '../owner.ts';
import { SharePartition } from './share-partition.ts';
import { emptyWindow } from './share-partition-state.ts';
import { decodeShareRecord, encodeShareRecord, type ShareRecord, shareKey } from './share-record.ts';
import { placeKey, type SharePlace } from './share-sessions.ts';

export interface SharePartitionsOptions {
  readonly journals: Journals;
  readonly log: Log;
  readonly groups: ShareGroups;
  readonly groupConfigs: GroupConfigs;
  readonly runtime: Runtime;
  /** Whether somebody of the group fetches: its share partitions are kept then. */
  readonly isWanted: (groupId: string) => boolean;
  /** Between entries, where they cost money; 0 where they are free. */
  readonly writeIntervalMs: number;
}

export class SharePartitions {
  readonly #options: SharePartitionsOptions;
  /** By group id, then place. */
  readonly #partitions = new Map<string, Map<string, SharePartition>>();
  readonly #opening = new Map<string, Promise<SharePartition>>();
  /** Of led journals. */
  readonly #cadences = new Map<Journal, CommitCadence>();
  readonly #stop: () => void;

  constructor(options: SharePartitionsOptions) {
    this.#options = options;
    const { journals, runtime, writeIntervalMs } = options;
    this.#stop = journals.whileLeading((journal) => {
      const cadence = new CommitCadence(runtime, writeIntervalMs);
      this.#cadences.set(journal, cadence);
      const unsubscribe = journal.subscribe((applied) => this.#onApplied(journal, applied));
      return () => {
        unsubscribe();
        this.#cadences.delete(journal);
        cadence.leaveNow();
        this.#letGo(journal);
      };
    });
  }

  find(groupId: string, place: SharePlace): SharePartition | undefined {
    return this.#partitions.get(groupId)?.get(placeKey(place));
  }

  /** Throws GROUP_ID_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR. */
  async open(groupId: string, place: SharePlace): Promise<SharePartition> {
    const found = this.find(groupId, place);
    if (found) return found;
    const name = `${groupId}/${placeKey(place)}`;
    const opening = this.#opening.get(name);
    if (opening) return opening;
    const opened = this.#open(groupId, place).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opened);
    return opened;
  }

  /** Lets go of what can be made again from records, when nobody of the group fetches any more. */
  dropIdle(groupId: string): void {
    for (const partition of [...(this.#partitions.get(groupId)?.values() ?? [])]) this.#dropUnwanted(partition);
  }

  close(): void {
    this.#stop();
    for (const ofGroup of this.#partitions.values()) {
      for (const partition of ofGroup.values()) partition.close(gone('the broker stops'));
    }
    this.#partitions.clear();
  }

  #letGo(journal: Journal): void {
    for (const ofGroup of this.#partitions.values()) {
      for (const partition of ofGroup.values()) {
        if (partition.groupJournal === journal) this.#drop(partition, 'another broker leads its journal');
      }
    }
  }

  async #open(groupId: string, place: SharePlace): Promise<SharePartition> {
    const { groups, groupConfigs, log, runtime } = this.#options;
    const { journal } = await groups.locate(groupId).catch(throwAsReader);
    const { leaderEpoch } = await log.watermarks(place);
    const text = journal.state.record(groupOwner(groupId), shareKey(place.topicId, place.partition));
    const record =
      text === undefined ? await this.#create(journal, groupId, place, leaderEpoch) : decodeShareRecord(text);
    const partition = new SharePartition(
      {
        groupId,
        ...place,
        journal,
        runtime,
        cadence: this.#cadenceOf(journal),
        config: () => groupConfigs.of(groupId),
        onSettled: (settled) => this.#dropUnwanted(settled),
        onFenced: (fenced) => this.#onFenced(fenced),
      },
      { ...record, leaderEpoch },
    );
    const ofGroup = this.#partitions.get(groupId) ?? new Map<string, SharePartition>();
    this.#partitions.set(groupId, ofGroup.set(placeKey(place), partition));
    // What happened to the record while this was made has been told already, to nobody.
    if (!partition.isCurrent(journal.state)) this.#drop(partition, 'it was deleted');
    return partition;
  }

  /** Throws NOT_LEADER_OR_FOLLOWER when the journal is led no more. */
  #cadenceOf(journal: Journal): CommitCadence {
    const cadence = this.#cadences.get(journal);
    if (cadence) return cadence;
    throw gone('another broker leads its journal');
  }

  /** Where it begins is durable before anything is given out, so that nothing is skipped when the broker dies. */
  async #create(journal: Journal, groupId: string, place: SharePlace, leaderEpoch: number): Promise<ShareRecord> {
    const startOffset = await this.#startOffset(groupId, place);
    const stateEpoch = newStateEpoch(this.#options.runtime);
    const [owner, key] = [groupOwner(groupId), shareKey(place.topicId, place.partition)];
    const value = encodeShareRecord({ stateEpoch, leaderEpoch, window: emptyWindow(startOffset) });
    const text = await journal.coordinate((view) => {
      const standing = view.record(owner, key);
      if (standing !== undefined) return { commands: [], answer: standing };
      if (view.record(owner, 'group') === undefined) throw new KafkaError('GROUP_ID_NOT_FOUND', 'the group is gone');
      return { commands: [{ type: 'recordsChanged', owner, changes: [{ key, value }] }], answer: value };
    });
    return decodeShareRecord(text);
  }

  async #startOffset(groupId: string, place: SharePlace): Promise<number> {
    const { log, groupConfigs, runtime } = this.#options;
    const reset = groupConfigs.of(groupId).shareAutoOffsetReset;
    const latest = { type: 'latest', isolation: 'read_uncommitted' } as const;
    if (reset.type !== 'byDuration') {
      return (await log.listOffset(place, reset.type === 'latest' ? latest : { type: 'earliest' })).offset;
    }
    const timestamp = runtime.clock.now() - reset.durationMs;
    const { offset } = await log.listOffset(place, { type: 'timestamp', timestamp });
    return offset === -1 ? (await log.listOffset(place, latest)).offset : offset;
  }

  #onApplied(journal: Journal, { owners }: Applied): void {
    for (const owner of owners) {
      const groupId = groupIdOf(owner);
      const ofGroup = groupId === null ? undefined : this.#partitions.get(groupId);
      if (ofGroup === undefined) continue;
      for (const partition of [...ofGroup.values()]) {
        if (!partition.isCurrent(journal.state)) this.#drop(partition, 'it was altered or deleted');
      }
    }
  }

  /**
   * A journal that is about to be led by another broker takes nothing in any more. What members hold is with them still:
   * made again from its record, the share partition would give it to others.
   */
  #onFenced(partition: SharePartition): void {
    if (partition.isCurrent(partition.groupJournal.state)) partition.close(gone('its journal takes nothing in'));
    else this.#drop(partition, 'it was altered, deleted or made anew');
  }

  #dropUnwanted(partition: SharePartition): void {
    if (!partition.idle || this.#options.isWanted(partition.groupId)) return;
    this.#drop(partition, 'its group has no share sessions');
  }

  #drop(partition: SharePartition, why: string): void {
    const ofGroup = this.#partitions.get(partition.groupId);
    if (ofGroup?.get(placeKey(partition)) === partition) {
      ofGroup.delete(placeKey(partition));
      if (ofGroup.size === 0) this.#partitions.delete(partition.groupId);
    }
    partition.close(gone(why));
  }
}

/** Who reads is told to look for the leader again. */
function throwAsReader(cause: unknown): never {
  const error = toKafkaError(cause);
  if (error === null || error.error === 'GROUP_ID_NOT_FOUND') throw cause;
  throw new KafkaError('NOT_LEADER_OR_FOLLOWER', error.message, { cause });
}

const gone = (why: string): KafkaError =>
  new KafkaError('NOT_LEADER_OR_FOLLOWER', `the share partition is gone: ${why}`);

/** Compared for equality alone. */
export const newStateEpoch = ({ random }: Pick<Runtime, 'random'>): number => random.bytes(6).readUIntBE(0, 6);
