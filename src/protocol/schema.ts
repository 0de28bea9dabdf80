/**
 * The schema language for Kafka messages. A message is plain data: an ordered record of fields, each with the versions it
 * appears in. TypeScript types are inferred from it and `codec.ts` is the only code that reads or writes its bytes.
 *
 * As in Kafka's own definitions, one object stands for every version of a message: a field that a version does not carry
 * decodes to its default and is left out when encoding. Two types follow from one declaration:
 *
 * - `Infer<typeof M>` is what decoding yields. Every field is there.
 * - `Input<typeof M>` is what encoding takes. A field that some version lacks (`since`, `until`, `tag`) or that declares a
 *   `fallback` may be left out and is then written as its default.
 *
 * Wire order is declaration order; tagged fields may stand anywhere.
 */
declare const decodedType: unique symbol;
declare const inputType: unique symbol;
declare const omissible: unique symbol;

/** int64 is a JS number, uuid a 22-character base64url string, records a view into the frame or a gather list. */
export type Primitive =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records';

export interface Field<Decoded = unknown, Encodable = unknown, MayOmit extends boolean = boolean> {
  readonly type: Primitive | 'array' | 'struct';
  /** First and last version that carries the field. */
  readonly since: number;
  readonly until: number;
  /** First version in which null is allowed; Infinity when never. */
  readonly nullableSince: number;
  /** Set for tagged fields, which only flexible versions carry. */
  readonly tag: number | null;
  /** Undefined: null where null is allowed, else the zero of the type. */
  readonly fallback: unknown;
  /** Of a struct, or of the structs of an array. */
  readonly fields: Fields | null;
  /** Of an array whose elements are not structs. */
  readonly element: Field | null;
  /** Type-level only. */
  readonly [decodedType]?: Decoded;
  readonly [inputType]?: Encodable;
  readonly [omissible]?: MayOmit;
}

export type Fields = { readonly [name: string]: Field };

export interface Message<F extends Fields = Fields> {
  readonly name: string;
  readonly apiKey: number;
  readonly versions: readonly [min: number, max: number];
  /** First version with compact encodings and tagged fields (KIP-482); Infinity when none has them. */
  readonly flexibleSince: number;
  /** First version whose header carries tagged fields, where it differs from `flexibleSince` (ApiVersions responses). */
  readonly headerFlexibleSince?: number;
  readonly fields: F;
}

export type InferFields<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer Decoded, any, any> ? Decoded : never;
};

export type InputFields<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Field<any, any, true> ? never : K]: InputOf<F[K]>;
} & {
  readonly [K in keyof F as F[K] extends Field<any, any, true> ? K : never]?: InputOf<F[K]> | undefined;
};

type InputOf<T> = T extends Field<any, infer Encodable, any> ? Encodable : never;

/** What decoding a message yields. */
export type Infer<M extends Message> = InferFields<M['fields']>;
/** What encoding a message takes. */
export type Input<M extends Message> = InputFields<M['fields']>;

export interface Options {
  readonly since?: number;
  readonly until?: number;
  readonly nullableSince?: number;
  readonly tag?: number;
  readonly fallback?: unknown;
}

type Omissible<O extends Options> = O extends
  | { since: number }
  | { until: number }
  | { tag: number }
  | { fallback: unknown }
  ? true
  : false;
type OrNull<O extends Options, T> = O extends { nullableSince: number } ? T | null : T;
type Plain<O extends Options, T> = Field<OrNull<O, T>, OrNull<O, T>, Omissible<O>>;
type NoOptions = Record<never, never>;

const field = (
  type: Field['type'],
  o: Options = {},
  inside: { readonly fields?: Fields; readonly element?: Field } = {},
): Field<any, any, any> => ({
  type,
  since: o.since ?? 0,
  until: o.until ?? Infinity,
  nullableSince: o.nullableSince ?? Infinity,
  tag: o.tag ?? null,
  fallback: o.fallback,
  fields: inside.fields ?? null,
  element: inside.element ?? null,
});

const plain =
  <T>(type: Primitive) =>
  <const O extends Options = NoOptions>(options?: O): Plain<O, T> =>
    field(type, options);

export const bool = plain<boolean>('bool');
export const int8 = plain<number>('int8');
export const int16 = plain<number>('int16');
export const uint16 = plain<number>('uint16');
export const int32 = plain<number>('int32');
export const uint32 = plain<number>('uint32');
/** Exact up to 2^53; beyond it decodes to the nearest double, and encodes saturating at the ends of int64. */
export const int64 = plain<number>('int64');
export const float64 = plain<number>('float64');
/** 22 characters of base64url, as Kafka prints topic ids. */
export const uuid = plain<string>('uuid');
/** Invalid UTF-8 decodes to U+FFFD, as in Kafka. At most 32,767 bytes. */
export const string = plain<string>('string');
/** Decodes to a copy, which may be kept. */
export const bytes = <const O extends Options = NoOptions>(
  options?: O,
): Field<OrNull<O, Buffer>, OrNull<O, Uint8Array>, Omissible<O>> => field('bytes', options);
/**
 * Record batches, opaque. Decodes to a view into the decoded bytes, valid as long as they are. Encodes from a gather list
 * whose parts reach the wire uncopied.
 */
export const records = <const O extends Options = NoOptions>(
  options?: O,
): Field<OrNull<O, Buffer>, OrNull<O, Uint8Array | readonly Uint8Array[]>, Omissible<O>> => field('records', options);

/** Nested fields. A nullable one is preceded by a byte: -1 for null, 1 otherwise. */
export const struct = <const F extends Fields, const O extends Options = NoOptions>(
  fields: F,
  options?: O,
): Field<OrNull<O, InferFields<F>>, OrNull<O, InputFields<F>>, Omissible<O>> => field('struct', options, { fields });

/** An array of structs. */
export const array = <const F extends Fields, const O extends Options = NoOptions>(
  fields: F,
  options?: O,
): Field<OrNull<O, readonly InferFields<F>[]>, OrNull<O, readonly InputFields<F>[]>, Omissible<O>> =>
  field('array', options, { fields });

/** An array of anything else: `list(int32())`. */
export const list = <Decoded, Encodable, const O extends Options = NoOptions>(
  element: Field<Decoded, Encodable>,
  options?: O,
): Field<OrNull<O, readonly Decoded[]>, OrNull<O, readonly Encodable[]>, Omissible<O>> =>
  field('array', options, { element });

/** Declares a message; the identity, for inference. */
export const message = <const F extends Fields>(definition: Message<F>): Message<F> => definition;
