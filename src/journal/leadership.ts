/**
 * How one process takes over a journal, leads it and learns that it no longer does, as a pure function: no store, no
 * clock. `leader.ts` performs the effects; the explorer in `test/model/` drives the same function through every order of
 * answers, freezes and losses.
 *
 *   readingPointer ─► loadingSnapshot ─► readingEntries ─► preparing ─► putting ─► checkingFloor ─► leading ⇄ putting
 *     ▲   ▲                  │ gone        │ gap  ▲  end     fence      fence │           │            │ entry    │
 *     │   └──────────────────┘             │      └───────────────────────────┘ lost      │            │          │
 *     └────────────────────────────────────┴──────────────────────────────────────────────┘            ▼          ▼
 *                                                       the floor is above our snapshot              deposed ◄── slot taken
 *
 * From readingEntries, entries of wrong epochs or without their footers lead to doubting: back to the start when the floor
 * tells why, else broken.
 *
 * Rules of design §4 that live here: the fence (1), the floor (2), identical retries told apart by id (3).
 */
import { unreachable } from '../runtime/assert.ts';

/** What the snapshot pointer item says; zeros when there is none yet. */
export interface PointerPosition {
  /** Last entry that the snapshot covers. */
  readonly snapshotSeq: number;
  /** Entries below may be trimmed. */
  readonly floor: number;
}

/** What a process knows of the journal it follows or leads. */
interface Position {
  /** Of the snapshot that its state began with. */
  readonly snapshotSeq: number;
  /** Last entry folded. */
  readonly lastSeq: number;
  readonly epoch: number;
}

export type Leadership =
  | { readonly phase: 'readingPointer' }
  | { readonly phase: 'loadingSnapshot' }
  | ({ readonly phase: 'readingEntries' | 'preparing' | 'checkingFloor' | 'leading' } & Position)
  | ({ readonly phase: 'doubting'; readonly why: string } & Position)
  | ({ readonly phase: 'putting'; readonly purpose: 'fence' | 'entry'; readonly put: PendingPut } & Position)
  | { readonly phase: 'deposed'; readonly because: string }
  /** The entries contradict each other. */
  | { readonly phase: 'broken'; readonly because: string };

/** The one put in flight, at `lastSeq + 1`. */
export interface PendingPut {
  readonly id: string;
  /** An attempt may have happened, or may still happen: only the identical entry may follow in this slot. */
  readonly doubtful: boolean;
}

export type LeadershipEvent =
  | { readonly type: 'pointerRead'; readonly pointer: PointerPosition }
  | { readonly type: 'snapshotLoaded'; readonly seq: number; readonly epoch: number }
  | { readonly type: 'snapshotGone' }
  /** Entries in order behind the last one folded; `more` when others are to be read before the fence. */
  | { readonly type: 'entriesRead'; readonly entries: readonly EntrySeen[]; readonly more: boolean }
  /** Entries that were read name a footer that is not there. */
  | { readonly type: 'footerGone'; readonly because: string }
  /** The entry for the next slot is ready, with its id. */
  | { readonly type: 'prepared'; readonly id: string }
  | { readonly type: 'putAnswered'; readonly answer: PutAnswer }
  /** What stands in the slot that was behind the last entry when the read began; null when nothing does. */
  | { readonly type: 'nextSlotRead'; readonly seq: number; readonly id: string | null };

export interface EntrySeen {
  readonly seq: number;
  readonly epoch: number;
  /** Whether it starts its epoch. */
  readonly isFence: boolean;
}

export type PutAnswer =
  | { readonly type: 'written' }
  /** The condition failed: an entry with this id stands in the slot. */
  | { readonly type: 'occupied'; readonly id: string }
  /** It may have happened, or may happen yet. */
  | { readonly type: 'unknown' }
  /** It certainly did not and will not happen; trying again later helps. */
  | { readonly type: 'throttled' }
  /** It certainly did not and will not happen, and no more than that can be hoped for soon: the store is full. */
  | { readonly type: 'nothingDone' };

export type LeadershipEffect =
  | { readonly type: 'readPointer' }
  | { readonly type: 'loadSnapshot' }
  /** Reads entries behind the last one folded. */
  | { readonly type: 'readEntries' }
  /** Folds the entries just read. */
  | { readonly type: 'fold' }
  | { readonly type: 'prepareFence'; readonly seq: number; readonly epoch: number }
  /** Puts the prepared entry into its slot; as often as asked, always the same bytes. */
  | { readonly type: 'put'; readonly again: boolean }
  /** The prepared entry is durable: fold it. For a proposal this is the moment to answer. */
  | { readonly type: 'commit' }
  /** The prepared entry was never written: forget it and tell its proposers. */
  | { readonly type: 'abandon' }
  | { readonly type: 'confirmed' };

export interface Transition {
  readonly leadership: Leadership;
  readonly effects: readonly LeadershipEffect[];
}

/** Where every process begins. */
export const START: Transition = become({ phase: 'readingPointer' }, { type: 'readPointer' });

export function stepLeadership(leadership: Leadership, event: LeadershipEvent): Transition {
  switch (event.type) {
    case 'pointerRead':
      return onPointer(leadership, event.pointer);
    case 'snapshotLoaded': {
      if (leadership.phase !== 'loadingSnapshot') return become(leadership);
      const { seq, epoch } = event;
      return become({ phase: 'readingEntries', snapshotSeq: seq, lastSeq: seq, epoch }, { type: 'readEntries' });
    }
    case 'snapshotGone':
      // A newer one took its place.
      return leadership.phase === 'loadingSnapshot' ? START : become(leadership);
    case 'entriesRead':
      return onEntries(leadership, event.entries, event.more);
    case 'footerGone':
      // Reclaim takes a segment only when a snapshot covers all that names it: while we slept, or never.
      if (leadership.phase !== 'readingEntries') return become(leadership);
      return doubt(leadership, event.because);
    case 'prepared':
      return onPrepared(leadership, event.id);
    case 'putAnswered':
      return onPutAnswer(leadership, event.answer);
    case 'nextSlotRead':
      return onNextSlot(leadership, event.seq, event.id);
    default:
      return unreachable(event);
  }
}

