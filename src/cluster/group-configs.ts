/** Configurations of groups: an item per group that sets any, effective values of all of them in memory. */
import type { Config } from '../config.ts';
import type { Overrides } from './config-definition.ts';
import { ConfigItems, type ConfigItemsOptions } from './config-items.ts';
import { alterGroupOverrides, type GroupConfig, resolveGroupConfig } from './group-config.ts';
import type { ConfigAlteration } from './topics.ts';

export interface GroupConfigsOptions extends ConfigItemsOptions {
  readonly config: Config;
}

const NONE: Overrides = {};

export class GroupConfigs {
  readonly #config: Config;
  readonly #items: ConfigItems<string>;
  readonly #resolved = new Map<string, GroupConfig>();
  readonly #default: GroupConfig;

  constructor(options: GroupConfigsOptions) {
    this.#config = options.config;
    this.#default = resolveGroupConfig(options.config, NONE);
    this.#items = new ConfigItems(options, 'g', (groupId, overrides) => {
      if (overrides === null) this.#resolved.delete(groupId);
      else this.#resolved.set(groupId, resolveGroupConfig(this.#config, overrides));
    });
  }

  recover(): Promise<void> {
    return this.#items.recover();
  }

  refresh(name: string): Promise<void> {
    return this.#items.refresh(name);
  }

  /** What holds for this group now; groups need not exist. An alteration shows in the next call. */
  of(groupId: string): GroupConfig {
    return this.#resolved.get(groupId) ?? this.#default;
  }

  /** Only what was set for the group. */
  overridesOf(groupId: string): Overrides {
    return this.#items.get(groupId) ?? NONE;
  }

  /** Groups that set anything. */
  *groupIds(): Iterable<string> {
    for (const [groupId] of this.#items.entries()) yield groupId;
  }

  /** Throws INVALID_CONFIG. Durable when it resolves. */
  async alter(
    groupId: string,
    alterations: (overrides: Overrides) => readonly ConfigAlteration[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const change = (overrides: Overrides | null) =>
      alterGroupOverrides(this.#config, overrides ?? NONE, alterations(overrides ?? NONE));
    if (options.validateOnly) change(this.overridesOf(groupId));
    else await this.#items.change(groupId, change);
  }
}
