/**
 * When waiting records leave, and how: inline in a journal entry or as a segment. Cadence follows cost (design §3).
 *
 * Where requests are free, a flush leaves at once when nothing is in flight; while something is, what arrives joins the
 * next one. Where they cost money, one token bucket in write units pays for both kinds. It fills at what one segment flush
 * every `segment.linger.ms` would cost: a flush that leaves most of the tokens leaves at once, one that can be paid after
 * a few milliseconds, and without tokens it waits for the linger or for a full segment. Either way nothing leaves, and nothing is paid, when nothing waits.
 *
 * Pure: the caller says what waits and what is in flight, and acts on the answer.
 */
import type { MetadataPricing } from '../storage/metadata-store.ts';
import type { ObjectPricing } from '../storage/object-store.ts';

/** What requests cost, in DynamoDB write units (1 KiB written). All zero where nothing is billed. */
export interface Costs {
  /** One object creation: 8 on S3. */
  readonly create: number;
  /** One entry of up to 1 KiB and its later deletion. */
  readonly entry: number;
  /** Each KiB in an entry, and its later deletion. */
  readonly inlinePerKib: number;
}

/** What a write unit costs on DynamoDB, to weigh objects against entries where only objects are billed. */
const WRITE_UNIT_DOLLARS_PER_MILLION = 0.625;

export function costsOf(objects: ObjectPricing, metadata: MetadataPricing): Costs {
  const perMillion = metadata.writeUnit > 0 ? metadata.writeUnit : WRITE_UNIT_DOLLARS_PER_MILLION;
  const writeAndDelete = metadata.writeUnit > 0 ? 2 : 0;
  return { create: (objects.create * 1e6) / perMillion, entry: writeAndDelete, inlinePerKib: writeAndDelete };
}

const isFree = (costs: Costs): boolean => costs.create === 0 && costs.entry === 0;

export const segmentCost = (costs: Costs, journals: number): number => costs.create + costs.entry * journals;

/** An entry's own header and the description of each batch also take room. */
const ENTRY_OVERHEAD_BYTES = 128;
const BATCH_OVERHEAD_BYTES = 48;

export function inlineCost(costs: Costs, bytes: number, batches: number, journals: number): number {
  const spread = bytes + batches * BATCH_OVERHEAD_BYTES + journals * ENTRY_OVERHEAD_BYTES;
  return costs.inlinePerKib * Math.max(journals, Math.ceil(spread / 1024));
}

export interface CadenceLimits {
  readonly lingerMs: number;
  readonly segmentBytesMax: number;
  readonly uploadsMax: number;
  /** Journals that a flush may touch: sets the fill rate of the bucket. */
  readonly journals: number;
}

/** What waits and what is in flight, at one moment. */
export interface FlushView {
  /** Monotonic clock, milliseconds. */
  readonly now: number;
  /** When the oldest waiting batch came. */
  readonly since: number;
  /** All that waits, and the journals it belongs to. */
  readonly bytes: number;
  readonly journals: number;
  /** The part that may leave inline now: behind no segment, small enough, its journals' inline lanes idle. */
  readonly inlineBytes: number;
  readonly inlineBatches: number;
  readonly inlineJournals: number;
  /** Everything that waits would fit inline if nothing were ahead of it. */
  readonly small: boolean;
  /** Segment uploads that have not ended. */
  readonly uploads: number;
}

/** `inline` sends the inline part, `segment` sends everything, `wait` until `at` or until something in flight ends. */
export type Decision =
  | { readonly flush: 'inline' | 'segment'; readonly cost: number; readonly reason: FlushReason }
  | { readonly flush: 'wait'; readonly at: number };

/** Why a flush left: fixed words for the metric. */
export type FlushReason = 'idle' | 'joined' | 'plenty' | 'tokens' | 'linger' | 'full' | 'close';

const WAIT_FOR_EVENT: Decision = { flush: 'wait', at: Number.POSITIVE_INFINITY };

