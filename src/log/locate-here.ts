/**
 * Locates partitions in the journals that this broker leads, and waits for their records: for fetches that came here, and
 * for other brokers that ask (`locate-service.ts`).
 */
import type { Journal } from '../journal/journal.ts';
import { availableIn, type Located, type Locator, notConfirmed, outOfRange, type WantedPartition } from './locate.ts';
import type { Isolation } from './log.ts';
import type { Purgatory, WaitEnd } from './purgatory.ts';

export interface LocateQuestion {
  readonly partitions: readonly WantedPartition[];
  readonly minBytes: number;
  readonly isolation: Isolation;
}

export class LocateHere {
  readonly #locator: Locator;
  readonly #purgatory: Purgatory;

  constructor(locator: Locator, purgatory: Purgatory) {
    this.#locator = locator;
    this.#purgatory = purgatory;
  }

  /** In the order of the question. Confirms leadership before it tells anybody that an offset or a partition is not there. */
  async locate(partitions: readonly WantedPartition[]): Promise<Located[]> {
    const located = partitions.map((wanted) => this.#locator.forFetch(wanted));
    if (!located.some(isDenial)) return located;
    return Promise.all(partitions.map((wanted, index) => this.#confirmed(wanted, located[index]!)));
  }

  async #confirmed(wanted: WantedPartition, found: Located): Promise<Located> {
    const journal = deniedBy(found);
    if (journal === undefined) return found;
    const isLeader = await journal.confirmLeadership();
    const again = this.#locator.forFetch(wanted);
    if (!isDenial(again)) return again;
    if (!isLeader) return notConfirmed(journal);
    return again.type === 'outside' ? outOfRange(again, wanted.fetchOffset) : again;
  }

  /** Everything was found, and it is not enough. */
  mustWait(question: LocateQuestion, located: readonly Located[]): boolean {
    if (question.partitions.length === 0) return false;
    if (located.some(({ type }) => type !== 'found')) return false;
    return available(question, located) < question.minBytes;
  }

  /**
   * Until there is enough in the partitions that are found here, or one of them is not any more, for `waitMs` at most. What
   * others told counts as it is. See `Purgatory.wait` for how it ends.
   */
  wait(question: LocateQuestion, located: readonly Located[], waitMs: number, signal: AbortSignal): Promise<WaitEnd> {
    const { partitions, isolation, minBytes } = question;
    const bytes = located.map((found, index) => availableIn(partitions[index]!, found, isolation));
    let total = bytes.reduce((sum, each) => sum + each, 0);
    const here: number[] = [];
    for (const [index, found] of located.entries()) {
      if (found.type === 'found' && found.told === null) here.push(index);
    }
    const satisfied = (at: number): boolean => {
      const index = here[at]!;
      const found = this.#locator.forFetch(partitions[index]!);
      if (found.type !== 'found') return true;
      const now = availableIn(partitions[index]!, found, isolation);
      total += now - bytes[index]!;
      bytes[index] = now;
      return total >= minBytes;
    };
    const waitFor = here.length === partitions.length ? partitions : here.map((index) => partitions[index]!);
    return this.#purgatory.wait({ partitions: waitFor, maxWaitMs: waitMs, signal, satisfied });
  }
}

export function available({ partitions, isolation }: LocateQuestion, located: readonly Located[]): number {
  let bytes = 0;
  for (const [index, found] of located.entries()) bytes += availableIn(partitions[index]!, found, isolation);
  return bytes;
}

/** What a leader that was succeeded and does not know it says wrongly. */
const isDenial = (found: Located): boolean => deniedBy(found) !== undefined;

function deniedBy(found: Located): Journal | undefined {
  if (found.type === 'outside') return found.journal;
  return found.type === 'error' ? found.missingIn : undefined;
}
