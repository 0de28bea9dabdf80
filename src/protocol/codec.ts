/**
 * The one reader and writer of all messages. A message is compiled once per version into closures; hot paths run those
 * and never look at the schema.
 *
 *              fixed versions            flexible versions (KIP-482)
 *   string     int16 length, -1 null     uvarint length + 1, 0 null
 *   bytes      int32 length, -1 null     uvarint length + 1, 0 null
 *   array      int32 count, -1 null      uvarint count + 1, 0 null
 *   struct     fields                    fields, then tagged fields: uvarint count, then per field tag, size, bytes
 *
 * A hostile length is checked against the remaining bytes before anything is allocated. Decoded structs of one kind have the
 * same keys in the same order, so that V8 keeps one hidden class.
 */
import { AssertionError, assert } from '../runtime/assert.ts';
import { Reader, Writer } from './buffer.ts';
import type { Field, Fields, Infer, Input, Message, Primitive } from './schema.ts';

export interface Codec<M extends Message = Message> {
  /** A gather list; the parts of `records` fields are in it as they were given. */
  encode(value: Input<M>): readonly Uint8Array[];
  /** `records` fields are views into `bytes`. Throws INVALID_REQUEST for anything that is not exactly one message. */
  decode(bytes: Buffer): Infer<M>;
  /** The same inside a frame: after or before a header. */
  write(writer: Writer, value: Input<M>): void;
  read(reader: Reader): Infer<M>;
}

type Struct = Record<string, unknown>;

interface Step {
  read(reader: Reader): unknown;
  write(writer: Writer, value: any): void;
  /** The fewest bytes that a value takes: what a claimed array length is checked against. */
  readonly bytesMin: number;
}

const STRING_BYTES_MAX = 0x7fff;

const codecs = new WeakMap<Message, Codec<any>[]>();

/** The codec of a message at a version that it has. Compiled on first use. */
export function codec<F extends Fields>(message: Message<F>, version: number): Codec<Message<F>> {
  let versions = codecs.get(message);
  if (!versions) {
    versions = [];
    codecs.set(message, versions);
  }
  versions[version] ??= compile(message, version);
  return versions[version];
}

function compile(message: Message, version: number): Codec<any> {
  const [min, max] = message.versions;
  assert(version >= min && version <= max, `${message.name} v${version} is outside v${min} to v${max}`);
  const label = `${message.name} v${version}`;
  const step = structStep(message.fields, { version, flexible: version >= message.flexibleSince, path: label });
  return {
    write: step.write,
    read: step.read as Codec<any>['read'],
    encode(value) {
      const writer = new Writer();
      step.write(writer, value);
      return writer.finish();
    },
    decode(bytes) {
      const reader = new Reader(bytes, label);
      const value = step.read(reader);
      reader.expectEnd();
      return value as Infer<any>;
    },
  };
}

/** What is being compiled: a version, and the names down to here for messages of errors. */
interface Place {
  readonly version: number;
  readonly flexible: boolean;
  readonly path: string;
}

function fieldStep(field: Field, place: Place): Step {
  const nullable = place.version >= field.nullableSince;
  switch (field.type) {
    case 'string':
      return lengthPrefixed(stringBody, place, nullable, place.flexible ? COMPACT : INT16);
    case 'bytes':
      return lengthPrefixed(bytesBody, place, nullable, place.flexible ? COMPACT : INT32);
    case 'records':
      return lengthPrefixed(recordsBody, place, nullable, place.flexible ? COMPACT : INT32);
    case 'array':
      return lengthPrefixed(arrayBody(field, place), place, nullable, place.flexible ? COMPACT : INT32);
    case 'struct': {
      assert(field.fields !== null, `${place.path} has no fields`);
      const step = structStep(field.fields, place);
      return nullable ? nullableStruct(step) : step;
    }
    default:
      return FIXED[field.type];
  }
}

