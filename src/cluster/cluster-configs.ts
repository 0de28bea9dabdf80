/** What administrators set while brokers run, apart from topics: an image of each kind in memory, items in the store. */
import type { Config } from '../config.ts';
import { BrokerConfigs } from './broker-configs.ts';
import type { ConfigItemsOptions } from './config-items.ts';
import { Features } from './features.ts';
import { GroupConfigs } from './group-configs.ts';
import { ClientQuotas } from './quotas.ts';

export interface ClusterConfigsOptions extends ConfigItemsOptions {
  readonly config: Config;
}

export class ClusterConfigs {
  readonly brokers: BrokerConfigs;
  readonly groups: GroupConfigs;
  readonly features: Features;
  readonly quotas: ClientQuotas;

  constructor(options: ClusterConfigsOptions) {
    this.brokers = new BrokerConfigs(options);
    this.groups = new GroupConfigs(options);
    this.features = new Features(options);
    this.quotas = new ClientQuotas(options);
  }

  /** Reads everything: before anything is asked, and when others changed something and it is not known what. */
  async recover(): Promise<void> {
    await Promise.all([this.brokers.recover(), this.groups.recover(), this.features.recover(), this.quotas.recover()]);
  }

  refreshAll(): Promise<void> {
    return this.recover();
  }

  /** Shows an item as the store has it: another broker changed it. */
  async refresh(item: string): Promise<void> {
    const name = item.slice(2);
    switch (item.slice(0, 2)) {
      case 'b/':
        return this.brokers.refresh(name);
      case 'f/':
        return this.features.refresh(name);
      case 'g/':
        return this.groups.refresh(name);
      case 'q/':
        return this.quotas.refresh(name);
    }
  }
}
