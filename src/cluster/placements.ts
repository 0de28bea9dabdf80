/**
 * Which journal keeps the records of an owner: a group or a transactional id. It is chosen when the owner is created, kept
 * in an item of its own and never chosen again while that item stands (design §2), however many journals there will be.
 *
 * Where a journal that this broker leads holds records of the owner, that is the answer and no store is asked.
 *
 * Only who leads a journal creates and releases owners in it, and what it knows of them ends with its leadership. An owner's
 * first record follows a fresh item of the same leadership; what a release deletes was read before the last record went. So
 * however late writes of earlier leaders arrive, an owner with records has an item that names their journal.
 */
import { createHash } from 'node:crypto';
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { OWNER_BYTES_MAX } from '../limits.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { placementKey } from '../storage/keys.ts';
import { ABSENT, type Item, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';

const OPTIONS = { cause: 'placements' } as const;
/** Beyond this the answer that was learned first is asked again. */
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
  readonly journals: Journals;
  readonly runtime: Runtime;
}

export interface Located {
  readonly journal: Journal;
  readonly exists: boolean;
}

export class Placements {
  readonly #options: PlacementsOptions;
  /** Owners of journals that this broker leads. */
  readonly #known = new Map<string, Known>();
  /** What the store said of owners that others coordinate: a hint. */
  readonly #elsewhere = new Map<string, Journal>();
  /** Calls for one owner wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: PlacementsOptions) {
    this.#options = options;
    options.journals.whileLeading((journal) => () => {
      for (const [owner, known] of this.#known) if (known.journal === journal) this.#known.delete(owner);
    });
  }

  /** The journal, when it is known without asking a store, and led by this broker. */
  known(owner: string): Journal | undefined {
    const known = this.#known.get(owner);
    if (known) return known.journal.role === 'leading' ? known.journal : undefined;
    for (const journal of this.#options.journals) {
      if (journal.role !== 'leading' || journal.state.records(owner).size === 0) continue;
      learn(this.#known, owner, { journal, nonce: null });
      return journal;
    }
    return undefined;
  }

  /**
   * The journal that keeps the owner, whoever leads it; or would keep it if it were created now. Throws what the store says,
   * and NOT_COORDINATOR for a journal that this broker has not heard of yet.
   */
  async locate(owner: string): Promise<Located> {
    const known = this.known(owner);
    if (known) return { journal: known, exists: true };
    return this.#inTurn(owner, async () => {
      const item = await this.#options.metadata.get(placementKey(this.#options.clusterId, owner), OPTIONS);
      const journal = this.#journal(item ? journalOf(item) : this.#choose(owner));
      return { journal, exists: item !== null };
    });
  }

  /**
   * As `locate`, but what was answered before will do: for asking who leads it, which tells when it has moved. `mistrust`
   * is to be called then.
   */
  async recall(owner: string): Promise<Journal> {
    const recalled = this.known(owner) ?? this.#elsewhere.get(owner);
    if (recalled) return recalled;
    const { journal } = await this.locate(owner);
    if (journal.role !== 'leading') learn(this.#elsewhere, owner, journal);
    return journal;
  }

  mistrust(owner: string): void {
    this.#elsewhere.delete(owner);
  }

  /**
   * Creates the owner in a journal of this broker, unless it is there. Throws NOT_COORDINATOR when another one leads its journal,
   * INVALID_REQUEST for an owner that is too long. The first record has to be proposed in the turn of the answer.
   */
  async place(owner: string): Promise<Journal> {
    const known = this.known(owner);
    if (known) return known;
    const bytes = Buffer.byteLength(owner);
    if (bytes > OWNER_BYTES_MAX) {
      throw new KafkaError('INVALID_REQUEST', `an id of ${bytes} bytes is too long: at most ${OWNER_BYTES_MAX}`);
    }
    return this.#inTurn(owner, () => this.#put(owner));
  }

  /**
   * To be asked before the owner's last record is removed. What it answers is called after that: the owner may be created
   * anew then, anywhere. It does nothing when the owner was created again meanwhile.
   */
  async releasing(owner: string): Promise<() => Promise<void>> {
    const { clusterId, metadata } = this.#options;
    const key = placementKey(clusterId, owner);
    const nonce = this.#known.get(owner)?.nonce ?? (await metadata.get(key, OPTIONS))?.attributes['nonce'];
    return () =>
      this.#inTurn(owner, async () => {
        const known = this.#known.get(owner);
        if (known && known.journal.state.records(owner).size > 0) return;
        this.#known.delete(owner);
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
    const isElsewhere = this.#options.journals.get(this.#choose(owner))?.role !== 'leading';
    let standing: Item | null = isElsewhere ? await metadata.get(key, OPTIONS) : null;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const journal = this.#lead(standing ? journalOf(standing) : this.#choose(owner));
      const { epoch } = journal;
      const item = { ...key, body: Buffer.alloc(0), attributes: { journal: journal.id, nonce } };
      const condition = standing ? whenEquals({ nonce: standing.attributes['nonce']! }) : ABSENT;
      const outcome = await metadata.put(item, condition, OPTIONS);
      if (outcome.ok || outcome.existing?.attributes['nonce'] === nonce) {
        // A leadership in between may have released it.
        if (this.#lead(journal.id).epoch !== epoch) throw notHere(journal.id);
        learn(this.#known, owner, { journal, nonce });
        return journal;
      }
      standing = outcome.existing;
    }
    throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${owner} is being created by others all the time`);
  }

  #choose(owner: string): number {
    const { count } = this.#options.journals;
    return createHash('sha256').update(owner).digest().readUInt32BE() % Math.max(count, 1);
  }

  #lead(id: number): Journal {
    const journal = this.#journal(id);
    if (journal.role === 'leading') return journal;
    throw notHere(id);
  }

  #journal(id: number): Journal {
    const journal = this.#options.journals.get(id);
    if (journal) return journal;
    throw notHere(id);
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

function learn<T>(known: Map<string, T>, owner: string, what: T): void {
  known.set(owner, what);
  if (known.size <= KNOWN_COUNT_MAX) return;
  const [oldest] = known.keys();
  known.delete(oldest!);
}

const notHere = (id: number): KafkaError =>
  new KafkaError('NOT_COORDINATOR', `this broker does not lead journal ${id}`);

const journalOf = (item: Item): number => Number(item.attributes['journal']);
