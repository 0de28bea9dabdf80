/** Values of any message, derived from its schema: what a version carries is arbitrary, the rest is left out. */
import fc from 'fast-check';
import type { Field, Fields, Message } from '../../../src/protocol/schema.ts';

type Struct = Record<string, unknown>;

/** Input for encoding `message` at `version`. */
export function arbitraryOf(message: Message, version: number): fc.Arbitrary<any> {
  return structOf(message.fields, version, version >= message.flexibleSince);
}

function structOf(fields: Fields, version: number, flexible: boolean): fc.Arbitrary<Struct> {
  const carried = Object.entries(fields).filter(([, field]) => carries(field, version, flexible));
  return fc.record(Object.fromEntries(carried.map(([name, field]) => [name, nullableOf(field, version, flexible)])));
}

export function carries(field: Field, version: number, flexible: boolean): boolean {
  return version >= field.since && version <= field.until && (field.tag === null || flexible);
}

function nullableOf(field: Field, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  const value = presentOf(field, version, flexible);
  return version >= field.nullableSince ? fc.option(value, { freq: 3 }) : value;
}

const binary = fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes));

function presentOf(field: Field, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  switch (field.type) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f });
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'uint16':
      return fc.nat(0xffff);
    case 'int32':
      return fc.integer();
    case 'uint32':
      return fc.nat(0xffffffff);
    case 'int64':
      return fc.maxSafeInteger();
    case 'float64':
      return fc.double({ noNaN: true });
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
    case 'string':
      return fc.string({ unit: 'binary', maxLength: 6 });
    case 'bytes':
      return binary;
    case 'records':
      return fc.array(binary, { maxLength: 3 });
    case 'array':
      return fc.array(
        field.fields ? structOf(field.fields, version, flexible) : nullableOf(field.element!, version, flexible),
        { maxLength: 3 },
      );
    case 'struct':
      return structOf(field.fields!, version, flexible);
  }
}

/** What decoding must yield for an input: gathered records in one piece, and the default of all that was left out. */
export function decodedForm(fields: Fields, input: Struct, version: number): Struct {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      name in input ? decodedValue(field, input[name], version) : defaultOf(field, version),
    ]),
  );
}

function decodedValue(field: Field, value: any, version: number): unknown {
  if (value === null) return null;
  if (field.type === 'records') return Buffer.concat(value);
  if (field.type === 'struct') return decodedForm(field.fields!, value, version);
  if (field.type !== 'array') return value;
  return value.map((item: any) =>
    field.fields ? decodedForm(field.fields, item, version) : decodedValue(field.element!, item, version),
  );
}

function defaultOf(field: Field, version: number): unknown {
  if (field.fallback !== undefined) return field.fallback;
  if (version >= field.nullableSince) return null;
  if (field.type === 'struct') return decodedForm(field.fields!, {}, version);
  const zeros: Struct = {
    bool: false,
    string: '',
    uuid: 'A'.repeat(22),
    bytes: Buffer.alloc(0),
    records: Buffer.alloc(0),
    array: [],
  };
  return field.type in zeros ? zeros[field.type] : 0;
}
