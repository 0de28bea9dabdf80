/**
 * The metadata log on disk: numbered files of fixed size, written front to back, one frame at a time.
 *
 *   metadata/00000007.log   oldest: cleaning copies what still stands in it to the end of the log, then it goes
 *   metadata/00000008.log   newest: frames are appended here
 *   metadata/spare          the next file, its blocks allocated already; a file that goes becomes the spare
 *
 * Blocks are allocated by writing them, before they are needed: a durable write into them changes no file metadata, which
 * halves its cost, and a full disk is met here and not in the middle of a frame. A write that fails leaves its file for
 * good: after a failed sync the kernel may call pages clean that never reached the disk, so nothing is repeated on that
 * file; the next one states in its header where it ends.
 */
import { StorageCorruptError, StorageUnavailableError } from '../../errors.ts';
import { assert } from '../../runtime/assert.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type Disk, errorCode, failureBeforeEffect, isAbsent } from './disk.ts';
import { LogFile } from './log-file.ts';
import {
  BLOCK_BYTES,
  blocksUp,
  decodeFileHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  type FileHeader,
  FRAME_OVERHEAD_BYTES,
  FrameEncoder,
  type LogRecord,
  type LogWrite,
  writeBytesMax,
} from './log-frame.ts';
import { scanFrames } from './log-scan.ts';

const ZEROS = Buffer.alloc(1024 * 1024);

export interface MetadataLogOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly runtime: Pick<Runtime, 'random' | 'logger'>;
  readonly fileBytes: number;
}

/** Where the records of an appended frame stand; valid until the next append. */
export interface Appended {
  readonly file: LogFile;
  readonly bodyPositions: readonly number[];
  readonly bodyCrcs: readonly number[];
}

export class MetadataLog {
  readonly #options: MetadataLogOptions;
  readonly #encoder = new FrameEncoder();
  /** Oldest first; the last one is written. */
  readonly #files: LogFile[] = [];
  #frameNumber = 0;
  /** The newest file had a write that failed; only a new file can go on. */
  #isNewestFailed = false;
  #isSpareReady = false;
  /** Work on the names of files, one after the other. */
  #fileWork: Promise<unknown> = Promise.resolve();

  private constructor(options: MetadataLogOptions) {
    assert(options.fileBytes % BLOCK_BYTES === 0, `log files of ${options.fileBytes} bytes are no whole blocks`);
    this.#options = options;
  }

  /** Replays the log: `onRecord` sees every record of every frame in the order of writing. */
  static async open(
    options: MetadataLogOptions,
    onRecord: (file: LogFile, record: LogRecord) => void,
  ): Promise<MetadataLog> {
    const log = new MetadataLog(options);
    try {
      await log.#openFiles();
      await log.#replay(onRecord);
    } catch (error) {
      await log.#closeFiles();
      throw error;
    }
    log.#prepareSpare();
    return log;
  }

  /** Oldest first; the last one is written. */
  get files(): readonly LogFile[] {
    return this.#files;
  }

  get fileBytes(): number {
    return this.#options.fileBytes;
  }

