/**
 * Which journal keeps the records of an owner: a group or a transactional id. It is chosen when the owner is created, kept
 * in an item of its own and never chosen again while that item stands (design §2), however many journals there will be.
 *
 * Where a journal that this broker leads holds records of the owner, that is the answer and no store is asked.
 */
import { createHash } from 'node:crypto';
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { OWNER_BYTES_MAX } from '../limits.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { placementKey } from '../storage/keys.ts';
import { ABSENT, type Item, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';

const OPTIONS = { cause: 'placements' } as const;
/** Beyond this the answer that was not used for longest is asked again. */
const KNOWN_COUNT_MAX = 100_000;
const ATTEMPTS_MAX = 16;

interface Known {
  readonly journal: Journal;
  /** Of the item that we wrote; null when the records told. */
  readonly nonce: string | null;
}

export interface PlacementsOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly journals: readonly Journal[];
  readonly runtime: Runtime;
}

export class Placements {
  readonly #options: PlacementsOptions;
  readonly #journals: ReadonlyMap<number, Journal>;
  readonly #known = new Map<string, Known>();
  /** Calls for one owner wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: PlacementsOptions) {
    this.#options = options;
    this.#journals = new Map(options.journals.map((journal) => [journal.id, journal]));
  }

  /** The journal, when it is known without asking a store, and led by this broker. */
  known(owner: string): Journal | undefined {
    const known = this.#known.get(owner);
    if (known) return known.journal.role === 'leading' ? known.journal : undefined;
    for (const journal of this.#journals.values()) {
      if (journal.role !== 'leading' || journal.state.records(owner).size === 0) continue;
      this.#learn(owner, { journal, nonce: null });
      return journal;
    }
    return undefined;
  }

  /**
   * Undefined when nobody created the owner. Throws NOT_COORDINATOR when another broker leads its journal, and what the
   * store says.
   */
  async find(owner: string): Promise<Journal | undefined> {
    const known = this.known(owner);
    if (known) return known;
    return this.#inTurn(owner, async () => {
      const item = await this.#options.metadata.get(placementKey(this.#options.clusterId, owner), OPTIONS);
      return item ? this.#lead(journalOf(item)) : undefined;
    });
  }

  /** As `find`, and creates it. Throws INVALID_REQUEST for an owner that is too long. */
  async place(owner: string): Promise<Journal> {
    const known = this.known(owner);
    if (known) return known;
    const bytes = Buffer.byteLength(owner);
    if (bytes > OWNER_BYTES_MAX) {
      throw new KafkaError('INVALID_REQUEST', `an id of ${bytes} bytes is too long: at most ${OWNER_BYTES_MAX}`);
    }
    return this.#inTurn(owner, () => this.#put(owner));
  }

  /** The owner's last record is gone: it may be created anew, anywhere. Does nothing when it was created again meanwhile. */
  async release(owner: string): Promise<void> {
    await this.#inTurn(owner, async () => {
      const { clusterId, metadata } = this.#options;
      const known = this.#known.get(owner);
      if (known && known.journal.state.records(owner).size > 0) return;
      this.#known.delete(owner);
      const key = placementKey(clusterId, owner);
      const nonce = known?.nonce ?? (await metadata.get(key, OPTIONS))?.attributes['nonce'];
      if (nonce !== undefined) await metadata.delete(key, whenEquals({ nonce }), OPTIONS);
    });
  }

  /** A new nonce each time, so that the delayed release of an earlier life removes nothing. */
  async #put(owner: string): Promise<Journal> {
    const known = this.known(owner);
    if (known) return known;
    const { clusterId, metadata, runtime } = this.#options;
    const key = placementKey(clusterId, owner);
    const nonce = randomHex(runtime.random, 8);
    let standing: Item | null = null;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const journal = standing ? journalOf(standing) : this.#choose(owner);
      const leading = this.#lead(journal);
      const item = { ...key, body: Buffer.alloc(0), attributes: { journal, nonce } };
      const condition = standing ? whenEquals({ nonce: standing.attributes['nonce']! }) : ABSENT;
      const outcome = await metadata.put(item, condition, OPTIONS);
      if (outcome.ok || outcome.existing?.attributes['nonce'] === nonce) {
        this.#learn(owner, { journal: leading, nonce });
        return leading;
      }
      standing = outcome.existing;
    }
    throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${owner} is being created by others all the time`);
  }

  #choose(owner: string): number {
    const ids = [...this.#journals.keys()];
    return ids[createHash('sha256').update(owner).digest().readUInt32BE() % ids.length]!;
  }

  #lead(id: number): Journal {
    const journal = this.#journals.get(id);
    if (journal?.role === 'leading') return journal;
    throw new KafkaError('NOT_COORDINATOR', `this broker does not lead journal ${id}`);
  }

  #learn(owner: string, known: Known): void {
    this.#known.set(owner, known);
    if (this.#known.size <= KNOWN_COUNT_MAX) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }

  async #inTurn<T>(owner: string, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(owner) ?? Promise.resolve();
    const turn = before.then(act, act);
    this.#turns.set(owner, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(owner) === turn) this.#turns.delete(owner);
    }
  }
}

const journalOf = (item: Item): number => Number(item.attributes['journal']);
