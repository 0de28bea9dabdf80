/**
 * The groups of this broker, of every kind: loaded from the records of a journal when this broker begins to lead it, created
 * when somebody joins or commits offsets, gone with their last record, and let go with the leadership: whoever waits is told
 * to look for the coordinator again, and finds the next one with sessions that begin anew.
 *
 * Where there are many they are brought back a few at a time, and before that when somebody looks for one: all at once they
 * would keep the broker from anything else for so long that others take it for gone.
 *
 * A kind of group (classic, consumer, share) registers how it is brought back from its records. A group that only has
 * offsets is a classic one in state Empty. Whoever creates a group asks `place` for its journal first; whoever has made one
 * `put`s it, which replaces a group of another kind.
 */

import type { Placements } from '../../cluster/placements.ts';
import { type ErrorName, KafkaError, StorageCorruptError } from '../../errors.ts';
import type { Applied, Journal, RecordChange, Records } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import { OWNER_BYTES_MAX, RECORDS_CHANGED_BYTES_MAX } from '../../limits.ts';
import { yieldTurn } from '../../runtime/clock.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { confirmLeading, refuse, requireLeading, toCoordinatorError } from '../coordinator-error.ts';
import { groupIdOf, groupOwner } from '../owner.ts';
import { CreatorQuota } from './creator-quota.ts';
import { GROUP_KEY, groupTypeOf } from './group-record.ts';
import type { GroupDirectory, GroupType, LiveGroup } from './live-group.ts';

/** One kind of group, as the directory needs it. */
export interface GroupKind {
  readonly type: GroupType;
  /** Brings a group back from its durable records, which may hold offsets alone. Starts its timers. */
  load(groupId: string, journal: Journal, records: Records): LiveGroup;
}

export interface GroupsOptions {
  readonly journals: Journals;
  readonly placements: Placements;
  readonly runtime: Runtime;
  readonly groupCountMax: number;
  readonly groupsPerClientMax: number;
}

/** Read in one turn of the event loop: some milliseconds. */
const RECORDS_PER_TURN = 2_000;

export class Groups implements GroupDirectory {
  readonly #options: GroupsOptions;
  readonly #kinds = new Map<GroupType, GroupKind>();
  readonly #groups = new Map<string, LiveGroup>();
  /** Groups of led journals that have records and were not brought back yet, by id. */
  readonly #waiting = new Map<string, Journal>();
  /** Those of them that cannot be brought back. */
  readonly #unreadable = new Map<string, Journal>();
  /** Deletions under way, by group id; they never reject. */
  readonly #deletions = new Map<string, Promise<unknown>>();
  readonly #creators: CreatorQuota;
  #stop: () => void = () => {};
  #closed = false;

  constructor(options: GroupsOptions) {
    this.#options = options;
    this.#creators = new CreatorQuota(options.groupsPerClientMax, (groupId) => this.find(groupId) !== undefined);
  }

  register(kind: GroupKind): void {
    this.#kinds.set(kind.type, kind);
  }

