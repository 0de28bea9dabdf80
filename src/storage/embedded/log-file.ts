import type { Disk } from './disk.ts';

/** One open file of the metadata log. */
export class LogFile {
  readonly path: string;
  /** As messages name it: relative to the data directory. */
  readonly name: string;
  readonly sequence: number;
  readonly nonce: number;
  readonly fileBytes: number;
  readonly fd: number;
  /** Where the next frame goes; everything before is durable. */
  end: number;
  /** Room that the items take which stand in this file and nowhere later. */
  liveBytes = 0;
  readonly #disk: Disk;
  #readers = 0;
  #isRetired = false;

  constructor(disk: Disk, of: Pick<LogFile, 'path' | 'name' | 'sequence' | 'nonce' | 'fileBytes' | 'fd' | 'end'>) {
    this.#disk = disk;
    this.path = of.path;
    this.name = of.name;
    this.sequence = of.sequence;
    this.nonce = of.nonce;
    this.fileBytes = of.fileBytes;
    this.fd = of.fd;
    this.end = of.end;
  }

  get hasReaders(): boolean {
    return this.#readers > 0;
  }

  /** Keeps the descriptor open until `release`, whatever becomes of the file. */
  hold(): void {
    this.#readers += 1;
  }

  release(): void {
    this.#readers -= 1;
    if (this.#isRetired && this.#readers === 0) this.#disk.close(this.fd).catch(() => {}); // Nothing was written by it.
  }

  /** Fewer bytes than asked for at the end of the file. */
  read(position: number, bytes: number): Promise<Buffer> {
    return this.readInto(Buffer.allocUnsafe(bytes), position);
  }

  async readInto(into: Buffer, position: number): Promise<Buffer> {
    const count = await this.#disk.read(this.fd, into, position);
    return count === into.length ? into : into.subarray(0, count);
  }

  /** Closes the descriptor now, or after the last reader. */
  async close(): Promise<void> {
    this.#isRetired = true;
    if (this.#readers === 0) await this.#disk.close(this.fd);
  }
}
