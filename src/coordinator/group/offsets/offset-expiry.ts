/**
 * Looks for expired offsets every `offsets.retention.check.interval.ms` and removes them by entries that carry the result.
 * Groups that are left with neither members nor offsets go, too.
 */
import type { StoreClock } from '../../../cluster/store-clock.ts';
import type { Topics } from '../../../cluster/topics.ts';
import { toKafkaError } from '../../../errors.ts';
import type { Records } from '../../../journal/journal.ts';
import { type TimerHandle, yieldTurn } from '../../../runtime/clock.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { groupOwner } from '../../owner.ts';
import type { GroupDirectory, LiveGroup } from '../live-group.ts';
import { expiredOffsets } from './expired-offsets.ts';
import { committedPlaces } from './offset-records.ts';

export interface OffsetExpiryOptions {
  readonly groups: GroupDirectory & { deleteWhenUnused(groupId: string): Promise<boolean> };
  readonly topics: Pick<Topics, 'byId' | 'lookUp'>;
  readonly runtime: Runtime;
  readonly intervalMs: number;
  readonly retentionMs: number;
  /** Asked before anything is removed. */
  readonly storeClock?: Pick<StoreClock, 'check'>;
  /** How long guards of transactions that ended are remembered. */
  readonly guardRetentionMs: number;
}

/** Groups looked at in one turn of the event loop; as many decisions share an entry. */
const GROUPS_PER_TURN = 64;

export class OffsetExpiry {
  readonly #options: OffsetExpiryOptions;
  #timer: TimerHandle | null = null;
  #closed = false;

  constructor(options: OffsetExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    const { runtime, intervalMs } = this.#options;
    this.#timer = runtime.timers.after(intervalMs, () => {
      void this.run().finally(() => {
        if (!this.#closed) this.start();
      });
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** One look at all groups. Never rejects: what failed is tried again at the next one. */
  async run(): Promise<void> {
    const groups = [...this.#options.groups.list()];
    if (!groups.some((group) => this.#isDue(group)) || !(await this.#clocksAgree())) return;
    for (let next = 0; next < groups.length && !this.#closed; next += GROUPS_PER_TURN) {
      await Promise.all(groups.slice(next, next + GROUPS_PER_TURN).map((group) => this.#look(group)));
      await yieldTurn(this.#options.runtime.timers);
    }
  }

  async #look(group: LiveGroup): Promise<void> {
    if (group.type === 'share' || group.journal.role !== 'leading') return;
    try {
      while (await this.#expire(group));
      await this.#options.groups.deleteWhenUnused(group.groupId);
    } catch (cause) {
      if (toKafkaError(cause) === null) throw cause;
      const { logger } = this.#options.runtime;
      logger.warn(
        { group: group.groupId, cause: String(cause) },
        'offsets could not be expired; the next look tries again',
      );
    }
  }

  #isDue({ groupId, journal, emptySince }: LiveGroup): boolean {
    const records = journal.state.records(groupOwner(groupId));
    const { runtime } = this.#options;
    return emptySince !== null || this.#expired(groupId, records, runtime.clock.now(), () => true).length > 0;
  }

  /** A clock that is wrong by days would send every idle consumer back. */
  async #clocksAgree(): Promise<boolean> {
    try {
      await this.#options.storeClock?.check();
      return true;
    } catch (cause) {
      this.#options.runtime.logger.error(
        { cause: String(cause) },
        'offsets are not expired; the next look tries again',
      );
      return false;
    }
  }

  /** Answers whether there may be more. */
  async #expire({ groupId, journal }: LiveGroup): Promise<boolean> {
    const owner = groupOwner(groupId);
    const { runtime } = this.#options;
    const isGone = await this.#goneTopics(journal.state.records(owner));
    if (this.#expired(groupId, journal.state.records(owner), runtime.clock.now(), isGone).length === 0) return false;
    return journal.coordinate((view) => {
      const changes = this.#expired(groupId, view.records(owner), view.timestamp, isGone);
      const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner, changes }];
      return { commands, answer: changes.length > 0 && !this.#closed };
    });
  }

  /** What this broker has not heard of may have been created by another one. Throws what the store says. */
  async #goneTopics(records: Records): Promise<(topicId: string) => boolean> {
    const { topics } = this.#options;
    const unknown = new Set<string>();
    for (const { topicId } of committedPlaces(records)) if (topics.byId(topicId) === undefined) unknown.add(topicId);
    const gone = new Set<string>();
    for (const topicId of unknown) if ((await topics.lookUp(topicId)) === undefined) gone.add(topicId);
    return (topicId) => gone.has(topicId);
  }

  #expired(groupId: string, records: Records, now: number, isGone: (topicId: string) => boolean) {
    const { groups, topics, retentionMs, guardRetentionMs } = this.#options;
    const topicName = (topicId: string) => topics.byId(topicId)?.name ?? (isGone(topicId) ? undefined : null);
    return expiredOffsets(records, groups.find(groupId), { now, retentionMs, guardRetentionMs, topicName });
  }
}
