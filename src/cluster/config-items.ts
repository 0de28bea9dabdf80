/**
 * Small things that administrators change while brokers run (configurations of groups and brokers, quotas, features): one
 * item per name in the metadata store, and all of a kind in memory. Reading is synchronous and answers from memory.
 *
 * A change is a pure function from what stands in the store to what shall stand there. It is run again when somebody else
 * was faster. Every write carries a nonce of its own, and conditions compare it: a write whose answer was lost is known
 * again, and one that was delayed in the network changes nothing that came after it.
 */
import { KafkaError, StorageCorruptError } from '../errors.ts';
import { CONFIG_ITEMS_PER_KIND_MAX, CONFIG_NAME_BYTES_MAX } from '../limits.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type ConfigKind, configKey, configsPartitionKey, configsRange, justAfter } from '../storage/keys.ts';
import { ABSENT, type Item, type MetadataStore, type WriteOutcome, whenEquals } from '../storage/metadata-store.ts';

const OPTIONS = { cause: 'configs' } as const;
const PAGE_COUNT = 500;
const ATTEMPTS_MAX = 16;
/** Raised when a field changes its meaning. */
const FORMAT = 1;

/** Values by name; null has no item. */
export type ConfigValues<V extends string | number> = Readonly<Record<string, V>> | null;

export interface ConfigItemsOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly runtime: Runtime;
  /** Tells other brokers that an item changed, and waits for them for a moment. Never rejects. */
  readonly announce?: (item: ConfigItemName) => Promise<void>;
}

/** `<kind>/<name>`. */
export type ConfigItemName = `${ConfigKind}/${string}`;

export class ConfigItems<V extends string | number> {
  readonly #options: ConfigItemsOptions;
  readonly #kind: ConfigKind;
  readonly #changed: (name: string, values: ConfigValues<V>) => void;
  readonly #image = new Map<string, Readonly<Record<string, V>>>();
  /** Changes of one name wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** For each reading of everything under way, the names that were shown since it began: it shows nothing older. */
  readonly #readings = new Set<Set<string>>();

  /** `changed` is told of every item that appears, changes or goes, those read at start included. */
  constructor(options: ConfigItemsOptions, kind: ConfigKind, changed: (name: string, values: ConfigValues<V>) => void) {
    this.#options = options;
    this.#kind = kind;
    this.#changed = changed;
  }

  /** Reads all of the kind: at start, and when other brokers changed something and it is not known what. */
  async recover(): Promise<void> {
    const { from, to } = configsRange(this.#kind);
    const partitionKey = configsPartitionKey(this.#options.clusterId);
    const missing = new Set(this.#image.keys());
    const shown = new Set<string>();
    this.#readings.add(shown);
    try {
      for (let next = from; ; ) {
        const page = await this.#options.metadata.query({ partitionKey, from: next, to, limit: PAGE_COUNT }, OPTIONS);
        for (const item of page.items) {
          const name = item.sortKey.slice(from.length);
          missing.delete(name);
          if (!shown.has(name)) this.#show(name, decode(item));
        }
        if (!page.more) break;
        next = justAfter(page.items.at(-1)!.sortKey);
      }
      for (const name of missing) if (!shown.has(name)) this.#show(name, null);
    } finally {
      this.#readings.delete(shown);
    }
  }

  /** Shows an item as the store has it: another broker changed it. */
  async refresh(name: string): Promise<void> {
    await this.#inTurn(name, async () => {
      const item = await this.#options.metadata.get(this.#key(name), OPTIONS);
      this.#show(name, item && decode<V>(item));
    });
  }

  get(name: string): ConfigValues<V> {
    return this.#image.get(name) ?? null;
  }

  get size(): number {
    return this.#image.size;
  }

  entries(): IterableIterator<[name: string, values: Readonly<Record<string, V>>]> {
    return this.#image.entries();
  }

  /** What `change` throws is thrown, and nothing is changed. Empty values are the same as none. */
  async change(name: string, change: (values: ConfigValues<V>) => ConfigValues<V>): Promise<ConfigValues<V>> {
    if (Buffer.byteLength(name) > CONFIG_NAME_BYTES_MAX) {
      throw new KafkaError('INVALID_REQUEST', `a name of more than ${CONFIG_NAME_BYTES_MAX} bytes is too long`);
    }
    const after = await this.#inTurn(name, async () => {
      let standing = await this.#options.metadata.get(this.#key(name), OPTIONS);
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const before = standing && decode<V>(standing);
        const wanted = change(before);
        const after = wanted !== null && Object.keys(wanted).length === 0 ? null : wanted;
        const written = await this.#replace(name, standing, before, after);
        if (written === 'written') return this.#show(name, after);
        standing = written;
      }
      throw new KafkaError('INVALID_UPDATE_VERSION', `${name} is being changed by others all the time; try again`);
    });
    await this.#options.announce?.(`${this.#kind}/${name}`);
    return after;
  }

  async #replace(
    name: string,
    standing: Item | null,
    before: ConfigValues<V>,
    after: ConfigValues<V>,
  ): Promise<'written' | Item | null> {
    const { metadata, runtime } = this.#options;
    if (standing === null && after === null) return 'written';
    if (before === null && this.#image.size >= CONFIG_ITEMS_PER_KIND_MAX) {
      throw new KafkaError('POLICY_VIOLATION', `there are ${CONFIG_ITEMS_PER_KIND_MAX} already; delete some first`);
    }
    const nonce = randomHex(runtime.random, 8);
    const condition = standing === null ? ABSENT : whenEquals({ nonce: standing.attributes['nonce']! });
    const outcome: WriteOutcome =
      after === null
        ? await metadata.delete(this.#key(name), condition, OPTIONS)
        : await metadata.put({ ...this.#key(name), ...encode(after), attributes: { nonce } }, condition, OPTIONS);
    if (outcome.ok || outcome.existing?.attributes['nonce'] === nonce) return 'written';
    return outcome.existing;
  }

  #key(name: string) {
    return configKey(this.#options.clusterId, this.#kind, name);
  }

  #show(name: string, values: ConfigValues<V>): ConfigValues<V> {
    for (const shown of this.#readings) shown.add(name);
    const before = this.#image.get(name) ?? null;
    if (JSON.stringify(before) === JSON.stringify(values)) return before;
    if (values === null) this.#image.delete(name);
    else this.#image.set(name, values);
    this.#changed(name, values);
    return values;
  }

  async #inTurn<T>(name: string, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(act, act);
    this.#turns.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    }
  }
}

const encode = (values: Readonly<Record<string, string | number>>) => ({
  body: Buffer.from(JSON.stringify({ format: FORMAT, values })),
});

function decode<V extends string | number>(item: Item): Readonly<Record<string, V>> {
  const where = `config item ${item.partitionKey} ${item.sortKey}`;
  let body: { format?: unknown; values?: unknown };
  try {
    body = JSON.parse(Buffer.from(item.body).toString());
  } catch (cause) {
    throw new StorageCorruptError(`${where} is not JSON`, { cause });
  }
  if (body.format === FORMAT) return body.values as Readonly<Record<string, V>>;
  throw new StorageCorruptError(`${where} has format ${body.format}, this broker knows ${FORMAT}`);
}
