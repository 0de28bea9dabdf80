/** What administrators set while brokers run, apart from topics: an image of each kind in memory, items in the store. */
import type { Config } from '../config.ts';
import type { ConfigItemsOptions } from './config-items.ts';
import { Features } from './features.ts';
import { GroupConfigs } from './group-configs.ts';

export interface ClusterConfigsOptions extends ConfigItemsOptions {
  readonly config: Config;
}

export class ClusterConfigs {
  readonly groups: GroupConfigs;
  readonly features: Features;

  constructor(options: ClusterConfigsOptions) {
    this.groups = new GroupConfigs(options);
    this.features = new Features(options);
  }

  /** Reads everything; to be called once, before anything is asked. */
  async recover(): Promise<void> {
    await Promise.all([this.groups.recover(), this.features.recover()]);
  }
}
