/**
 * An entry as bytes, the body of its item:
 *
 *   crc        uint32 LE   CRC-32C of everything behind it
 *   version    uint8
 *   id         16 bytes
 *   seq, epoch uvarint
 *   timestamp  signed
 *   count      uvarint     commands
 *   length     uvarint     bytes of all commands
 *   commands
 *   body       the rest: inline records
 */
import { StartupError, StorageCorruptError } from '../errors.ts';
import { ENTRY_DESCRIBED_BYTES_MAX } from '../limits.ts';
import { crc32c } from '../record/crc32c.ts';
import type { CodecContext } from './appended-codec.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { readCommand, writeCommand } from './command-codec.ts';
import type { EntryHeader } from './draft.ts';
import type { Appended, Command, Entry } from './entry.ts';

/** Persisted: never renumber. */
const VERSION = 2;
const CRC_BYTES = 4;
/** Header, keys and attributes of the item around the commands: they count towards the write unit. */
const OVERHEAD_BYTES = 128;

/** Builds one entry after the other, in memory of its own. */
export class EntryEncoder {
  readonly #commands = new ByteWriter(16_384);
  readonly #prefix = new ByteWriter(128);
  readonly #journal: number;
  #header: EntryHeader | null = null;
  #commandCount = 0;
  #bodyParts: Uint8Array[] = [];
  #bodyBytes = 0;

  constructor(journal: number) {
    this.#journal = journal;
  }

  begin(header: EntryHeader): void {
    this.#header = header;
    this.#commands.truncate(0);
    this.#commandCount = 0;
    this.#bodyParts = [];
    this.#bodyBytes = 0;
  }

  get commandCount(): number {
    return this.#commandCount;
  }

  /** Close to what `finish` will return. */
  get bytes(): number {
    return OVERHEAD_BYTES + this.#commands.length + this.#bodyBytes;
  }

  /** Where the next inline body will start. */
  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /**
   * Adds a command and returns it as it was written: an append from a segment whose description would make the entry long
   * refers to the footer instead.
   */
  add(command: Command): Command {
    this.#commandCount++;
    const before = this.#commands.length;
    const context: CodecContext = { journal: this.#journal, timestamp: this.#header!.timestamp };
    writeCommand(this.#commands, command, context);
    if (command.type === 'appended' && command.source.type === 'segment' && this.bytes > ENTRY_DESCRIBED_BYTES_MAX) {
      const shorter = byReference(command);
      this.#commands.truncate(before);
      writeCommand(this.#commands, shorter, context);
      return shorter;
    }
    return command;
  }

  /** The parts must not change until `finish`. */
  addBody(parts: readonly Uint8Array[], bytes: number): void {
    for (const part of parts) this.#bodyParts.push(part);
    this.#bodyBytes += bytes;
  }

  finish(): Buffer {
    const { id, seq, epoch, timestamp } = this.#header!;
    const prefix = this.#prefix;
    prefix.truncate(0);
    prefix.uint32(0);
    prefix.byte(VERSION);
    prefix.hexId(id);
    prefix.uvarint(seq);
    prefix.uvarint(epoch);
    prefix.signed(timestamp);
    prefix.uvarint(this.#commandCount);
    prefix.uvarint(this.#commands.length);
    const entry = Buffer.concat([prefix.view(), this.#commands.view(), ...this.#bodyParts]);
    entry.writeUInt32LE(crc32c(entry.subarray(CRC_BYTES)), 0);
    return entry;
  }
}

function byReference(command: Appended): Appended {
  if (command.batches.type === 'footer') return command;
  const batchCount = command.batches.partitions.reduce((sum, { batches }) => sum + batches.length, 0);
  return { ...command, batches: { type: 'footer', batchCount } };
}

export function encodeEntry(journal: number, entry: Entry): Buffer {
  const encoder = new EntryEncoder(journal);
  encoder.begin(entry);
  for (const command of entry.commands) encoder.add(command);
  encoder.addBody([entry.body], entry.body.length);
  return encoder.finish();
}

/** Throws StorageCorruptError or StartupError, which name the journal and the seq. */
export function decodeEntry(journal: number, seq: number, bytes: Buffer): Entry {
  return naming(journal, seq, () => {
    const { reader, header, commandCount, bodyStart } = openEntry(bytes, seq);
    const context: CodecContext = { journal, timestamp: header.timestamp };
    const commands: Command[] = [];
    for (let at = 0; at < commandCount; at++) commands.push(readCommand(reader, context));
    if (reader.position !== bodyStart) throw new StorageCorruptError('its commands end elsewhere');
    return { ...header, commands, body: bytes.subarray(bodyStart) };
  });
}

/** Only the inline body, for readers that do not fold. */
export function decodeBody(
  journal: number,
  seq: number,
  bytes: Buffer,
): { readonly id: string; readonly body: Buffer } {
  return naming(journal, seq, () => {
    const { header, bodyStart } = openEntry(bytes, seq);
    return { id: header.id, body: bytes.subarray(bodyStart) };
  });
}

function openEntry(bytes: Buffer, expectedSeq: number) {
  if (bytes.length <= CRC_BYTES || bytes.readUInt32LE(0) !== crc32c(bytes.subarray(CRC_BYTES))) {
    throw new StorageCorruptError('its checksum does not match');
  }
  const reader = new ByteReader(bytes, CRC_BYTES);
  const version = reader.byte();
  if (version !== VERSION) {
    throw new StartupError(`it has format version ${version}; this version of the broker reads ${VERSION}`);
  }
  const id = reader.hexId();
  const seq = reader.uvarint();
  if (seq !== expectedSeq) throw new StorageCorruptError(`it holds entry ${seq}`);
  const header: EntryHeader = { id, seq, epoch: reader.uvarint(), timestamp: reader.signed() };
  const commandCount = reader.count();
  const bodyStart = reader.count() + reader.position;
  return { reader, header, commandCount, bodyStart };
}

function naming<T>(journal: number, seq: number, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    const where = `journal ${journal}, entry ${seq}`;
    if (cause instanceof StartupError) throw new StartupError(`${where}: ${cause.message}`, { cause });
    if (cause instanceof StorageCorruptError) throw new StorageCorruptError(`${where}: ${cause.message}`, { cause });
    throw cause;
  }
}