/** With tokens, a flush still waits this long for company: the records of one moment share a flush. */
export const GATHER_MS = 3;
/** Who would leave this part of all tokens does not wait: where they are plenty, time is what is short. */
const PLENTY = 0.5;
/** Tokens saved up while idle pay for this many flushes. */
const BURST_FLUSHES = 8;
/** With uploads in flight, a further one leaves when it holds this much: smaller ones would cost more than they speed up. */
export const SHARE_BYTES = 1024 * 1024;

export class Cadence {
  readonly #costs: Costs;
  #limits: CadenceLimits;
  #unitsPerMs = 0;
  #unitsMax = 0;
  #units = 0;
  #filledAt: number;

  constructor(costs: Costs, limits: CadenceLimits, now: number) {
    this.#costs = costs;
    this.#limits = limits;
    this.#filledAt = now;
    this.setJournals(limits.journals, now);
    this.#units = this.#unitsMax;
  }

  /** There are this many journals now. */
  setJournals(journals: number, now: number): void {
    this.#fill(now);
    this.#limits = { ...this.#limits, journals };
    const flush = segmentCost(this.#costs, journals);
    this.#unitsPerMs = flush / this.#limits.lingerMs;
    this.#unitsMax = flush * BURST_FLUSHES;
  }

  /** Does not change anything: the caller reports what it sent with `spend`. */
  decide(view: FlushView): Decision {
    const { bytes, uploads, now, since } = view;
    if (bytes === 0) return WAIT_FOR_EVENT;
    const { segmentBytesMax, uploadsMax, lingerMs } = this.#limits;
    const segment = segmentCost(this.#costs, view.journals);
    const slot = uploads < uploadsMax;
    if (bytes >= segmentBytesMax) return slot ? { flush: 'segment', cost: segment, reason: 'full' } : WAIT_FOR_EVENT;
    if (isFree(this.#costs)) return decideFree(view, slot);

    const inline = inlineCost(this.#costs, view.inlineBytes, view.inlineBatches, view.inlineJournals);
    if (view.inlineBytes > 0 && inline <= segment) {
      return this.#afford('inline', inline, view, lingerMs);
    }
    // What is small and only waits behind a segment becomes inline work when that segment is appended.
    if (view.small && view.inlineBytes === 0 && now < since + lingerMs) return { flush: 'wait', at: since + lingerMs };
    return slot ? this.#afford('segment', segment, view, lingerMs) : WAIT_FOR_EVENT;
  }

  /** Takes the cost of a flush that was sent. Debt is at most one flush: records that waited their linger always leave. */
  spend(cost: number, now: number): void {
    this.#fill(now);
    this.#units = Math.max(this.#units - cost, -segmentCost(this.#costs, this.#limits.journals));
  }

  #afford(flush: 'inline' | 'segment', cost: number, { now, since }: FlushView, lingerMs: number): Decision {
    if (now >= since + lingerMs) return { flush, cost, reason: 'linger' };
    const units = this.#unitsAt(now);
    if (units - cost >= this.#unitsMax * PLENTY) return { flush, cost, reason: 'plenty' };
    const affordableAt = units >= cost ? now : now + (cost - units) / this.#unitsPerMs;
    const at = Math.min(since + lingerMs, Math.max(since + GATHER_MS, affordableAt));
    return at <= now ? { flush, cost, reason: 'tokens' } : { flush: 'wait', at };
  }

  #unitsAt(now: number): number {
    return Math.min(this.#unitsMax, this.#units + (now - this.#filledAt) * this.#unitsPerMs);
  }

  #fill(now: number): void {
    this.#units = this.#unitsAt(now);
    this.#filledAt = now;
  }
}

function decideFree(view: FlushView, slot: boolean): Decision {
  if (view.inlineBytes > 0) return { flush: 'inline', cost: 0, reason: 'idle' };
  // Small: what is in flight ends sooner than another file is created.
  if (view.small || !slot) return WAIT_FOR_EVENT;
  if (view.uploads === 0) return { flush: 'segment', cost: 0, reason: 'idle' };
  return view.bytes >= SHARE_BYTES ? { flush: 'segment', cost: 0, reason: 'joined' } : WAIT_FOR_EVENT;
}