const FIXED: Record<Exclude<Primitive, 'string' | 'bytes' | 'records'>, Step> = {
  bool: { read: (r) => r.int8() !== 0, write: (w, v: boolean) => w.int8(v ? 1 : 0), bytesMin: 1 },
  int8: { read: (r) => r.int8(), write: (w, v: number) => w.int8(v), bytesMin: 1 },
  int16: { read: (r) => r.int16(), write: (w, v: number) => w.int16(v), bytesMin: 2 },
  uint16: { read: (r) => r.uint16(), write: (w, v: number) => w.uint16(v), bytesMin: 2 },
  int32: { read: (r) => r.int32(), write: (w, v: number) => w.int32(v), bytesMin: 4 },
  uint32: { read: (r) => r.uint32(), write: (w, v: number) => w.uint32(v), bytesMin: 4 },
  int64: { read: (r) => r.int64(), write: (w, v: number) => w.int64(v), bytesMin: 8 },
  float64: { read: (r) => r.float64(), write: (w, v: number) => w.float64(v), bytesMin: 8 },
  uuid: { read: (r) => r.uuid(), write: (w, v: string) => w.uuid(v), bytesMin: 16 },
};

/** A length on the wire; -1 stands for null. */
interface Length {
  read(reader: Reader): number;
  write(writer: Writer, length: number): void;
  readonly bytes: number;
}

const INT16: Length = { read: (r) => r.int16(), write: (w, n) => w.int16(n), bytes: 2 };
const INT32: Length = { read: (r) => r.int32(), write: (w, n) => w.int32(n), bytes: 4 };
const COMPACT: Length = { read: (r) => r.uvarint() - 1, write: (w, n) => w.uvarint(n + 1), bytes: 1 };

interface Body<T> {
  read(reader: Reader, length: number): unknown;
  write(writer: Writer, value: T, length: Length): void;
}

function lengthPrefixed<T>(body: Body<T>, { path, version }: Place, nullable: boolean, length: Length): Step {
  return {
    bytesMin: length.bytes,
    read(reader) {
      const n = length.read(reader);
      if (n >= 0) return body.read(reader, n);
      if (n < -1) reader.refuse(`${path} has length ${n}`);
      if (!nullable) reader.refuse(`${path} is null`);
      return null;
    },
    write(writer, value: T | null) {
      if (value !== null) return body.write(writer, value, length);
      if (!nullable) throw new AssertionError(`${path} is not nullable in v${version}`);
      length.write(writer, -1);
    },
  };
}

const stringBody: Body<string> = {
  read(reader, length) {
    if (length > STRING_BYTES_MAX) reader.refuse(`string of ${length} bytes`);
    return reader.string(length);
  },
  write(writer, value, length) {
    const bytes = Buffer.byteLength(value, 'utf8');
    if (bytes > STRING_BYTES_MAX) throw new AssertionError(`string of ${bytes} bytes`);
    length.write(writer, bytes);
    writer.string(value, bytes);
  },
};

const bytesBody: Body<Uint8Array> = {
  read: (reader, length) => Buffer.from(reader.view(length)),
  write(writer, value, length) {
    length.write(writer, value.length);
    writer.raw(value);
  },
};

const recordsBody: Body<Uint8Array | readonly Uint8Array[]> = {
  read: (reader, length) => reader.view(length),
  write(writer, value, length) {
    if (value instanceof Uint8Array) {
      length.write(writer, value.length);
      writer.gather(value);
    } else {
      let bytes = 0;
      for (const part of value) bytes += part.length;
      length.write(writer, bytes);
      for (const part of value) writer.gather(part);
    }
  },
};

function arrayBody(field: Field, place: Place): Body<readonly unknown[]> {
  const element = field.fields
    ? structStep(field.fields, place)
    : fieldStep(field.element!, { ...place, path: `${place.path}[]` });
  assert(element.bytesMin > 0, `${place.path}: elements of no bytes could be claimed without end`);
  return {
    read(reader, length) {
      reader.claimElements(length, element.bytesMin);
      const values: unknown[] = [];
      for (let i = 0; i < length; i++) values.push(element.read(reader));
      return values;
    },
    write(writer, values, length) {
      length.write(writer, values.length);
      for (const value of values) element.write(writer, value);
    },
  };
}

