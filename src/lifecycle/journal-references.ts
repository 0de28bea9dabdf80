/** What reclaim asks of journals wherever they are led: here without a detour, of other brokers by calls. */
import { JOURNAL_REFERENCES, JOURNAL_RELEASED } from '../cluster/journal-methods.ts';
import type { RemoteJournals } from '../cluster/remote-journals.ts';
import { KafkaError } from '../errors.ts';
import type { Journal, JournalView } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import type { Released, ReleasedCursor, ReleasedSegments } from './released-segments.ts';

export interface JournalReferencesOptions {
  readonly journals: Journals;
  readonly released: ReleasedSegments;
  /** Null for a broker alone. */
  readonly remote: RemoteJournals | null;
}

export class JournalReferences {
  readonly #options: JournalReferencesOptions;

  constructor(options: JournalReferencesOptions) {
    this.#options = options;
  }

  /** Answers what other brokers ask of the journals that are led here. */
  answer(registry: RpcRegistry): void {
    registry.handle(JOURNAL_REFERENCES, ({ journal, segmentIds }) => referencedIn(this.#led(journal), segmentIds));
    registry.handle(JOURNAL_RELEASED, ({ journal, cursor }) => {
      return this.#options.released.after(journal, cursor) ?? notLed(journal);
    });
  }

  /** Which of the segments a journal refers to. Rejects with NOT_LEADER_OR_FOLLOWER when nobody can tell. */
  async referenced({ id }: Journal, segmentIds: readonly string[]): Promise<ReadonlySet<string>> {
    const { journals, remote } = this.#options;
    if (segmentIds.length === 0) return NONE;
    const isLed = journals.get(id)?.role === 'leading';
    if (!isLed && remote !== null) {
      return new Set(await remote.ask(id, JOURNAL_REFERENCES, { journal: id, segmentIds }));
    }
    return new Set(referencedIn(this.#led(id), segmentIds));
  }

  /** What a journal released since. Rejects with NOT_LEADER_OR_FOLLOWER when nobody can tell. */
  async released({ id }: Journal, cursor: ReleasedCursor): Promise<Released> {
    const { remote, released } = this.#options;
    const here = released.after(id, cursor);
    if (here !== null) return here;
    return remote === null ? notLed(id) : remote.ask(id, JOURNAL_RELEASED, { journal: id, cursor });
  }

  #led(id: number): JournalView {
    const journal = this.#options.journals.get(id);
    return journal?.role === 'leading' ? journal.state : notLed(id);
  }
}

const NONE: ReadonlySet<string> = new Set();

const referencedIn = (state: JournalView, segmentIds: readonly string[]): readonly string[] =>
  segmentIds.filter((segmentId) => state.segment(segmentId) !== undefined);

function notLed(journal: number): never {
  throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `journal ${journal} is not led by this broker`);
}
