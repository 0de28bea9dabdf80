/**
 * What each process must show to whoever asks it from now on: all that it acknowledged itself, and all that stood in a
 * journal when it fenced that.
 */
import type { Checker, HistoryEvent, PartitionName } from './history.ts';
import { nameOf } from './history.ts';
import type { Ledger } from './ledger.ts';

export class Acknowledgements implements Checker {
  readonly name = 'acknowledgements';
  readonly #ledger: Ledger;
  readonly #byProcess = new Map<string, Map<string, number>>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** The high watermark that a request to `process` sees at least. */
  visibleAt(process: string, name: PartitionName): number {
    return this.#byProcess.get(process)?.get(nameOf(name)) ?? 0;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'entryPut': {
        if (!event.entry.commands.some(({ type }) => type === 'epochStarted')) return;
        for (const partition of this.#ledger.partitions()) {
          if (partition.journal === event.journal) this.#raise(event.process, partition, partition.nextOffset);
        }
        return;
      }
      case 'answered': {
        const { batch, outcome, process } = event;
        if (outcome.error === 'NONE' && 'baseOffset' in outcome) {
          this.#raise(process, batch, outcome.baseOffset + batch.recordCount);
        }
        return;
      }
      case 'partitionDeleted':
        for (const ends of this.#byProcess.values()) ends.delete(nameOf(event));
        return;
      case 'processEnded':
        this.#byProcess.delete(event.process);
        return;
      default:
    }
  }

  #raise(process: string, name: PartitionName, end: number): void {
    const ends = this.#byProcess.get(process) ?? new Map<string, number>();
    this.#byProcess.set(process, ends);
    ends.set(nameOf(name), Math.max(ends.get(nameOf(name)) ?? 0, end));
  }
}
