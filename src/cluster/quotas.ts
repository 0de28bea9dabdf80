/** Client quotas: an item per entity that has any, all of them in memory. `broker/quotas/` enforces them. */
import { KafkaError } from '../errors.ts';
import { ConfigItems, type ConfigItemsOptions, type ConfigValues } from './config-items.ts';
import { checkQuota, entityKey, entityOfKey, type QuotaEntity, type QuotaName, type Quotas } from './quota-entity.ts';

export interface QuotaOperation {
  readonly name: string;
  /** Null removes it. */
  readonly value: number | null;
}

export class ClientQuotas {
  readonly #items: ConfigItems<number>;
  /** Grows with each change: what was derived from an older one is stale. */
  #version = 0;

  constructor(options: ConfigItemsOptions) {
    this.#items = new ConfigItems(options, 'q', () => {
      this.#version++;
    });
  }

  recover(): Promise<void> {
    return this.#items.recover();
  }

  refresh(name: string): Promise<void> {
    return this.#items.refresh(name);
  }

  get version(): number {
    return this.#version;
  }

  get empty(): boolean {
    return this.#items.size === 0;
  }

  /** The first of the entities that has the quota, and its value. */
  find(
    entities: readonly QuotaEntity[],
    name: QuotaName,
  ): { readonly entity: QuotaEntity; readonly value: number } | null {
    for (const entity of entities) {
      const value = this.#items.get(entityKey(entity))?.[name];
      if (value !== undefined) return { entity, value };
    }
    return null;
  }

  *entries(): Iterable<readonly [entity: QuotaEntity, quotas: Quotas]> {
    for (const [key, quotas] of this.#items.entries()) yield [entityOfKey(key), quotas];
  }

  /** All operations or none. Throws INVALID_REQUEST. Durable when it resolves. */
  async alter(
    entity: QuotaEntity,
    operations: readonly QuotaOperation[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const names = new Set<string>();
    for (const { name, value } of operations) {
      if (names.has(name)) throw new KafkaError('INVALID_REQUEST', `Duplicate quota key ${name}`);
      names.add(name);
      if (value !== null) checkQuota(entity, name, value);
    }
    if (options.validateOnly) return;
    await this.#items.change(entityKey(entity), (quotas) => apply(quotas, operations));
  }
}

function apply(quotas: ConfigValues<number>, operations: readonly QuotaOperation[]): ConfigValues<number> {
  const after: Record<string, number> = { ...quotas };
  for (const { name, value } of operations) {
    if (value === null) delete after[name];
    else after[name] = value;
  }
  return after;
}