function nullableStruct(step: Step): Step {
  return {
    bytesMin: 1,
    read(reader) {
      const marker = reader.int8();
      if (marker < -1) reader.refuse(`${marker} where a struct or null should begin`);
      return marker === -1 ? null : step.read(reader);
    },
    write(writer, value) {
      writer.int8(value === null ? -1 : 1);
      if (value !== null) step.write(writer, value);
    },
  };
}

interface NamedStep {
  readonly name: string;
  readonly field: Field;
  readonly step: Step;
  readonly fallback: unknown;
}

function structStep(fields: Fields, place: Place): Step {
  const { version, flexible } = place;
  const plain: NamedStep[] = [];
  const tagged: NamedStep[] = [];
  const defaults: Struct = {};
  for (const [name, field] of Object.entries(fields)) {
    const fallback = defaultOf(field, version);
    defaults[name] = fallback;
    if (version < field.since || version > field.until) continue;
    const step = { name, field, step: fieldStep(field, { ...place, path: `${place.path}.${name}` }), fallback };
    if (field.tag === null) plain.push(step);
    else if (flexible) tagged.push(step);
  }
  tagged.sort((a, b) => a.field.tag! - b.field.tag!);

  return {
    bytesMin: plain.reduce((sum, { step }) => sum + step.bytesMin, flexible ? 1 : 0),
    read(reader) {
      const struct: Struct = { ...defaults };
      for (const { name, step } of plain) struct[name] = step.read(reader);
      if (flexible) readTags(reader, struct, tagged);
      return struct;
    },
    write(writer, struct: Struct) {
      for (const { name, step, fallback } of plain) {
        const value = struct[name];
        step.write(writer, value === undefined ? fallback : value);
      }
      if (flexible) writeTags(writer, struct, tagged);
    },
  };
}

function readTags(reader: Reader, struct: Struct, tagged: readonly NamedStep[]): void {
  for (let left = reader.uvarint(); left > 0; left--) {
    const tag = reader.uvarint();
    const length = reader.uvarint();
    const known = tagged.find(({ field }) => field.tag === tag);
    if (known) {
      const outer = reader.enter(length);
      struct[known.name] = known.step.read(reader);
      reader.leave(outer);
    } else {
      reader.skip(length);
    }
  }
}

function writeTags(writer: Writer, struct: Struct, tagged: readonly NamedStep[]): void {
  let present = 0;
  for (const { name, field, fallback } of tagged) if (!isDefault(field, struct[name], fallback)) present++;
  writer.uvarint(present);
  if (present === 0) return;
  for (const { name, field, step, fallback } of tagged) {
    if (isDefault(field, struct[name], fallback)) continue;
    const value = new Writer();
    step.write(value, struct[name]);
    writer.uvarint(field.tag!);
    writer.uvarint(value.length);
    for (const part of value.finish()) writer.raw(part);
  }
}

/** Shared by all decoded values, hence frozen as deep as it goes. */
function defaultOf(field: Field, version: number): unknown {
  if (field.fallback !== undefined) return field.fallback;
  if (version >= field.nullableSince) return null;
  switch (field.type) {
    case 'bool':
      return false;
    case 'string':
      return '';
    case 'uuid':
      return ZERO_UUID;
    case 'bytes':
    case 'records':
      return EMPTY_BYTES;
    case 'array':
      return EMPTY_ARRAY;
    case 'struct': {
      const entries = Object.entries(field.fields!).map(([name, inner]) => [name, defaultOf(inner, version)]);
      return Object.freeze(Object.fromEntries(entries));
    }
    default:
      return 0;
  }
}

/** Kafka's Uuid.ZERO_UUID: no topic id. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
const EMPTY_BYTES = Buffer.alloc(0);
const EMPTY_ARRAY: readonly never[] = Object.freeze([]);

/** Tagged fields are written only when they differ from their default. */
function isDefault(field: Field, value: unknown, fallback: unknown): boolean {
  if (value === undefined || value === fallback) return true;
  if (value === null || fallback === null) return false;
  if (field.type === 'array' || field.type === 'bytes') return (value as ArrayLike<unknown>).length === 0;
  if (field.type !== 'struct') return false;
  const defaults = fallback as Struct;
  return Object.entries(field.fields!).every(([name, inner]) =>
    isDefault(inner, (value as Struct)[name], defaults[name]),
  );
}