  /** Writes one frame and returns when it is durable. One call at a time. Failures: see MetadataStore. */
  async append(writes: readonly LogWrite[]): Promise<Appended> {
    let room = FRAME_OVERHEAD_BYTES;
    for (const write of writes) room += writeBytesMax(write);
    if (this.#isNewestFailed || !this.#fits(blocksUp(room))) await this.#startFile();
    assert(this.#fits(blocksUp(room)), `a frame of ${room} bytes is larger than a file of the metadata log`);
    try {
      return await this.#appendFrame(writes);
    } catch (error) {
      this.#isNewestFailed = true;
      const file = this.#newest();
      this.#options.runtime.logger.error(
        { file: file.name, position: file.end, error: String(error) },
        'writing the metadata log failed; going on in a new file',
      );
      try {
        await this.#startFile(); // From here on the failed frame is certain not to count, so it may be written again.
        return await this.#appendFrame(writes);
      } catch (cause) {
        this.#isNewestFailed = true;
        throw new StorageUnavailableError(`writing ${file.name} failed: ${errorCode(error)}`, { cause });
      }
    }
  }

  /**
   * Gives up the oldest file, of which nothing stands any more. Durable when it returns: the next one may hold the deletes
   * of items that stand in this one. After a failure it is still the oldest, and may be given up again.
   */
  dropOldest(): Promise<void> {
    return this.#alone(async () => {
      const { disk, directory, fileBytes } = this.#options;
      const oldest = this.#files[0];
      assert(oldest && this.#files.length > 1 && oldest.liveBytes === 0, 'the oldest log file is still needed');
      const isSpare = !this.#isSpareReady && !oldest.hasReaders && oldest.fileBytes === fileBytes;
      if (isSpare) await disk.rename(oldest.path, this.#sparePath()).catch(ignoreAbsent);
      else await disk.remove(oldest.path);
      await disk.syncDirectory(directory);
      this.#files.shift();
      this.#isSpareReady ||= isSpare && (await disk.stat(this.#sparePath()))?.size === fileBytes;
      await oldest.close();
    });
  }

  /** Appends an empty frame, which proves at the next start that everything before it was durable, and closes. */
  async close(): Promise<void> {
    await this.#fileWork.catch(() => {});
    if (!this.#isNewestFailed && this.#fits(BLOCK_BYTES)) {
      await this.#appendFrame([]).catch((error: unknown) => {
        this.#options.runtime.logger.warn(
          { error: String(error) },
          'the metadata log was closed without its last frame',
        );
      });
    }
    await this.#closeFiles();
  }

  async #closeFiles(): Promise<void> {
    for (const file of this.#files.splice(0)) await file.close();
  }

  #newest(): LogFile {
    const newest = this.#files[this.#files.length - 1];
    assert(newest, 'a metadata log without a file');
    return newest;
  }

  #fits(bytes: number): boolean {
    const { end, fileBytes } = this.#newest();
    return end + bytes <= fileBytes;
  }

  async #appendFrame(writes: readonly LogWrite[]): Promise<Appended> {
    const file = this.#newest();
    const { sequence, nonce, end } = file;
    const bytes = this.#encoder.encode(writes, { sequence, nonce, position: end }, this.#frameNumber + 1);
    await this.#options.disk.writeDurably(file.fd, bytes, end);
    this.#frameNumber += 1;
    file.end += bytes.length;
    return { file, bodyPositions: this.#encoder.bodyPositions, bodyCrcs: this.#encoder.bodyCrcs };
  }

  // Files.

  #path(name: string): string {
    return `${this.#options.directory}/${name}`;
  }

  #sparePath(): string {
    return this.#path('spare');
  }

  #logFile(name: string, fd: number, header: FileHeader): LogFile {
    const { sequence, nonce, fileBytes } = header;
    const path = this.#path(name);
    return new LogFile(this.#options.disk, {
      path,
      name: `metadata/${name}`,
      sequence,
      nonce,
      fileBytes,
      fd,
      end: FILE_HEADER_BYTES,
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#fileWork.then(work, work);
    this.#fileWork = done;
    return done;
  }

  /** Makes the spare the newest file. Its header is durable before its name is, and both before its first frame. */
  async #startFile(): Promise<void> {
    const { disk, directory, runtime, fileBytes } = this.#options;
    const previous = this.#files[this.#files.length - 1];
    const header: FileHeader = {
      sequence: (previous?.sequence ?? 0) + 1,
      nonce: runtime.random.bytes(4).readUInt32LE(),
      fileBytes,
      previousEnd: previous?.end ?? FILE_HEADER_BYTES,
    };
    const name = fileName(header.sequence);
    await this.#alone(async () => {
      let fd: number | null = null;
      try {
        if (!this.#isSpareReady) await this.#createSpare();
        this.#isSpareReady = false;
        fd = await disk.open(this.#sparePath(), 'write-durably');
        await disk.writeDurably(fd, encodeFileHeader(header), 0);
        // Once the new name may exist, the file before it ends where the header says, whatever follows here. Another
        // attempt renames a fresh spare over it: no frame was written to it.
        this.#isNewestFailed = true;
        await disk.rename(this.#sparePath(), this.#path(name));
        await disk.syncDirectory(directory);
      } catch (error) {
        if (fd !== null) await disk.close(fd).catch(() => {}); // Nothing in it counts.
        throw failureBeforeEffect(error, 'a new file of the metadata log');
      }
      this.#files.push(this.#logFile(name, fd, header));
      this.#isNewestFailed = false;
    });
    if (previous) this.#prepareSpare();
  }

  /** In the background; a disk without room is met again, and then told, when the file is needed. */
  #prepareSpare(): void {
    void this.#alone(async () => {
      try {
        if (!this.#isSpareReady) await this.#createSpare();
      } catch (error) {
        this.#options.runtime.logger.warn(
          { error: String(error) },
          'no room to prepare the next file of the metadata log',
        );
      }
    });
  }

  async #createSpare(): Promise<void> {
    const { disk, directory, fileBytes } = this.#options;
    const unfinished = this.#path('spare.tmp');
    await disk.remove(unfinished);
    const fd = await disk.open(unfinished, 'create');
    try {
      for (let position = 0; position < fileBytes; position += ZEROS.length) {
        await disk.write(fd, [ZEROS.subarray(0, fileBytes - position)], position);
      }
      await disk.sync(fd);
      await disk.rename(unfinished, this.#sparePath());
    } catch (error) {
      await disk.remove(unfinished); // Gives the room back.
      throw error;
    } finally {
      await disk.close(fd);
    }
    await disk.syncDirectory(directory);
    this.#isSpareReady = true;
  }

  // Opening.

  async #openFiles(): Promise<void> {
    const { disk, directory } = this.#options;
    const names = (await disk.names(directory)) ?? [];
    await disk.remove(this.#path('spare.tmp'));
    this.#isSpareReady = (await disk.stat(this.#sparePath()))?.size === this.#options.fileBytes;
    const logs = names.filter((name) => /^\d{8}\.log$/.test(name)).sort();
    for (const name of logs) await this.#openFile(name, name === logs.at(-1));
    if (logs.length === 0) await this.#startFile();
  }

  async #openFile(name: string, isNewest: boolean): Promise<void> {
    const { disk } = this.#options;
    const fd = await disk.open(this.#path(name), isNewest ? 'write-durably' : 'read');
    const bytes = Buffer.alloc(FILE_HEADER_BYTES);
    const count = await disk.read(fd, bytes, 0);
    const header = decodeFileHeader(bytes.subarray(0, count));
    const previous = this.#files[this.#files.length - 1];
    if (header === null || header === 'unknown version') {
      await disk.close(fd);
      const found = header === null ? 'neither copy of it is whole' : 'a newer version of Millrace wrote it';
      throw new StorageCorruptError(`metadata/${name} at byte 0: expected the header of a log file, but ${found}`);
    }
    this.#files.push(this.#logFile(name, fd, header));
    const expected = previous ? previous.sequence + 1 : header.sequence;
    if (header.sequence !== expected || name !== fileName(header.sequence)) {
      throw new StorageCorruptError(`metadata/${name} holds file ${header.sequence} of the log; expected ${expected}`);
    }
    if (previous) previous.end = header.previousEnd;
  }

  async #replay(onRecord: (file: LogFile, record: LogRecord) => void): Promise<void> {
    for (const file of this.#files) {
      const isNewest = file === this.#newest();
      let lastStart = FILE_HEADER_BYTES;
      let end = FILE_HEADER_BYTES;
      for await (const { frame, records } of scanFrames(file, isNewest ? null : file.end)) {
        if (this.#frameNumber !== 0 && frame.number !== this.#frameNumber + 1) {
          throw new StorageCorruptError(
            `${file.name} at byte ${frame.position}: expected frame ${this.#frameNumber + 1}, found ${frame.number}`,
          );
        }
        this.#frameNumber = frame.number;
        lastStart = frame.position;
        end = frame.end;
        for (const record of records) onRecord(file, record);
      }
      if (isNewest) await this.#settleTail(file, lastStart, end);
      else if (end !== file.end) {
        throw new StorageCorruptError(`${file.name} ends at byte ${end}; the next file says ${file.end}`);
      }
    }
  }

  /**
   * The last frame may have been read from the page cache only, and its sync may have failed: it is written again, so
   * that nothing is built on what a power cut could take. What follows it is overwritten, so that it stays dropped.
   */
  async #settleTail(file: LogFile, lastStart: number, end: number): Promise<void> {
    const { disk } = this.#options;
    file.end = end;
    if (end > lastStart) await disk.writeDurably(file.fd, await file.read(lastStart, end - lastStart), lastStart);
    if (end < file.fileBytes) await disk.writeDurably(file.fd, ZEROS.subarray(0, BLOCK_BYTES), end);
  }
}

const fileName = (sequence: number): string => `${String(sequence).padStart(8, '0')}.log`;

/** An earlier attempt had taken effect. */
function ignoreAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error;
}