  /** Brings back the groups of led journals, now and whenever this broker begins to lead one. After every kind was registered. */
  start(): void {
    this.#stop = this.#options.journals.whileLeading((journal) => {
      const ended = new AbortController();
      for (const owner of journal.state.owners()) {
        const groupId = groupIdOf(owner);
        if (groupId !== null) this.#waiting.set(groupId, journal);
      }
      // One of these that cannot be read keeps this broker from leading.
      const more = this.#bringBackSome(journal, (groupId) => this.find(groupId));
      if (more) void this.#bringBackAll(journal, ended.signal);
      const unsubscribe = journal.subscribe((applied) => this.#onApplied(journal, applied));
      return () => {
        ended.abort();
        unsubscribe();
        for (const away of [this.#waiting, this.#unreadable]) {
          for (const [groupId, of] of away) if (of === journal) away.delete(groupId);
        }
        for (const group of this.#groups.values()) if (group.journal === journal) this.abandon(group);
      };
    });
  }

  /** Throws StorageCorruptError for one that is there and cannot be read. */
  find(groupId: string): LiveGroup | undefined {
    const journal = this.#waiting.get(groupId) ?? this.#unreadable.get(groupId);
    if (journal !== undefined) this.#follow(journal, groupOwner(groupId));
    return this.#groups.get(groupId);
  }

  /** As `find`, for who must be sure. Throws NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE where another broker may know the group. */
  async locate(groupId: string): Promise<LiveGroup | undefined> {
    const group = this.find(groupId);
    if (group !== undefined) return group;
    const absence = await this.absence(groupId);
    const come = this.find(groupId);
    if (come !== undefined || absence === 'UNKNOWN_MEMBER_ID') return come;
    throw new KafkaError(absence, `group ${JSON.stringify(groupId)} is not coordinated here`);
  }

  list(): Iterable<LiveGroup> {
    for (const [groupId, journal] of this.#waiting) this.#bringBackOrLeave(journal, groupId);
    return this.#groups.values();
  }

  get count(): number {
    return this.#groups.size + this.#waiting.size;
  }

  /**
   * The journal of a group that need not exist yet. Waits for a deletion that is under way. `client` tells whose share of
   * all groups a new one is, null that it does not count. Throws INVALID_GROUP_ID, POLICY_VIOLATION when there are too many
   * groups, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE.
   */
  async place(groupId: string, client: string | null): Promise<Journal> {
    const owner = groupOwner(groupId);
    const bytes = Buffer.byteLength(owner);
    if (bytes > OWNER_BYTES_MAX) {
      throw new KafkaError('INVALID_GROUP_ID', `a group id of ${bytes} bytes is too long: at most ${OWNER_BYTES_MAX}`);
    }
    await this.#deletions.get(groupId);
    if (this.#closed) throw new KafkaError('NOT_COORDINATOR', 'the broker stops');
    const group = this.find(groupId);
    if (group) return requireLeading(group.journal);
    if (client !== null) this.#reserve(groupId, client);
    try {
      return await this.#options.placements.place(owner);
    } catch (cause) {
      if (client !== null) this.#creators.release(groupId);
      throw toCoordinatorError(cause);
    }
  }

  /** Throws POLICY_VIOLATION. */
  #reserve(groupId: string, client: string): void {
    const { count } = this;
    if (count >= this.#options.groupCountMax) {
      throw new KafkaError('POLICY_VIOLATION', `this broker has ${count} groups, which is all it may have`);
    }
    this.#creators.reserve(groupId, client);
  }

  /** Why a group cannot be found: nobody knows its members, or another broker may. */
  async absence(groupId: string): Promise<ErrorName> {
    if (this.#closed) return 'NOT_COORDINATOR';
    try {
      // Clients take a denial for the end: a successor of which this broker has not heard may have made the group.
      const { journal } = await this.#options.placements.locate(groupOwner(groupId));
      const leads = await requireLeading(journal).confirmLeadership();
      // It came while this was asked: this broker has begun to lead its journal.
      return leads && this.find(groupId) === undefined && !this.#closed ? 'UNKNOWN_MEMBER_ID' : 'NOT_COORDINATOR';
    } catch (cause) {
      return toCoordinatorError(cause).error;
    }
  }

  /**
   * Lists a group that was just made, unless its journal was handed over a moment ago: it would stand for what the records
   * say when the journal comes back. One of another kind under the same id ends: those who wait at it join again.
   */
  put(group: LiveGroup): void {
    if (this.#closed || group.journal.role !== 'leading') {
      group.close('NOT_COORDINATOR');
      return;
    }
    const before = this.#groups.get(group.groupId);
    this.#groups.set(group.groupId, group);
    if (before !== undefined && before !== group) before.close('REBALANCE_IN_PROGRESS');
  }

  /** A group that has neither members nor records is no group any more. Does nothing to one that has. */
  forget(group: LiveGroup): void {
    const { groupId, journal } = group;
    if (this.#closed || this.#groups.get(groupId) !== group || isInhabited(group)) return;
    if (journal.state.records(groupOwner(groupId)).size > 0) return;
    const onlyEmpty = ({ size }: Records) => size === 0;
    if (journal.role === 'leading') this.#deleteInTurn(group, onlyEmpty).catch(this.#onReleaseFailed);
    else this.#remove(group, 'NOT_COORDINATOR');
  }

  /** What the records say takes the place of a group that was to replace one of another kind, and did not come to be. */
  reload(group: LiveGroup): void {
    const { groupId, journal } = group;
    if (this.#closed || this.#groups.get(groupId) !== group) return;
    const owner = groupOwner(groupId);
    if (journal.state.records(owner).size === 0) {
      this.forget(group);
      return;
    }
    this.#groups.delete(groupId);
    group.close('REBALANCE_IN_PROGRESS');
    this.#follow(journal, owner);
  }

  /** Answers whoever waits at a group that this broker cannot coordinate any more. Its records are another broker's. */
  abandon(group: LiveGroup): void {
    if (this.#groups.get(group.groupId) === group) this.#remove(group, 'NOT_COORDINATOR');
  }

  /** Removes an empty group with all its records. Throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, NOT_COORDINATOR, … */
  async delete(groupId: string): Promise<void> {
    // Without a wait where the group is known: whoever comes after this call makes another one.
    const group = this.find(groupId) ?? (await this.locate(groupId));
    if (group === undefined) throw new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(groupId)}`);
    requireLeading(group.journal);
    if (isInhabited(group)) {
      await refuse(group.journal, new KafkaError('NON_EMPTY_GROUP', `group ${JSON.stringify(groupId)} has members`));
    }
    const isWritten = group.journal.state.records(groupOwner(groupId)).size > 0;
    await this.#deleteInTurn(group, () => true);
    if (!isWritten) await confirmLeading(group.journal);
  }

  /**
   * Removes a group that has neither members nor offsets nor anything else but its own record. Answers whether it did.
   * For the expiry of offsets. Throws NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE.
   */
  async deleteWhenUnused(groupId: string): Promise<boolean> {
    const group = this.find(groupId);
    if (group === undefined || isInhabited(group)) return false;
    requireLeading(group.journal);
    const isUnused = (records: Records) => [...records.keys()].every((key) => key === GROUP_KEY);
    if (!isUnused(group.journal.state.records(groupOwner(groupId)))) return false;
    return this.#deleteInTurn(group, isUnused);
  }

  /** Answers whoever waits, and whoever comes, that another broker is to be asked. */
  close(): void {
    this.#closed = true;
    this.#stop();
    this.#waiting.clear();
    this.#unreadable.clear();
    for (const group of this.#groups.values()) group.close('NOT_COORDINATOR');
    this.#groups.clear();
  }

  /** Whoever looks for the group meanwhile waits in `place`. When it was not deleted it comes back from its records. */
  async #deleteInTurn(group: LiveGroup, agrees: (records: Records) => boolean): Promise<boolean> {
    const { groupId, journal } = group;
    const owner = groupOwner(groupId);
    this.#remove(group, 'UNKNOWN_MEMBER_ID');
    const deletion = this.#deleteRecords(group, agrees);
    const settled = deletion.catch(() => undefined);
    this.#deletions.set(groupId, settled);
    try {
      return await deletion;
    } finally {
      this.#deletions.delete(groupId);
      this.#follow(journal, owner);
    }
  }

  async #deleteRecords({ groupId, journal }: LiveGroup, agrees: (records: Records) => boolean): Promise<boolean> {
    const owner = groupOwner(groupId);
    // A leadership in between may have given it members, which are in nobody's memory here.
    const { epoch } = journal;
    // Commits that passed `place` before have reached the journal after this turn, and are seen.
    await new Promise<void>((resolve) => this.#options.runtime.timers.soon(resolve));
    try {
      const release = await this.#options.placements.releasing(owner);
      for (let rest = true; rest; ) {
        const step = await journal.coordinate((view) => {
          if (view.epoch !== epoch) throw new KafkaError('NOT_COORDINATOR', 'another broker led the group meanwhile');
          const records = view.records(owner);
          if (!agrees(records)) return { commands: [], answer: null };
          const { changes, more } = removalOf(records);
          const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner, changes }];
          return { commands, answer: more };
        });
        if (step === null) return false;
        rest = step;
      }
      // Whoever passed `place` before this may have made it again, in memory alone.
      if (!this.#groups.has(groupId)) await release();
      return true;
    } catch (cause) {
      throw toCoordinatorError(cause);
    }
  }

  /** As much as one turn takes, at least one. Answers whether there may be more. */
  #bringBackSome(journal: Journal, bringBack: (groupId: string) => void): boolean {
    let records = 0;
    for (const [groupId, of] of this.#waiting) {
      if (of !== journal) continue;
      if (records >= RECORDS_PER_TURN) return true;
      records += journal.state.records(groupOwner(groupId)).size;
      bringBack(groupId);
    }
    return false;
  }

  async #bringBackAll(journal: Journal, ended: AbortSignal): Promise<void> {
    for (let more = true; more; ) {
      await yieldTurn(this.#options.runtime.timers);
      if (ended.aborted) return;
      more = this.#bringBackSome(journal, (groupId) => this.#bringBackOrLeave(journal, groupId));
    }
  }

  /** One that cannot be read is told to be so to whoever looks for it, and to nobody else. */
  #bringBackOrLeave(journal: Journal, groupId: string): void {
    try {
      this.find(groupId);
    } catch (cause) {
      if (!(cause instanceof StorageCorruptError)) throw cause;
      this.#waiting.delete(groupId);
      this.#unreadable.set(groupId, journal);
      this.#options.runtime.logger.error({ cause: cause.message }, 'a group cannot be brought back from its records');
    }
  }

  #onApplied(journal: Journal, { owners }: Applied): void {
    for (const owner of owners) this.#follow(journal, owner);
  }

  /** A group appears with its first record; one that nobody uses goes with its last. */
  #follow(journal: Journal, owner: string): void {
    const groupId = groupIdOf(owner);
    if (groupId === null) return;
    if (!this.#deletions.has(groupId)) this.#bringBack(journal, owner, groupId);
    this.#waiting.delete(groupId);
    this.#unreadable.delete(groupId);
  }

  #bringBack(journal: Journal, owner: string, groupId: string): void {
    const group = this.#groups.get(groupId);
    const records = journal.state.records(owner);
    if (group !== undefined) {
      if (records.size === 0) this.forget(group);
      return;
    }
    if (records.size === 0 || journal.role !== 'leading') return;
    const kind = this.#kinds.get(groupTypeOf(owner, records));
    if (kind) this.#groups.set(groupId, kind.load(groupId, journal, records));
  }

  #remove(group: LiveGroup, error: ErrorName): void {
    this.#groups.delete(group.groupId);
    this.#creators.release(group.groupId);
    group.close(error);
  }

  readonly #onReleaseFailed = (cause: unknown): void => {
    const { logger } = this.#options.runtime;
    logger.warn({ cause: String(cause) }, 'the placement of a group that is gone stays');
  };
}

const isInhabited = ({ state, memberCount }: LiveGroup): boolean =>
  memberCount > 0 || (state !== 'Empty' && state !== 'Dead');

/** As many removals as one entry takes; the group's own record goes last. */
function removalOf(records: Records): { readonly changes: RecordChange[]; readonly more: boolean } {
  const keys = [...records.keys()].filter((key) => key !== GROUP_KEY);
  if (records.has(GROUP_KEY)) keys.push(GROUP_KEY);
  const changes: RecordChange[] = [];
  let bytes = 0;
  for (const key of keys) {
    bytes += Buffer.byteLength(key) + REMOVAL_BYTES;
    if (bytes > RECORDS_CHANGED_BYTES_MAX && changes.length > 0) return { changes, more: true };
    changes.push({ key, value: null });
  }
  return { changes, more: false };
}

/** What a removal takes in an entry besides its key. */
const REMOVAL_BYTES = 8;
