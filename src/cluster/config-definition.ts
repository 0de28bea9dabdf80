/**
 * What a configuration is, whoever has it (topics, brokers, groups): its type, default, bounds and documentation, and how
 * values are checked and altered. The tables stand in topic-config.ts, group-config.ts and broker-config.ts.
 */
import { KafkaError } from '../errors.ts';
import type { ConfigAlteration } from './topics.ts';

export type ConfigType = 'BOOLEAN' | 'STRING' | 'INT' | 'LONG' | 'DOUBLE' | 'LIST';

export interface ConfigDefinition {
  readonly type: ConfigType;
  readonly default: string;
  readonly doc: string;
  readonly min?: number;
  readonly max?: number;
  /** Allowed values, or allowed elements of a list. */
  readonly values?: readonly string[];
  /** Allowed are also the texts that this matches; `form` says in words which those are. */
  readonly pattern?: RegExp;
  readonly form?: string;
  /** Broker setting that gives the default, as Kafka names it in synonyms. */
  readonly synonym?: string;
}

/** The configurations of one kind of resource. */
export interface ConfigFamily {
  /** As Kafka's messages name it. */
  readonly kind: 'topic' | 'group' | 'broker';
  readonly definitions: Readonly<Record<string, ConfigDefinition>>;
}

/** Values by name: only those that were set. */
export type Overrides = Readonly<Record<string, string>>;

export const LONG_MAX = Number('9223372036854775807');
const INT_MAX = 2_147_483_647;

/** Throws INVALID_CONFIG when there is no configuration of that name. */
export function definitionOf({ kind, definitions }: ConfigFamily, name: string): ConfigDefinition {
  if (Object.hasOwn(definitions, name)) return definitions[name]!;
  throw new KafkaError('INVALID_CONFIG', `Unknown ${kind} config name: ${name}`);
}

/** INVALID_CONFIG as Kafka words it. */
export const invalidConfig = (name: string, value: string, why: string): KafkaError =>
  new KafkaError('INVALID_CONFIG', `Invalid value ${value} for configuration ${name}: ${why}`);

/** Throws INVALID_CONFIG with the name, the value and the limit. Returns the value as it is stored. */
export function checkConfig(family: ConfigFamily, name: string, value: string): string {
  const definition = definitionOf(family, name);
  const { type } = definition;
  const text = value.trim();
  const invalid = (why: string) => invalidConfig(name, value, why);
  switch (type) {
    case 'BOOLEAN':
      if (!/^(true|false)$/i.test(text)) throw invalid('Expected value to be either true or false');
      return text.toLowerCase();
    case 'INT':
    case 'LONG': {
      const typeMax = type === 'INT' ? INT_MAX : LONG_MAX;
      if (!/^[-+]?\d+$/.test(text) || Math.abs(Number(text)) > typeMax) throw invalid(`Not a number of type ${type}`);
      checkBounds(Number(text), definition, invalid);
      return text.replace(/^\+/, '');
    }
    case 'DOUBLE': {
      const number = Number(text);
      if (text === '' || !Number.isFinite(number)) throw invalid('Not a number of type DOUBLE');
      checkBounds(number, definition, invalid);
      return text;
    }
    case 'LIST': {
      const elements = [...new Set(elementsOf(text))];
      checkValues(elements, definition, invalid);
      return elements.join(',');
    }
    case 'STRING':
      checkValues([text], definition, invalid);
      return text;
  }
}

function checkBounds(number: number, { min, max }: ConfigDefinition, invalid: (why: string) => Error): void {
  if (min !== undefined && number < min) throw invalid(`Value must be at least ${min}`);
  if (max !== undefined && number > max) throw invalid(`Value must be no more than ${max}`);
}

function checkValues(
  given: readonly string[],
  { values, pattern, form }: ConfigDefinition,
  invalid: (why: string) => Error,
): void {
  if (!values && !pattern) return;
  if (given.every((value) => values?.includes(value) || pattern?.test(value))) return;
  throw invalid(`String must be one of: ${[...(values ?? []), ...(form ? [form] : [])].join(', ')}`);
}

/** Applies alterations in order (KIP-339): APPEND and SUBTRACT work on lists only. Throws INVALID_CONFIG. */
export function alterOverrides(
  family: ConfigFamily,
  overrides: Overrides,
  defaults: Overrides,
  alterations: readonly ConfigAlteration[],
): Overrides {
  const altered: Record<string, string> = { ...overrides };
  for (const alteration of alterations) {
    const { name } = alteration;
    const definition = definitionOf(family, name);
    if (alteration.operation === 'DELETE') {
      delete altered[name];
    } else if (alteration.operation === 'SET') {
      altered[name] = checkConfig(family, name, alteration.value);
    } else if (definition.type !== 'LIST') {
      throw new KafkaError('INVALID_CONFIG', `${alteration.operation} is not allowed for ${name}, which is not a list`);
    } else {
      const given = elementsOf(alteration.value);
      const present = elementsOf(altered[name] ?? defaults[name] ?? definition.default);
      const elements =
        alteration.operation === 'APPEND'
          ? [...present, ...given]
          : present.filter((element) => !given.includes(element));
      altered[name] = checkConfig(family, name, elements.join(','));
    }
  }
  return altered;
}

const elementsOf = (list: string): string[] =>
  list
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');
