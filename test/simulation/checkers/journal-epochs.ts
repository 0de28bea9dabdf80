/**
 * Invariant 3: one writer per journal epoch; epochs only grow; nothing is acknowledged by a fenced leader.
 *
 * Looks at the items of the journals as they change: a journal begins once the cluster has it, every slot is written once, one after the other, by the process that
 * wrote the fence of its epoch, under a broker id and epoch that no other process has; the pointer only moves forward, to a snapshot that exists; trimming stays below the floor
 * and spares fences and what stands before them (rules 1 to 4 of the journal).
 */
import type { Entry } from '../../../src/journal/entry.ts';
import type { Checker, HistoryEvent, LedgerBatch } from '../history.ts';
import { Violation } from '../history.ts';

interface JournalSeen {
  lastSeq: number;
  epoch: number;
  /** Who wrote the newest fence. */
  leader: string;
  readonly fences: Set<number>;
  /** By slot, the entry that became durable there: the same put may arrive once more after it was trimmed. */
  readonly ids: Map<number, string>;
  /** Trimmed slots that late requests wrote again. */
  readonly strays: Set<number>;
  /** Process and epoch of fences that were put into such slots: nobody may lead by them. */
  readonly strayFences: Set<string>;
  version: number;
  snapshotSeq: number;
  floor: number;
  snapshotKey: string;
}

/** More batches than are ever unanswered. */
const BATCHES_KEPT = 50_000;

export interface JournalEpochsOptions {
  /** One broker takes records in and orders them. */
  readonly isAlone: boolean;
}

export function journalEpochs(options: JournalEpochsOptions): Checker {
  return new JournalEpochs(options);
}

class JournalEpochs implements Checker {
  readonly name = 'journal epochs';
  readonly #journals = new Map<number, JournalSeen>();
  readonly #objects = new Set<string>();
  /** How many there are; null until that is told. */
  #count: number | null = null;
  readonly #isAlone: boolean;
  /** The entry that has a batch; oldest first. */
  readonly #appendedBy = new Map<number, LedgerBatch>();
  /** Processes by broker id and epoch. */
  readonly #identities = new Map<string, string>();

