/** What administrators are told of the journals behind topics, from the durable state of their leaders, not confirmed. */
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { jsonMethod, type RpcRegistry } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';
import type { Leaders } from './members.ts';
import type { TopicPartition } from './topics.ts';

/** The first journal takes the place of Kafka's metadata log. */
const METADATA_JOURNAL = 0;
const ASK_MS = 2_000;

interface LogEnd {
  readonly leaderEpoch: number;
  /** The offset after the last entry. */
  readonly highWatermark: number;
}

export interface Quorum extends LogEnd {
  readonly leaderId: number;
}

/** Null from a broker that does not lead the first journal any more. */
const LOG_END = jsonMethod<null, LogEnd | null>(80, 'doors.logEnd');

export interface JournalReportOptions {
  readonly brokerId: number;
  readonly journals: Journals;
  readonly leaders: Leaders;
  /** Absent for a broker alone. */
  readonly cluster?: { readonly peers: Peers; readonly registry: RpcRegistry };
}

export class JournalReport {
  readonly #options: JournalReportOptions;

  constructor(options: JournalReportOptions) {
    this.#options = options;
    options.cluster?.registry.handle(LOG_END, () => this.#ownEnd());
  }

  /** Whether this broker leads any journal. */
  get leadsAny(): boolean {
    return [...this.#options.journals].some(({ role }) => role === 'leading');
  }

  /** Bytes of batches that can be read; null when the journal of the partition is not led here. */
  bytesOf({ topicId, partition, journal }: TopicPartition): number | null {
    return this.#led(journal)?.state.partition(topicId, partition)?.bytes ?? null;
  }

  /** Of the first journal. Throws NOT_LEADER_OR_FOLLOWER while nobody is known to lead it, or its leader does not answer. */
  async quorum(): Promise<Quorum> {
    const { brokerId, cluster, leaders } = this.#options;
    const own = this.#ownEnd();
    if (own !== null) return { leaderId: brokerId, ...own };
    const leader = leaders.of(METADATA_JOURNAL);
    const told =
      leader === null || leader.brokerId === brokerId
        ? null
        : await cluster?.peers.call(leader.brokerId, LOG_END, null, { timeoutMs: ASK_MS });
    if (leader === null || !told) {
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', 'nobody is known to lead the first journal now');
    }
    return { leaderId: leader.brokerId, ...told };
  }

  #ownEnd(): LogEnd | null {
    const journal = this.#led(METADATA_JOURNAL);
    // Seqs begin at 1, offsets at 0.
    return journal === undefined ? null : { leaderEpoch: journal.epoch, highWatermark: journal.state.lastSeq };
  }

  #led(id: number): Journal | undefined {
    const journal = this.#options.journals.get(id);
    return journal?.role === 'leading' ? journal : undefined;
  }
}
