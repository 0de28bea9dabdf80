/**
 * Configurations of brokers that were changed while they ran: an item for each broker, and one, named '', for all of them.
 * Nearest wins: what was set for this broker, for all brokers, by its settings, Kafka's default.
 */
import type { Config } from '../config.ts';
import { alterBrokerOverrides, staticValues, topicDefaultsOf } from './broker-config.ts';
import type { Overrides } from './config-definition.ts';
import { ConfigItems, type ConfigItemsOptions } from './config-items.ts';
import type { ConfigAlteration } from './topics.ts';

export interface BrokerConfigsOptions extends ConfigItemsOptions {
  readonly config: Config;
}

export interface ConfigLayer {
  readonly from: 'broker' | 'allBrokers' | 'static';
  readonly values: Overrides;
}

const ALL_BROKERS = '';
const NONE: Overrides = {};

export class BrokerConfigs {
  readonly #name: string;
  readonly #static: Overrides;
  readonly #items: ConfigItems<string>;
  #topicDefaults: Overrides;
  #onTopicDefaults: ((defaults: Overrides) => void) | null = null;

  constructor(options: BrokerConfigsOptions) {
    this.#name = String(options.config['broker.id']);
    this.#static = staticValues(options.config);
    this.#topicDefaults = topicDefaultsOf(this.#static);
    this.#items = new ConfigItems(options, 'b', (name) => {
      if (name === ALL_BROKERS || name === this.#name) this.#resolve();
    });
  }

  recover(): Promise<void> {
    return this.#items.recover();
  }

  refresh(name: string): Promise<void> {
    return this.#items.refresh(name);
  }

  /** Effective defaults of topic configurations, by topic-config name; only those that differ from Kafka's may be there. */
  get topicDefaults(): Overrides {
    return this.#topicDefaults;
  }

  /** Tells whoever keeps effective configurations of topics when their defaults change. */
  onTopicDefaults(changed: (defaults: Overrides) => void): void {
    this.#onTopicDefaults = changed;
  }

  /** Set for the broker of that id, or for all brokers: ''. */
  overridesOf(name: string): Overrides {
    return this.#items.get(name) ?? NONE;
  }

  /** Where each value would come from, nearest first; for another broker than this one without its settings. */
  layersOf(name: string = this.#name): readonly ConfigLayer[] {
    const changed: ConfigLayer[] = [
      { from: 'broker', values: this.overridesOf(name) },
      { from: 'allBrokers', values: this.overridesOf(ALL_BROKERS) },
    ];
    return name === this.#name ? [...changed, { from: 'static', values: this.#static }] : changed;
  }

  /** Brokers that something was set for; '' stands for all of them. */
  *names(): Iterable<string> {
    for (const [name] of this.#items.entries()) yield name;
  }

  /** Throws INVALID_REQUEST for what cannot be changed while a broker runs, INVALID_CONFIG. Durable when it resolves. */
  async alter(
    name: string,
    alterations: (overrides: Overrides) => readonly ConfigAlteration[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const below = name === ALL_BROKERS ? this.#static : { ...this.#static, ...this.overridesOf(ALL_BROKERS) };
    const change = (overrides: Overrides | null) =>
      alterBrokerOverrides(overrides ?? NONE, below, alterations(overrides ?? NONE));
    if (options.validateOnly) change(this.overridesOf(name));
    else await this.#items.change(name, change);
  }

  #resolve(): void {
    const values = { ...this.#static, ...this.overridesOf(ALL_BROKERS), ...this.overridesOf(this.#name) };
    this.#topicDefaults = topicDefaultsOf(values);
    this.#onTopicDefaults?.(this.#topicDefaults);
  }
}
