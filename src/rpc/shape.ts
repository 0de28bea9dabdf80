/**
 * Whether what another broker sent is what it should be. A broker proved that it knows the secret, not that it has no bugs: what is
 * kept of its words must not make this one stumble later. Fields that are not known are those of a later minor.
 */
export type Shape = (value: unknown) => boolean;

export const text: Shape = (value) => typeof value === 'string';
export const flag: Shape = (value) => typeof value === 'boolean';
export const number: Shape = (value) => Number.isFinite(value);

export const integer =
  (min: number, max = Number.MAX_SAFE_INTEGER): Shape =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

export const count: Shape = integer(0);

export const oneOf =
  (...values: readonly unknown[]): Shape =>
  (value) =>
    values.includes(value);

export const either =
  (...shapes: readonly Shape[]): Shape =>
  (value) =>
    shapes.some((shape) => shape(value));

export const listOf =
  (shape: Shape, countMax = Number.POSITIVE_INFINITY): Shape =>
  (value) =>
    Array.isArray(value) && value.length <= countMax && value.every(shape);

/** An array with these places at least. */
export const placesOf =
  (...shapes: readonly Shape[]): Shape =>
  (value) =>
    Array.isArray(value) && shapes.every((shape, place) => shape(value[place]));

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `optional` fields may be missing. */
export const objectOf =
  (fields: Readonly<Record<string, Shape>>, optional: Readonly<Record<string, Shape>> = {}): Shape =>
  (value) =>
    isObject(value) &&
    Object.entries(fields).every(([name, shape]) => Object.hasOwn(value, name) && shape(value[name])) &&
    Object.entries(optional).every(([name, shape]) => value[name] === undefined || shape(value[name]));

/** Whatever its fields are called. */
export const recordOf =
  (name: Shape, shape: Shape): Shape =>
  (value) =>
    isObject(value) && Object.entries(value).every(([key, each]) => name(key) && shape(each));
