import { type Entry, segmentsNamedBy } from './entry.ts';

/**
 * What happened since the last durable snapshot: how much a recovery would have to read, and which segments it would meet.
 * Until a snapshot covers them, those segments may not be condemned.
 */
export class Uncovered {
  /** Of entries. */
  bytes = 0;
  /** Footers that a recovery would read. */
  references = 0;
  /** Seq of the last entry that names the segment. */
  readonly #segments = new Map<string, number>();

  add({ seq, commands }: Pick<Entry, 'seq' | 'commands'>, bytes: number): void {
    this.bytes += bytes;
    for (const command of commands) {
      if (command.type === 'appended' && command.batches.type === 'footer') this.references++;
      for (const segmentId of segmentsNamedBy(command)) this.#segments.set(segmentId, seq);
    }
  }

  get segmentCount(): number {
    return this.#segments.size;
  }

  names(segmentId: string): boolean {
    return this.#segments.has(segmentId);
  }

  /** A snapshot up to `seq` is durable; `bytes` and `references` are what was counted when it was begun. */
  cover(seq: number, bytes: number, references: number): void {
    this.bytes -= bytes;
    this.references -= references;
    for (const [segmentId, named] of this.#segments) if (named <= seq) this.#segments.delete(segmentId);
  }
}
