/** Committed offsets over real journals and memory stores, with groups whose members the test decides. */
import { Placements } from '../../../../../src/cluster/placements.ts';
import { Groups } from '../../../../../src/coordinator/group/groups.ts';
import type {
  Committer,
  GroupStateName,
  GroupType,
  LiveGroup,
} from '../../../../../src/coordinator/group/live-group.ts';
import { Offsets, type OffsetsOptions } from '../../../../../src/coordinator/group/offsets/offsets.ts';
import type { OffsetToCommit } from '../../../../../src/coordinator/group/offsets/transactional-offsets.ts';
import { KafkaError } from '../../../../../src/errors.ts';
import type { Journal } from '../../../../../src/journal/journal.ts';
import { fixedJournals } from '../../../../../src/journal/journals.ts';
import { type OpenedJournal, openJournal } from '../../../../../src/journal/open-journal.ts';
import type { Runtime } from '../../../../../src/runtime/runtime.ts';
import { memoryStores, newBrokerEpoch, type Stores, testRuntime } from '../../../journal/harness.ts';

export { memoryStores } from '../../../journal/harness.ts';
export const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';

/** A group as its members left it: `generation` null means that it has none. */
export class TestGroup implements LiveGroup {
  readonly groupId: string;
  readonly journal: Journal;
  type: GroupType = 'classic';
  protocolType = '';
  emptySince: number | null = 0;
  generation: number | null = null;
  subscribed: readonly string[] = [];

  constructor(groupId: string, journal: Journal) {
    this.groupId = groupId;
    this.journal = journal;
  }

  get state(): GroupStateName {
    return this.generation === null ? 'Empty' : 'Stable';
  }

  get memberCount(): number {
    return this.generation === null ? 0 : 1;
  }

  subscribesTo(topicName: string): boolean {
    return this.subscribed.includes(topicName);
  }

  checkCommit({ generationIdOrMemberEpoch }: Committer): void {
    if (this.generation === null) {
      if (generationIdOrMemberEpoch >= 0) throw new KafkaError('UNKNOWN_MEMBER_ID', 'the group has no members');
    } else if (generationIdOrMemberEpoch !== this.generation) {
      throw new KafkaError('ILLEGAL_GENERATION', `generation ${this.generation} goes on`);
    }
  }

  checkFetch(memberId: string): void {
    if (memberId !== 'member') throw new KafkaError('UNKNOWN_MEMBER_ID', memberId);
  }

  close(): void {}
}

export interface OffsetsWorld {
  readonly journals: readonly OpenedJournal[];
  readonly groups: Groups;
  readonly placements: Placements;
  readonly offsets: Offsets;
  readonly runtime: Runtime;
  group(groupId: string): TestGroup;
  /** Offset or error of partition 0. */
  commit(groupId: string, offset: number, more?: Partial<OffsetToCommit & { generation: number }>): Promise<string>;
  committed(groupId: string): Promise<Readonly<Record<number, number>>>;
  close(): Promise<void>;
}

export interface OffsetsWorldOptions extends Partial<Pick<OffsetsOptions, 'entriesCostMoney' | 'retentionMs'>> {
  readonly stores?: Stores;
  readonly runtime?: Runtime;
  readonly journalCount?: number;
  readonly brokerId?: number;
}

export const RETENTION_MS = 7 * 86_400_000;

export async function openOffsets(options: OffsetsWorldOptions = {}): Promise<OffsetsWorld> {
  const { stores = memoryStores(), runtime = testRuntime(), journalCount = 1, brokerId = 1 } = options;
  const { entriesCostMoney = false, retentionMs = RETENTION_MS } = options;
  const identity = { clusterId: 'c', brokerId, brokerEpoch: newBrokerEpoch(), runtime, ...stores };
  const journals = await Promise.all(Array.from({ length: journalCount }, (_, id) => openJournal({ ...identity, id })));
  const seats = fixedJournals(journals);
  const placements = new Placements({ clusterId: 'c', metadata: stores.metadata, journals: seats, runtime });
  const groups = new Groups({ journals: seats, placements, runtime, groupCountMax: 1_000, groupsPerClientMax: 1_000 });
  groups.register({ type: 'classic', load: (groupId, journal) => new TestGroup(groupId, journal) });
  groups.start();
  const offsets = new Offsets({
    journals: seats,
    groups,
    placements,
    topics: { byId: () => undefined, lookUp: async () => undefined },
    topicsCurrent: () => null,
    runtime,
    entriesCostMoney,
    retentionMs,
    metadataBytesMax: 4_096,
  });
  return {
    journals,
    groups,
    placements,
    offsets,
    runtime,
    group: (groupId) => groups.find(groupId) as TestGroup,
    async commit(groupId, offset, { generation = -1, ...more } = {}) {
      const toCommit = { topicId: TOPIC, partition: 0, offset, leaderEpoch: -1, metadata: '', ...more };
      try {
        const [outcome] = await offsets.commit({ groupId, client: 'test' }, committer(generation), [toCommit]);
        return outcome?.error ?? 'NONE';
      } catch (cause) {
        if (cause instanceof KafkaError) return cause.error;
        throw cause;
      }
    },
    async committed(groupId) {
      const found = await offsets.fetch({ groupId, memberId: null, memberEpoch: -1, places: null });
      return Object.fromEntries(found.map(({ partition, committed }) => [partition, committed!.offset]));
    },
    async close() {
      offsets.close();
      groups.close();
      for (const journal of journals) await journal.close();
    },
  };
}

export const committer = (generationIdOrMemberEpoch = -1, transactional = false): Committer => ({
  memberId: generationIdOrMemberEpoch < 0 ? '' : 'member',
  groupInstanceId: null,
  generationIdOrMemberEpoch,
  transactional,
  apiVersion: 8,
});
