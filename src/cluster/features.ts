/**
 * Feature levels of the cluster (KIP-584, KIP-1022): what administrators raise or lower, and clients go by. All levels are
 * one item, so that several change together or not at all; its epoch grows with each change.
 */
import { KafkaError } from '../errors.ts';
import { ConfigItems, type ConfigItemsOptions, type ConfigValues } from './config-items.ts';

export interface Feature {
  readonly min: number;
  readonly max: number;
  /** While nobody has set another one. */
  readonly initial: number;
  /** Why it cannot be changed, in a sentence. */
  readonly fixed?: string;
}

/** Levels are Kafka's. */
export const FEATURES = {
  /** 1: next-generation consumer groups (KIP-848). */
  'group.version': { min: 0, max: 1, initial: 1 },
  /** 29 is 4.2-IV1. Millrace has no records of Kafka's metadata; tools want to know a level. */
  'metadata.version': {
    min: 7,
    max: 29,
    initial: 29,
    fixed: 'metadata.version cannot be changed: this cluster keeps no metadata log whose format it could set',
  },
  /** 1: share groups (KIP-932). */
  'share.version': { min: 0, max: 1, initial: 1 },
  /** 2: the epoch of a producer grows with each transaction (KIP-890). */
  'transaction.version': { min: 0, max: 2, initial: 2 },
} as const satisfies Record<string, Feature>;

export type FeatureName = keyof typeof FEATURES;

export const isFeature = (name: string): name is FeatureName => Object.hasOwn(FEATURES, name);

export interface FeatureUpdate {
  readonly feature: string;
  readonly level: number;
  readonly upgradeType: 'UPGRADE' | 'SAFE_DOWNGRADE' | 'UNSAFE_DOWNGRADE';
}

const ITEM = 'levels';
const EPOCH = 'epoch';

export class Features {
  readonly #items: ConfigItems<number>;
  #levels: ConfigValues<number> = null;

  constructor(options: ConfigItemsOptions) {
    this.#items = new ConfigItems(options, 'f', (name, levels) => {
      if (name === ITEM) this.#levels = levels;
    });
  }

  recover(): Promise<void> {
    return this.#items.recover();
  }

  refresh(name: string): Promise<void> {
    return this.#items.refresh(name);
  }

  level(feature: FeatureName): number {
    return levelIn(this.#levels, feature);
  }

  /** Grows with every change of any level. */
  get epoch(): number {
    return this.#levels?.[EPOCH] ?? 0;
  }

  /** All updates or none. Throws INVALID_UPDATE_VERSION or FEATURE_UPDATE_FAILED with the feature and the way out. */
  async update(updates: readonly FeatureUpdate[], options: { readonly validateOnly?: boolean } = {}): Promise<void> {
    const change = (levels: ConfigValues<number>): ConfigValues<number> => {
      const after: Record<string, number> = { ...levels };
      for (const update of updates) after[update.feature] = checkUpdate(levels, update);
      after[EPOCH] = (levels?.[EPOCH] ?? 0) + 1;
      return after;
    };
    if (options.validateOnly) change(this.#levels);
    else await this.#items.change(ITEM, change);
  }
}

const levelIn = (levels: ConfigValues<number>, feature: FeatureName): number =>
  levels?.[feature] ?? FEATURES[feature].initial;

/** The rules of Kafka's controller. The new level, when it is allowed. */
export function checkUpdate(levels: ConfigValues<number>, { feature, level, upgradeType }: FeatureUpdate): number {
  const refuse = (why: string) => {
    const message = `Invalid update version ${level} for feature ${feature}. ${why}`;
    return new KafkaError('INVALID_UPDATE_VERSION', message);
  };
  if (!isFeature(feature)) throw refuse('This broker does not support the feature.');
  const { min, max, fixed }: Feature = FEATURES[feature];
  if (level < 0) throw refuse('A feature level cannot be less than 0.');
  if (level > max || level < min) throw refuse(`This broker supports versions ${min} to ${max}.`);
  const now = levelIn(levels, feature);
  if (level < now && upgradeType === 'UPGRADE') {
    throw refuse(`Can't downgrade the version of this feature, which is ${now}, without setting the upgrade type.`);
  }
  if (level > now && upgradeType !== 'UPGRADE') {
    throw refuse(`Can't downgrade to a newer version: the feature is at ${now}.`);
  }
  if (level !== now && fixed !== undefined) throw new KafkaError('FEATURE_UPDATE_FAILED', fixed);
  return level;
}
