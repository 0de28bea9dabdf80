/**
 * Keeps the metadata log small: what still stands in the oldest file is copied to the end of the log, then the file goes.
 * Always the oldest, so that a delete in it has nothing left to hide. It is due when more than half of the log is dead,
 * which bounds the log by twice what stands plus a few files, and the copying by what is written.
 */
import type { Logger } from '../../runtime/logger.ts';
import { readRawBody } from './body-reader.ts';
import { scanFrames } from './log-scan.ts';
import type { IndexEntry, MetadataIndex } from './metadata-index.ts';
import type { MetadataLog } from './metadata-log.ts';

/** Bodies copied in one frame. */
const COPY_BYTES_MAX = 256 * 1024;

/** An item with its body as it stands, damaged or not: the copy keeps the CRC, so damage stays known. */
export interface Copy {
  readonly entry: IndexEntry;
  readonly body: Buffer;
}

export interface LogCleanerOptions {
  readonly log: MetadataLog;
  readonly index: MetadataIndex;
  readonly logger: Logger;
  /** Appends those copies whose entries still stand; durable when it returns. */
  readonly append: (copies: readonly Copy[]) => Promise<void>;
}

export class LogCleaner {
  readonly #options: LogCleanerOptions;
  #running: Promise<void> | null = null;
  #isStopped = false;
  /** After a failure the next attempt waits for the next log file. */
  #failedAt = 0;

  constructor(options: LogCleanerOptions) {
    this.#options = options;
  }

  /** Cheap; to be called after each append. */
  startIfDue(): void {
    if (this.#running || this.#isStopped || !this.#isDue()) return;
    if (this.#failedAt === this.#newestSequence()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  #newestSequence(): number {
    return this.#options.log.files.at(-1)?.sequence ?? 0;
  }

  #isDue(): boolean {
    const { files, fileBytes } = this.#options.log;
    const oldest = files[0];
    if (files.length < 2 || !oldest) return false;
    if (oldest.liveBytes === 0) return true;
    let usedBytes = 0;
    for (const file of files) usedBytes += file.end;
    return usedBytes > 2 * this.#options.index.liveBytes + fileBytes;
  }

  async #run(): Promise<void> {
    const { log, logger } = this.#options;
    while (!this.#isStopped && this.#isDue()) {
      const oldest = log.files[0]!;
      try {
        if (oldest.liveBytes > 0) await this.#copyLive();
        if (this.#isStopped) return;
        await log.dropOldest();
      } catch (error) {
        this.#failedAt = this.#newestSequence();
        logger.warn({ file: oldest.name, error: String(error) }, 'cleaning the metadata log failed');
        return;
      }
    }
  }

  async #copyLive(): Promise<void> {
    const { log, index, append } = this.#options;
    const oldest = log.files[0]!;
    const bytesMax = Math.min(COPY_BYTES_MAX, log.fileBytes / 4);
    let copies: Copy[] = [];
    let bytes = 0;
    for await (const { records } of scanFrames(oldest, oldest.end)) {
      for (const record of records) {
        const entry = index.get(record);
        if (entry?.file !== oldest || entry.bodyPosition !== record.bodyPosition) continue;
        if (this.#isStopped) return;
        copies.push({ entry, body: await readRawBody(entry) });
        bytes += entry.storedBytes;
        if (bytes < bytesMax) continue;
        await append(copies);
        copies = [];
        bytes = 0;
      }
    }
    if (copies.length > 0) await append(copies);
  }
}
