/**
 * Lets what waits leave when the cadence says so. Flushes leave in order: a full one that finds no upload slot waits in
 * `sealed`, and its partitions count as behind a segment from that moment.
 */

import { APPEND_BATCHES_MAX } from '../limits.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Cadence, Decision, FlushReason } from './cadence.ts';
import type { Departures } from './departures.ts';
import { type JournalShare, KEY_BYTES_MAX, type Line, type LineBatches, OpenFlush } from './open-flush.ts';
import type { PendingBatch } from './pending.ts';
import type { IngestPressure } from './pressure.ts';

export interface FlusherOptions {
  readonly runtime: Runtime;
  readonly cadence: Cadence;
  readonly departures: Departures;
  readonly pressure: IngestPressure;
  readonly segmentBytesMax: number;
  readonly uploadsMax: number;
}

export interface Joining {
  readonly line: Line;
  readonly batch: PendingBatch;
}

interface Sealed {
  readonly flush: readonly LineBatches[];
  readonly reason: FlushReason;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #open = new OpenFlush();
  /** Full, in the order in which they filled. Bounded by `pressure`. */
  readonly #sealed: Sealed[] = [];
  #pumpSoon = false;
  #timer: TimerHandle | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(options: FlusherOptions) {
    this.#options = options;
    options.departures.onProgress(this.#open, () => this.#pump());
  }

  /** Batches of one call, in its order. */
  join(joining: readonly Joining[]): void {
    const { runtime } = this.#options;
    const now = runtime.clock.monotonic();
    // The batches of one Idempotency-Key stay together, whatever size that gives.
    const together = joining[0]!.batch.call.idempotency !== undefined;
    if (together) {
      const sum = (of: (batch: PendingBatch) => number) => joining.reduce((all, { batch }) => all + of(batch), 0);
      this.#makeRoom(
        sum((batch) => batch.length),
        joining.length,
        sum((batch) => batch.keyBytes),
      );
    }
    for (const { line, batch } of joining) {
      if (!together) this.#makeRoom(batch.length, 1, 0);
      this.#open.add(line, batch, now);
    }
    if (this.#pumpSoon) return;
    this.#pumpSoon = true;
    // What else arrives in this turn of the event loop comes along.
    runtime.timers.soon(() => {
      this.#pumpSoon = false;
      this.#pump();
    });
  }

  /** Sends everything without regard to cost. Resolves when every accepted batch is answered. */
  async drain(): Promise<void> {
    const empty = this.#options.pressure.empty();
    this.#pump();
    await empty;
    this.#wakeAt(Number.POSITIVE_INFINITY, 0);
  }

  /** Seals what waits unless this much more still fits a flush. */
  #makeRoom(bytes: number, batches: number, keyBytes: number): void {
    const open = this.#open;
    const fits =
      open.bytes + bytes <= this.#options.segmentBytesMax &&
      open.batches + batches <= APPEND_BATCHES_MAX &&
      open.keyBytes + keyBytes <= KEY_BYTES_MAX;
    if (!fits && !open.empty) this.#seal('full');
  }

  #seal(reason: FlushReason): void {
    const flush = this.#open.takeAll();
    for (const { line } of flush) this.#open.segmentAhead(line, 1);
    this.#sealed.push({ flush, reason });
  }

  /** Sends all that may leave. Called when batches came, when something in flight ended, and by the timer. */
  #pump(): void {
    const { departures, cadence, uploadsMax, runtime } = this.#options;
    for (;;) {
      while (this.#sealed.length > 0 && departures.uploads < uploadsMax) {
        const { flush, reason } = this.#sealed.shift()!;
        departures.sendSegment(flush, reason);
      }
      this.#refuseBehind();
      const now = runtime.clock.monotonic();
      const ready = this.#readyInline();
      const decision = this.#decide(ready, now);
      if (decision.flush === 'wait') {
        this.#wakeAt(decision.at, now);
        return;
      }
      cadence.spend(decision.cost, now);
      if (decision.flush === 'segment') this.#seal(decision.reason);
      else for (const share of ready) departures.sendInline(this.#open.takeFree(share), decision.reason);
    }
  }

  /** Segments that may be appended still, but by nobody now, must not hold up what is behind them for ever. */
  #refuseBehind(): void {
    const { departures } = this.#options;
    if (!departures.anySuspended) return;
    for (const share of [...this.#open.shares.values()]) {
      if (departures.isSegmentLaneShut(share.journal)) departures.refuseBehind(this.#open.takeBehind(share));
    }
  }

  #readyInline(): JournalShare[] {
    const ready: JournalShare[] = [];
    for (const share of this.#open.shares.values()) {
      if (share.freeFitsInline && this.#open.maySplit(share) && this.#options.departures.mayGoInline(share.journal)) {
        ready.push(share);
      }
    }
    return ready;
  }

  #decide(ready: readonly JournalShare[], now: number): Decision {
    const { cadence, departures, pressure, uploadsMax } = this.#options;
    const open = this.#open;
    let inlineBytes = 0;
    let inlineBatches = 0;
    for (const share of ready) {
      inlineBytes += share.freeBytes;
      inlineBatches += share.freeBatches;
    }
    const decision = cadence.decide({
      now,
      since: open.since,
      bytes: open.bytes,
      journals: open.shares.size,
      inlineBytes,
      inlineBatches,
      inlineJournals: ready.length,
      small: open.small,
      // A sealed flush takes the next slot.
      uploads: departures.uploads + this.#sealed.length,
    });
    if (decision.flush !== 'wait' || !pressure.draining || open.empty) return decision;
    if (ready.length > 0) return { flush: 'inline', cost: 0, reason: 'close' };
    return departures.uploads < uploadsMax ? { flush: 'segment', cost: 0, reason: 'close' } : decision;
  }

  #wakeAt(at: number, now: number): void {
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = null;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#options.runtime.timers.after(Math.max(0, at - now), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#pump();
    });
  }
}