  constructor({ isAlone }: JournalEpochsOptions) {
    this.#isAlone = isAlone;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'journalsCounted':
        this.#count = event.count;
        return;
      case 'entryPut':
        this.#entryPut(this.#journal(event.journal), event.journal, event.entry, event.process);
        return;
      case 'strayEntryPut':
        this.#strayEntryPut(this.#journal(event.journal), event.journal, event.entry, event.process);
        return;
      case 'entryDeleted':
        this.#entryDeleted(this.#journal(event.journal), event.journal, event.seq);
        return;
      case 'pointerPut':
        this.#pointerPut(this.#journal(event.journal), event);
        return;
      case 'objectCreated':
        this.#objects.add(event.key);
        return;
      case 'objectDeleted':
        this.#objects.delete(event.key);
        for (const [journal, { snapshotKey }] of this.#journals) {
          if (snapshotKey === event.key) this.#fail(`the snapshot of journal ${journal} was deleted, ${event.key}`);
        }
        return;
      case 'batchAppended':
        this.#appended(event.batch);
        return;
      case 'processServes':
        this.#identify(event.process, event);
        return;
      case 'answered':
        this.#answered(event);
        return;
      default:
    }
  }

  #entryPut(journal: JournalSeen, id: number, entry: Entry, process: string): void {
    const { seq, epoch, commands } = entry;
    if (this.#count !== null && id >= this.#count) {
      this.#fail(`${process} wrote slot ${seq} of journal ${id}, the cluster has ${this.#count} journals`);
    }
    if (seq !== journal.lastSeq + 1) {
      this.#fail(`${process} wrote slot ${seq} of journal ${id}, whose last entry is ${journal.lastSeq}`);
    }
    journal.lastSeq = seq;
    journal.ids.set(seq, entry.id);
    const fence = commands.find((command) => command.type === 'epochStarted');
    if (fence) {
      if (epoch !== journal.epoch + 1) {
        this.#fail(`${process} fenced journal ${id} with epoch ${epoch}, it was in ${journal.epoch}`);
      }
      this.#identify(process, fence);
      journal.epoch = epoch;
      journal.leader = process;
      journal.fences.add(seq);
    } else if (epoch !== journal.epoch || process !== journal.leader) {
      const leads = `${journal.leader} leads in ${journal.epoch}`;
      this.#fail(`${process} wrote entry ${seq} of journal ${id} in epoch ${epoch}, ${leads}`);
    }
  }

  #strayEntryPut(journal: JournalSeen, id: number, entry: Entry, process: string): void {
    const { seq, epoch, commands } = entry;
    const { floor, fences, ids, strays, strayFences } = journal;
    const fence = `${process} ${epoch}`;
    if (commands.some(({ type }) => type === 'epochStarted')) strayFences.add(fence);
    else if (strayFences.has(fence) && ids.get(seq) !== entry.id) {
      this.#fail(`${process} writes slot ${seq} of journal ${id} in epoch ${epoch}, which began in a trimmed slot`);
    }
    if (seq >= floor) this.#fail(`${process} wrote slot ${seq} of journal ${id} again, the floor is ${floor}`);
    if (fences.has(seq) || fences.has(seq + 1)) {
      this.#fail(`${process} wrote slot ${seq} of journal ${id} again, which a deposed leader must find taken`);
    }
    strays.add(seq);
  }

  #entryDeleted({ floor, fences }: JournalSeen, id: number, seq: number): void {
    if (seq >= floor) this.#fail(`entry ${seq} of journal ${id} was deleted, the floor is ${floor}`);
    if (fences.has(seq) || fences.has(seq + 1)) {
      this.#fail(`entry ${seq} of journal ${id} was deleted, it is a fence or stands before one`);
    }
  }

  #pointerPut(journal: JournalSeen, event: Extract<HistoryEvent, { type: 'pointerPut' }>): void {
    const { version, snapshotSeq, floor, snapshotKey } = event;
    const was = `version ${journal.version}, snapshot ${journal.snapshotSeq}, floor ${journal.floor}`;
    const is = `version ${version}, snapshot ${snapshotSeq}, floor ${floor}`;
    const forward = version === journal.version + 1 && snapshotSeq >= journal.snapshotSeq && floor >= journal.floor;
    if (!forward) this.#fail(`the pointer of journal ${event.journal} moved from ${was} to ${is}`);
    if (floor > snapshotSeq || snapshotSeq > journal.lastSeq) {
      this.#fail(`the pointer of journal ${event.journal}, ${is}, is ahead of its last entry ${journal.lastSeq}`);
    }
    if (!this.#objects.has(snapshotKey)) this.#fail(`the pointer names ${snapshotKey}, which does not exist`);
    Object.assign(journal, { version, snapshotSeq, floor, snapshotKey });
  }

  #identify(process: string, { brokerId, brokerEpoch }: LedgerBatch['ingest']): void {
    const identity = identityOf({ brokerId, brokerEpoch });
    const known = this.#identities.get(identity) ?? process;
    if (known !== process) this.#fail(`${known} and ${process} are both ${identity}`);
    this.#identities.set(identity, process);
  }

  #appended(batch: LedgerBatch): void {
    this.#appendedBy.set(batch.batchId, batch);
    if (this.#appendedBy.size <= BATCHES_KEPT) return;
    const [oldest] = this.#appendedBy.keys();
    this.#appendedBy.delete(oldest!);
  }

  /** What a process calls its own went through it; of a broker alone, a fenced leader cannot have written the entry. */
  #answered({ batch, outcome, process }: Extract<HistoryEvent, { type: 'answered' }>): void {
    if (outcome.error !== 'NONE' || !('duplicate' in outcome) || outcome.duplicate) return;
    const appended = this.#appendedBy.get(batch.batchId);
    const where = `${process} acknowledged batch ${batch.batchId} as its own`;
    if (appended === undefined) this.#fail(`${where}, no entry has it`);
    const taker = this.#identities.get(identityOf(appended.ingest));
    if (taker !== process) this.#fail(`${where}, it came in by ${taker ?? identityOf(appended.ingest)}`);
    if (this.#isAlone && appended.process !== process) this.#fail(`${where}, ${appended.process} wrote its entry`);
  }

  #journal(id: number): JournalSeen {
    let journal = this.#journals.get(id);
    if (!journal) {
      journal = {
        lastSeq: 0,
        epoch: 0,
        leader: '',
        fences: new Set(),
        ids: new Map(),
        strays: new Set(),
        strayFences: new Set(),
        version: 0,
        snapshotSeq: 0,
        floor: 0,
        snapshotKey: '',
      };
      this.#journals.set(id, journal);
    }
    return journal;
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const identityOf = ({ brokerId, brokerEpoch }: LedgerBatch['ingest']): string =>
  `broker ${brokerId} of epoch ${brokerEpoch}`;
