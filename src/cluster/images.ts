/**
 * Keeps what every broker has in memory of the table (topics, configurations) as the table has it. Who changes an item writes it,
 * then lets the version of its kind grow, then tells all brokers which items to read again, and waits a moment for their answers.
 * A broker that missed the call sees the version in the next ping or heartbeat, and reads the whole kind.
 *
 *   change ─► item ─► version + 1 ─► call to every broker: "read these" ─► answers, a second at most ─► the client's answer
 *
 * A broker that dies between the first two told nobody: the others read everything when they see it go. When the version cannot be
 * written brokers are told without one, and it is written later, for those that could not be called meanwhile.
 *
 * Who writes down what a name means here asks `current` before. Any change that was answered is shown then: whoever made it waited
 * for this broker's answer, or longer than this broker believes the last word of others before it asks the table.
 */

import { StorageUnavailableError } from '../errors.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';
import { sleep, type TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { imageKey } from '../storage/keys.ts';
import { ABSENT, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { IMAGE_KINDS, type ImageKind, type ImageVersions } from './cluster-items.ts';
import { IMAGE_CHANGED, type ImageChange } from './membership-methods.ts';
import { within } from './within.ts';

const OPTIONS = { cause: 'membership' } as const;
/** A broker that does not answer by then sees the change in the next ping, or knows that none was answered for `HEARD_MS`. */
const TELL_MS = 1_000;
/** Longer than pings take to be answered, and enough less than `TELL_MS` for clocks that do not go at the same pace. */
const HEARD_MS = 900;
/** A version that grew is mostly followed by the call that tells why. */
const CATCH_UP_MS = 300;
const CATCH_UP_MS_MAX = 10_000;
/** A version that could not be written is tried again after this; until it is written a broker that cannot be called misses the change. */
const UNTOLD_MS = 5_000;
const ATTEMPTS_MAX = 16;
/** Names told in one call; more are told as "everything". */
const NAMES_MAX = 1_000;

/** What has an image of one kind. */
export interface Image {
  /** Shows one item as the table has it. */
  refresh(name: string): Promise<unknown>;
  /** Shows all of them as the table has them. */
  refreshAll(): Promise<void>;
}

export interface ImagesOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly runtime: Runtime;
  readonly peers: Peers;
  readonly registry: RpcRegistry;
  /** Brokers that can be called. */
  readonly connected: () => readonly number[];
  /** Whether some cannot be called that may be at work. */
  readonly missesSome: () => boolean;
  /** Whether all that may be at work told of their changes within the last milliseconds. */
  readonly heardAll: (withinMs: number) => boolean;
}

interface Kept {
  image: Image | null;
  /** The image shows everything up to this version. */
  shown: number;
  /** The latest version heard of. */
  latest: number;
  reading: Promise<void> | null;
  /** The reading after that one. */
  next: Promise<void> | null;
  /** The version in the table is being asked for, and is asked for once more after that. */
  asking: Promise<void> | null;
  askingNext: Promise<void> | null;
  /** Changes that no version was written for yet. */
  readonly untold: Set<string>;
  /** Changes are being told of; those that come meanwhile are told of together after that. */
  telling: Promise<void> | null;
  tellingNext: Promise<void> | null;
  /** When they are told of again. */
  retry: TimerHandle | null;
  timer: TimerHandle | null;
  failures: number;
}

export class Images {
  readonly #options: ImagesOptions;
  readonly #kinds: Readonly<Record<ImageKind, Kept>>;
  #stopped = false;

  constructor(options: ImagesOptions) {
    this.#options = options;
    const kept = (): Kept => ({
      image: null,
      shown: 0,
      latest: 0,
      reading: null,
      next: null,
      asking: null,
      askingNext: null,
      untold: new Set(),
      telling: null,
      tellingNext: null,
      retry: null,
      timer: null,
      failures: 0,
    });
    this.#kinds = { topics: kept(), configs: kept() };
    options.registry.handle(IMAGE_CHANGED, async (change) => {
      await this.#told(change);
      return null;
    });
  }

  /** Reads everything, and keeps it as the table has it from then on. Throws what the store says. */
  async open(kind: ImageKind, image: Image): Promise<void> {
    const { clusterId, metadata } = this.#options;
    const kept = this.#kinds[kind];
    const item = await metadata.get(imageKey(clusterId, kind), OPTIONS);
    const version = Math.max(kept.latest, Number(item?.attributes['version'] ?? 0));
    kept.latest = version;
    await image.refreshAll();
    kept.image = image;
    kept.shown = version;
    this.#catchUpSoon(kind);
  }

  /** The latest versions that this broker knows of. */
  versions(): ImageVersions {
    return { topics: this.#kinds.topics.latest, configs: this.#kinds.configs.latest };
  }

  /** Versions that the table or another broker has. */
  seen(versions: ImageVersions): void {
    for (const kind of IMAGE_KINDS) {
      const kept = this.#kinds[kind];
      if (versions[kind] > kept.latest) kept.latest = versions[kind];
      this.#catchUpSoon(kind);
    }
  }

  /**
   * Null when the image shows every change that was answered; else resolves when it does, in order of the calls. Without a request
   * as long as all brokers are heard. Throws StorageUnavailableError when that cannot be known.
   */
  current(kind: ImageKind): Promise<void> | null {
    const kept = this.#kinds[kind];
    if (kept.asking === null && kept.askingNext === null) {
      if (kept.shown >= kept.latest && this.#options.heardAll(HEARD_MS)) return null;
      kept.asking = this.#ask(kind, kept);
      return kept.asking;
    }
    // What the question under way is told may be older than this call.
    kept.askingNext ??= kept.asking!.then(ignore, ignore).then(() => {
      kept.askingNext = null;
      kept.asking = this.#ask(kind, kept);
      return kept.asking;
    });
    return kept.askingNext;
  }

  /** A broker went without a word: what it changed last it may have told nobody. */
  doubt(): void {
    for (const kind of IMAGE_KINDS) if (this.#kinds[kind].image !== null) void this.#readAll(kind);
  }

  /**
   * After items were changed. Never rejects: whoever is not told sees the version. Changes at the same time share a version, and a
   * call to each broker.
   */
  announce(kind: ImageKind, names: readonly string[]): Promise<void> {
    const kept = this.#kinds[kind];
    for (const name of names) kept.untold.add(name);
    if (kept.telling === null && kept.tellingNext === null) return this.#announceAll(kind, kept);
    kept.tellingNext ??= kept.telling!.then(() => {
      kept.tellingNext = null;
      return this.#announceAll(kind, kept);
    });
    return kept.tellingNext;
  }

  async #announceAll(kind: ImageKind, kept: Kept): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    kept.telling = promise;
    const onCalled = () => {
      if (kept.telling === promise) kept.telling = null;
      resolve();
    };
    try {
      const told = [...kept.untold];
      if (told.length === 0) return;
      kept.untold.clear();
      const version = await this.#grow(kind);
      if (this.#stopped) return;
      if (version === null) {
        for (const name of told) kept.untold.add(name);
        this.#announceLater(kind, kept);
      }
      const versions =
        version === null ? { before: kept.latest, version: kept.latest } : { before: version - 1, version };
      await this.#tell({ kind, ...versions, names: told.length > NAMES_MAX ? [] : told }, onCalled);
    } finally {
      onCalled();
    }
  }

  #announceLater(kind: ImageKind, kept: Kept): void {
    kept.retry ??= this.#options.runtime.timers.after(UNTOLD_MS, () => {
      kept.retry = null;
      if (kept.untold.size > 0 && !this.#stopped) void this.announce(kind, []);
    });
  }

  /** Resolves when all know of it, or those who do not have gone without a ping for long enough to know that. */
  async #tell(change: ImageChange, onCalled: () => void): Promise<void> {
    const { peers, connected, missesSome, runtime } = this.#options;
    const until = runtime.clock.monotonic() + TELL_MS;
    const calls = connected().map((id) => peers.call(id, IMAGE_CHANGED, change, { timeoutMs: TELL_MS }));
    const outcomes = await Promise.allSettled(calls);
    onCalled();
    const told = outcomes.every(({ status }) => status === 'fulfilled') && !missesSome();
    if (!told && !this.#stopped) await sleep(runtime.timers, Math.max(0, until - runtime.clock.monotonic()));
  }

  async #ask(kind: ImageKind, kept: Kept): Promise<void> {
    const { clusterId, metadata, runtime } = this.#options;
    try {
      const key = imageKey(clusterId, kind);
      const item = await within(runtime.timers, (signal) => metadata.get(key, { ...OPTIONS, signal }));
      const version = Number(item?.attributes['version'] ?? 0);
      kept.latest = Math.max(kept.latest, version);
      if (kept.shown < version) await this.#readAll(kind);
      if (kept.shown < version)
        throw new StorageUnavailableError(`what other brokers changed of ${kind} cannot be read`);
    } finally {
      kept.asking = null;
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const kind of IMAGE_KINDS) {
      this.#kinds[kind].timer?.cancel();
      this.#kinds[kind].retry?.cancel();
    }
  }

  /** Writes the next version; null when the table does not answer. */
  async #grow(kind: ImageKind): Promise<number | null> {
    const { clusterId, metadata, runtime } = this.#options;
    const kept = this.#kinds[kind];
    const key = imageKey(clusterId, kind);
    let before = kept.latest;
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const item = { ...key, body: Buffer.alloc(0), attributes: { version: before + 1 } };
        const condition = before === 0 ? ABSENT : whenEquals({ version: before });
        const outcome = await within(runtime.timers, (signal) => metadata.put(item, condition, { ...OPTIONS, signal }));
        if (outcome.ok) {
          kept.latest = Math.max(kept.latest, before + 1);
          // Ours is shown already; what others changed is not when there is something in between.
          if (kept.shown === before) kept.shown = before + 1;
          else this.#catchUpSoon(kind);
          return before + 1;
        }
        before = Number(outcome.existing?.attributes['version'] ?? 0);
      }
    } catch (cause) {
      if (!(cause instanceof StorageUnavailableError)) throw cause;
      runtime.logger.warn(
        { kind, reason: cause.message },
        'the version of a change could not be written; brokers that cannot be called see the change later',
      );
    }
    return null;
  }

  async #told({ kind, before, version, names }: ImageChange): Promise<void> {
    const kept = this.#kinds[kind];
    if (kept === undefined || this.#stopped) return;
    kept.latest = Math.max(kept.latest, version);
    const { image } = kept;
    if (image === null) return;
    if (kept.shown < before || names.length === 0) {
      kept.shown = Math.min(kept.shown, version - 1);
      await this.#readAll(kind);
      return;
    }
    try {
      await Promise.all(names.map((name) => image.refresh(name)));
      if (kept.shown === before) kept.shown = version;
    } catch (cause) {
      // Nothing else tells of a change that has no version of its own.
      kept.shown = Math.min(kept.shown, version - 1);
      throw cause;
    } finally {
      this.#catchUpSoon(kind);
    }
  }

  #catchUpSoon(kind: ImageKind): void {
    const kept = this.#kinds[kind];
    if (kept.image === null || kept.shown >= kept.latest || kept.timer !== null || this.#stopped) return;
    const delayMs = Math.min(CATCH_UP_MS_MAX, CATCH_UP_MS * 2 ** kept.failures);
    kept.timer = this.#options.runtime.timers.after(delayMs, () => {
      kept.timer = null;
      if (kept.shown < kept.latest) void this.#readAll(kind);
    });
  }

  /** Calls that come while one reads share the one after it: what they are about may have been passed already. */
  #readAll(kind: ImageKind): Promise<void> {
    const kept = this.#kinds[kind];
    const { image } = kept;
    if (this.#stopped || image === null) return Promise.resolve();
    if (kept.reading === null) {
      kept.reading = this.#readNow(kind, kept, image);
      return kept.reading;
    }
    kept.next ??= kept.reading.then(() => {
      kept.next = null;
      return this.#readAll(kind);
    });
    return kept.next;
  }

  async #readNow(kind: ImageKind, kept: Kept, image: Image): Promise<void> {
    const version = kept.latest;
    try {
      await image.refreshAll();
      kept.shown = Math.max(kept.shown, version);
      kept.failures = 0;
    } catch (cause) {
      kept.failures++;
      const fields = { kind, reason: String(cause) };
      this.#options.runtime.logger.warn(
        fields,
        'what other brokers changed could not be read; another attempt follows',
      );
    } finally {
      kept.reading = null;
      this.#catchUpSoon(kind);
    }
  }
}

const ignore = () => {};
