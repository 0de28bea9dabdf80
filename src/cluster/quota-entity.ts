/** Whom client quotas hold for, and which there are (KIP-13, KIP-546, KIP-599, KIP-612). Pure. */
import { isIP } from 'node:net';
import { KafkaError } from '../errors.ts';

export const ENTITY_TYPES = ['user', 'client-id', 'ip'] as const;
export type EntityType = (typeof ENTITY_TYPES)[number];

/** Name by type; null is the default of the type. */
export type QuotaEntity = Readonly<Partial<Record<EntityType, string | null>>>;

interface QuotaDefinition {
  readonly of: 'client' | 'ip';
  readonly max: number;
  readonly fractional: boolean;
}

const LONG_MAX = Number('9223372036854775807');

/** Bytes, percent of one event loop, partitions created or deleted, connections: all per second, but for percent. */
export const QUOTAS = {
  producer_byte_rate: { of: 'client', max: LONG_MAX, fractional: false },
  consumer_byte_rate: { of: 'client', max: LONG_MAX, fractional: false },
  request_percentage: { of: 'client', max: Infinity, fractional: true },
  controller_mutation_rate: { of: 'client', max: Infinity, fractional: true },
  connection_creation_rate: { of: 'ip', max: 2_147_483_647, fractional: false },
} as const satisfies Record<string, QuotaDefinition>;

export type QuotaName = keyof typeof QUOTAS;
export type Quotas = Readonly<Partial<Record<QuotaName, number>>>;

const isEntityType = (type: string): type is EntityType => (ENTITY_TYPES as readonly string[]).includes(type);
const refuse = (why: string): KafkaError => new KafkaError('INVALID_REQUEST', why);

/** Throws INVALID_REQUEST as Kafka's controller does. */
export function parseEntity(
  parts: readonly { readonly entityType: string; readonly entityName: string | null }[],
): QuotaEntity {
  const entity: Partial<Record<EntityType, string | null>> = {};
  for (const { entityType, entityName } of parts) {
    if (!isEntityType(entityType)) throw refuse(`Unhandled client quota entity type: ${entityType}`);
    if (entityType in entity) throw refuse(`Invalid client quota entity, duplicate entity entry ${entityType}`);
    if (entityName === '') throw refuse(`Empty ${entityType} not supported`);
    entity[entityType] = entityName;
  }
  if (parts.length === 0) throw refuse('Invalid empty client quota entity');
  if (!('ip' in entity)) return entity;
  if (parts.length > 1) {
    throw refuse('Invalid quota entity combination, IP entity should not be combined with User or ClientId');
  }
  if (entity.ip !== null && isIP(entity.ip!) === 0) throw refuse(`${entity.ip} is not a valid IP address.`);
  return entity;
}

/** Throws INVALID_REQUEST for a quota that the entity cannot have, or a value that it cannot take. */
export function checkQuota(entity: QuotaEntity, name: string, value: number): void {
  const definition: QuotaDefinition | null = Object.hasOwn(QUOTAS, name) ? QUOTAS[name as QuotaName] : null;
  if (definition === null || definition.of !== ('ip' in entity ? 'ip' : 'client')) {
    throw refuse(`Invalid configuration key ${name}`);
  }
  if (!(value > 0)) throw refuse(`Quota ${name} must be greater than 0`);
  if (value > definition.max) throw refuse(`Proposed value for ${name} is too large.`);
  if (!definition.fractional && Math.abs(value % 1) > 1e-6) throw refuse(`${name} cannot be a fractional value.`);
}

/** One text per entity, for keys. */
export const entityKey = (entity: QuotaEntity): string =>
  ENTITY_TYPES.filter((type) => type in entity)
    .map((type) => `${type}=${nameText(entity[type]!)}`)
    .join('/');

/** `<` never comes from a name. */
const DEFAULT = '<default>';
const nameText = (name: string | null): string => (name === null ? DEFAULT : encodeURIComponent(name));

export function entityOfKey(key: string): QuotaEntity {
  const parts = key.split('/').map((part) => {
    const [type, name] = part.split('=') as [EntityType, string];
    return [type, name === DEFAULT ? null : decodeURIComponent(name)] as const;
  });
  return Object.fromEntries(parts);
}

/** In Kafka's order: the first of these that has a quota decides it. */
export const clientEntities = (user: string, clientId: string): readonly QuotaEntity[] => [
  { user, 'client-id': clientId },
  { user, 'client-id': null },
  { user },
  { user: null, 'client-id': clientId },
  { user: null, 'client-id': null },
  { user: null },
  { 'client-id': clientId },
  { 'client-id': null },
];

export interface EntityFilter {
  readonly entityType: string;
  /** 0 exactly `match`, 1 the default, 2 any. */
  readonly matchType: number;
  readonly match: string | null;
}

/** Throws INVALID_REQUEST or UNSUPPORTED_VERSION as Kafka does. */
export function entityMatcher(filters: readonly EntityFilter[], strict: boolean): (entity: QuotaEntity) => boolean {
  for (const { entityType } of filters) checkFilterType(filters, entityType);
  const matches = filters.map(({ entityType, matchType, match }) => {
    const type = entityType as EntityType;
    if (matchType === 0 && match === null)
      throw refuse('Request specified MATCH_TYPE_EXACT, but set match string to null.');
    if (matchType !== 0 && match !== null)
      throw refuse('Request specified a match string, which is for MATCH_TYPE_EXACT.');
    if (matchType < 0 || matchType > 2) throw refuse(`Unknown match type ${matchType}`);
    if (matchType === 2) return (entity: QuotaEntity) => type in entity;
    return (entity: QuotaEntity) => entity[type] === match;
  });
  return (entity) =>
    matches.every((matched) => matched(entity)) && (!strict || Object.keys(entity).length === filters.length);
}

function checkFilterType(filters: readonly EntityFilter[], entityType: string): void {
  if (entityType === '') throw refuse('Invalid empty entity type.');
  if (!isEntityType(entityType)) {
    throw new KafkaError('UNSUPPORTED_VERSION', `Unsupported entity type ${entityType}`);
  }
  if (filters.filter((filter) => filter.entityType === entityType).length > 1) {
    throw refuse(`Entity type ${entityType} cannot appear more than once in the filter.`);
  }
  if (entityType === 'ip' && filters.length > 1) {
    throw refuse('Invalid entity filter component combination: ip goes with neither user nor client-id.');
  }
}