function onPointer(leadership: Leadership, pointer: PointerPosition): Transition {
  if (leadership.phase === 'readingPointer') return become({ phase: 'loadingSnapshot' }, { type: 'loadSnapshot' });
  if (leadership.phase === 'doubting') {
    return pointer.floor > leadership.snapshotSeq ? START : become({ phase: 'broken', because: leadership.why });
  }
  if (leadership.phase !== 'checkingFloor') return become(leadership);
  // Entries that we read may have been trimmed while we slept, and our fence may stand in a slot that had one before.
  if (pointer.floor > leadership.snapshotSeq) return START;
  return become({ ...leadership, phase: 'leading' });
}

function onEntries(leadership: Leadership, entries: readonly EntrySeen[], more: boolean): Transition {
  if (leadership.phase !== 'readingEntries') return become(leadership);
  let { lastSeq, epoch } = leadership;
  for (const entry of entries) {
    if (entry.seq !== lastSeq + 1) return START; // A gap: trimmed while we read.
    const expected = entry.isFence ? epoch + 1 : epoch;
    if (entry.epoch !== expected) {
      // A fence that lost its slot, sent twice, may arrive for the second time after the slot was trimmed and fill a gap.
      const why = `entry ${entry.seq} was written in epoch ${entry.epoch}, expected ${expected}`;
      return doubt(leadership, why);
    }
    lastSeq = entry.seq;
    epoch = entry.epoch;
  }
  const position = { snapshotSeq: leadership.snapshotSeq, lastSeq, epoch };
  const fold: LeadershipEffect[] = entries.length > 0 ? [{ type: 'fold' }] : [];
  if (more) return become({ phase: 'readingEntries', ...position }, ...fold, { type: 'readEntries' });
  const fence: LeadershipEffect = { type: 'prepareFence', seq: lastSeq + 1, epoch: epoch + 1 };
  return become({ phase: 'preparing', ...position }, ...fold, fence);
}

/** What was read cannot be: trimmed and reclaimed while we slept, which the floor will tell, or damage. */
const doubt = (leadership: Leadership & Position, why: string): Transition =>
  become({ ...leadership, phase: 'doubting', why }, { type: 'readPointer' });

function onPrepared(leadership: Leadership, id: string): Transition {
  if (leadership.phase !== 'preparing' && leadership.phase !== 'leading') return become(leadership);
  const purpose = leadership.phase === 'leading' ? 'entry' : 'fence';
  return become(
    { ...leadership, phase: 'putting', purpose, put: { id, doubtful: false } },
    { type: 'put', again: false },
  );
}

function onPutAnswer(leadership: Leadership, answer: PutAnswer): Transition {
  if (leadership.phase !== 'putting') return become(leadership); // A hedged or repeated put that came late.
  const { put } = leadership;
  switch (answer.type) {
    case 'written':
      return onWritten(leadership);
    case 'occupied':
      return answer.id === put.id ? onWritten(leadership) : onTaken(leadership, answer.id);
    case 'unknown':
      return become({ ...leadership, put: { ...put, doubtful: true } }, { type: 'put', again: true });
    case 'throttled':
      return become(leadership, { type: 'put', again: true });
    case 'nothingDone':
      if (put.doubtful || leadership.purpose === 'fence') return become(leadership, { type: 'put', again: true });
      return become({ ...positionOf(leadership), phase: 'leading' }, { type: 'abandon' });
    default:
      return unreachable(answer);
  }
}

type Putting = Extract<Leadership, { phase: 'putting' }>;

function onWritten(leadership: Putting): Transition {
  const position = positionOf(leadership);
  const lastSeq = position.lastSeq + 1;
  if (leadership.purpose === 'entry') return become({ ...position, lastSeq, phase: 'leading' }, { type: 'commit' });
  const epoch = position.epoch + 1;
  return become({ ...position, lastSeq, epoch, phase: 'checkingFloor' }, { type: 'commit' }, { type: 'readPointer' });
}

function onTaken(leadership: Putting, id: string): Transition {
  const position = positionOf(leadership);
  // Somebody else was faster: read on from there and try again with the next epoch.
  if (leadership.purpose === 'fence') return become({ ...position, phase: 'readingEntries' }, { type: 'readEntries' });
  return depose(`entry ${position.lastSeq + 1} was written by another leader (${id})`);
}

function onNextSlot(leadership: Leadership, seq: number, id: string | null): Transition {
  if (leadership.phase !== 'leading' && leadership.phase !== 'putting') return become(leadership);
  // Whoever fences us does it in this slot, and trimming never removes that entry.
  if (id === null) return become(leadership, { type: 'confirmed' });
  // An own entry that was put since the read began tells nothing; a put in flight will tell by itself.
  if (leadership.phase === 'putting' || seq <= leadership.lastSeq) return become(leadership);
  return depose(`entry ${seq} was written by another leader (${id})`);
}

function positionOf({ snapshotSeq, lastSeq, epoch }: Position): Position {
  return { snapshotSeq, lastSeq, epoch };
}

const depose = (because: string): Transition => become({ phase: 'deposed', because });

function become(leadership: Leadership, ...effects: LeadershipEffect[]): Transition {
  return { leadership, effects };
}
