/**
 * Deliberate faults in the broker's code, to show that the checkers can fail: each edit replaces one text of a module while
 * that is loaded (`mutation-hooks.ts`), and a named checker must notice within a number of seeds. The broker knows nothing
 * of it. A text that is not there exactly once is an error: the code has moved on, and the mutation must follow.
 */
import type { ScenarioChanges } from './scenario.ts';

export interface Edit {
  /** Below `src`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutation {
  readonly name: string;
  /** What is wrong now. */
  readonly says: string;
  readonly edits: readonly Edit[];
  /** Who must notice: any of them. */
  readonly checkers: readonly string[];
  readonly hunt: Hunt;
}

/** Where to look for it. */
export interface Hunt {
  readonly seed: number;
  /** So many from there. */
  readonly seeds: number;
  /** Simulated, of each. */
  readonly minutes: number;
  readonly journals: number;
  readonly brokers: number;
  readonly more?: ScenarioChanges;
}

export type Verdict = { readonly simulatedMinutes: number; readonly wallSeconds: number } & (
  | { readonly caught: true; readonly seed: number; readonly checker: string; readonly message: string }
  | { readonly caught: false; readonly seeds: number }
);

export function mutate({ name, edits }: Mutation, file: string, text: string): string {
  let mutated = text;
  for (const edit of edits) {
    if (edit.file !== file) continue;
    const parts = mutated.split(edit.from);
    if (parts.length !== 2) {
      throw new Error(`mutation ${name}: ${parts.length - 1} places in src/${file} say ${JSON.stringify(edit.from)}`);
    }
    mutated = parts.join(edit.to);
  }
  return mutated;
}

export function findMutation(name: string): Mutation {
  const found = MUTATIONS.find((mutation) => mutation.name === name);
  if (!found) throw new Error(`there is no mutation ${name}: ${MUTATIONS.map((each) => each.name).join(', ')}`);
  return found;
}

const ONE: Hunt = { seed: 1, seeds: 12, minutes: 0.3, journals: 1, brokers: 1 };
const FOUR: Hunt = { ...ONE, journals: 4 };
const MANY_FREEZES: Hunt = { ...ONE, seeds: 20, more: { nemesis: { freezeEveryMs: 3_000 } } };
/** Where leaders come and go. */
const CLUSTER: Hunt = {
  seed: 1,
  seeds: 20,
  minutes: 0.3,
  journals: 2,
  brokers: 3,
  more: { nemesis: { moveEveryMs: 2_000, resetEveryMs: 3_000, killEveryMs: 6_000 } },
};
const PARTED: Hunt = { ...CLUSTER, more: { nemesis: { partitionEveryMs: 3_000, killEveryMs: 6_000 } } };
/** Where segments are no longer referred to before a snapshot covers the entries that name them. */
const SELDOM_SNAPSHOTS: Hunt = {
  ...ONE,
  more: {
    journalLimits: { snapshotEntryBytes: 4 * 1024 * 1024, snapshotReferences: 1_000 },
    config: { 'reclaim.delay.ms': 100, 'reclaim.interval.ms': 200, 'merge.interval.ms': 100 },
  },
};
const MANY_DEATHS: Hunt = { ...ONE, seeds: 20, more: { nemesis: { killEveryMs: 3_000 } } };

/** Where partitions join transactions by their first batch. */
const ENLISTING: Hunt = { ...CLUSTER, more: { nemesis: { killEveryMs: 6_000 }, load: { enlistingWriters: 4 } } };
/** Where journals are added and brokers start again. */
const GROWING: Hunt = {
  ...{ ...ONE, seeds: 12 },
  more: { nemesis: { addJournalsEveryMs: 2_000, killEveryMs: 4_000 }, load: { topicChangeMs: 1_000, topicsMax: 5 } },
};

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'ignore-the-fence',
    says: 'a leader takes whatever stands in its slot for its own entry',
    edits: [
      {
        file: 'journal/leadership.ts',
        from: 'return answer.id === put.id ? onWritten(leadership) : onTaken(leadership, answer.id);',
        to: 'return onWritten(leadership);',
      },
    ],
    checkers: ['journal epochs', 'acknowledged records', 'committed offsets'],
    hunt: MANY_FREEZES,
  },
  {
    name: 'acknowledge-before-the-put',
    says: 'answers leave while the entry is on its way to the store',
    edits: [
      {
        file: 'journal/leader.ts',
        from: 'const confirming = this.#confirmations.join();',
        to: 'const confirming = this.#confirmations.join(); built.settle();',
      },
    ],
    checkers: ['acknowledged records', 'committed offsets', 'journal epochs', 'consumer epochs'],
    hunt: ONE,
  },
  {
    name: 'retry-with-another-id',
    says: 'a put whose answer was lost is repeated as another entry',
    edits: [
      {
        file: 'journal/leadership.ts',
        from: "case 'unknown':\n      return become({ ...leadership, put: { ...put, doubtful: true } }, { type: 'put', again: true });",
        to: "case 'unknown':\n      return become({ ...positionOf(leadership), phase: 'leading' }, { type: 'abandon' });",
      },
    ],
    checkers: ['idempotence', 'journal epochs', 'acknowledged records'],
    hunt: { ...ONE, seeds: 30, more: { nemesis: { stormEveryMs: 1_000 } } },
  },
  {
    name: 'trim-a-fence',
    says: 'entries that start an epoch are trimmed like all others',
    edits: [
      {
        file: 'journal/trim-plan.ts',
        from: 'return fences[low] === seq || fences[low] === seq + 1;',
        to: 'return fences[low] === seq + 1;',
      },
    ],
    checkers: ['journal epochs'],
    hunt: ONE,
  },
  {
    name: 'trim-before-a-fence',
    says: 'the entry before a fence is trimmed like all others',
    edits: [
      {
        file: 'journal/trim-plan.ts',
        from: 'return fences[low] === seq || fences[low] === seq + 1;',
        to: 'return fences[low] === seq;',
      },
    ],
    checkers: ['journal epochs'],
    hunt: ONE,
  },
  {
    name: 'trim-what-extents-need',
    says: 'entries are trimmed although records lie in them',
    edits: [{ file: 'journal/trim-plan.ts', from: ' && !inlineUses.has(seq)', to: '' }],
    checkers: ['segments'],
    hunt: ONE,
  },
  {
    name: 'floor-before-the-snapshot',
    says: 'the floor runs ahead of what the snapshot covers',
    edits: [
      {
        file: 'journal/maintenance.ts',
        from: 'floor: captured.lastSeq,',
        to: 'floor: captured.lastSeq + 1,',
      },
    ],
    checkers: ['journal epochs'],
    hunt: ONE,
  },
  {
    name: 'forget-a-producers-last-batch',
    says: 'a snapshot leaves out the last batch of each producer',
    edits: [
      {
        file: 'journal/snapshot-encoder.ts',
        from: 'const { producerId, producerEpoch, batches, lastAppendAt, coordinatorEpoch, open, endedTransaction } = producer;',
        to: 'const { producerId, producerEpoch, lastAppendAt, coordinatorEpoch, open, endedTransaction } = producer; const batches = producer.batches.slice(0, -1);',
      },
    ],
    checkers: ['idempotence'],
    hunt: MANY_DEATHS,
  },
  {
    name: 'forget-lanes',
    says: 'a snapshot leaves out how far the lanes of brokers have come',
    edits: [{ file: 'journal/snapshot-encoder.ts', from: 'lanes: [...state.lanes.values()],', to: 'lanes: [],' }],
    checkers: ['liveness'],
    hunt: CLUSTER,
  },
  {
    name: 'forget-duplicates',
    says: 'a batch that is sent again is refused as out of order',
    edits: [
      {
        file: 'journal/producers.ts',
        from: "return { type: 'duplicate', batch: kept };",
        to: 'return OUT_OF_ORDER;',
      },
    ],
    checkers: ['idempotence'],
    hunt: MANY_DEATHS,
  },
  {
    name: 'answer-from-speculative-state',
    says: 'a duplicate of something not yet durable is answered at once',
    edits: [
      {
        file: 'journal/entry-builder.ts',
        from: "if (decision.type === 'tooLate') {",
        to: "if (decision.type === 'append' && decision.answer.exceptions.length > 0) resolve(unpackAnswer(decision.answer));\n    if (decision.type === 'tooLate') {",
      },
    ],
    checkers: ['acknowledged records', 'journal epochs'],
    hunt: ONE,
  },
  {
    name: 'ignore-conditions',
    says: 'a compare-and-append always appends',
    edits: [
      {
        file: 'journal/decide-append.ts',
        from: "return expected !== undefined && expected !== place.nextOffset ? refuse(place, 'OFFSET_MISMATCH') : null;",
        to: "return expected === Number.NEGATIVE_INFINITY ? refuse(place, 'OFFSET_MISMATCH') : null;",
      },
    ],
    checkers: ['idempotence'],
    hunt: ONE,
  },
  {
    name: 'forget-idempotency-keys',
    says: 'a request that is repeated under its Idempotency-Key is taken for a new one',
    edits: [
      {
        file: 'journal/decide-append.ts',
        from: 'const record = this.#draft.idempotencyKeys.get(group.key);',
        to: 'const record = this.#draft.idempotencyKeys.get(String(group.batches.length));',
      },
    ],
    checkers: ['idempotence'],
    hunt: ONE,
  },
  {
    name: 'ignore-the-guard',
    says: 'transactional batches are appended whether their transaction is open or not',
    edits: [
      {
        file: 'journal/transactions.ts',
        from: 'if (open === null || known?.producerEpoch !== producerEpoch) return false;\n  return transaction === undefined || transaction === open.transaction;',
        to: 'return true || transaction === producerEpoch;',
      },
    ],
    checkers: ['transactions'],
    hunt: FOUR,
  },
  {
    name: 'believe-the-number',
    says: 'a batch that names its transaction is appended, since its guard is said to be ahead of it',
    edits: [
      {
        file: 'journal/transactions.ts',
        from: 'if (open === null || known?.producerEpoch !== producerEpoch) return false;',
        to: 'if (transaction !== undefined) return true;\n  if (open === null || known?.producerEpoch !== producerEpoch) return false;',
      },
    ],
    checkers: ['transactions'],
    hunt: ENLISTING,
  },
  {
    name: 'hold-batches-of-others',
    says: 'batches that wait for their partitions to join are not copied, and their buffers are used again',
    edits: [
      {
        file: 'broker/transactional-batches.ts',
        from: '({ ...batch, records: Buffer.from(batch.records) })',
        to: 'batch',
      },
    ],
    checkers: ['liveness'],
    hunt: ENLISTING,
  },
  {
    name: 'show-aborted-records',
    says: 'readers are not told which transactions were aborted',
    edits: [
      {
        file: 'journal/guards.ts',
        from: 'if (firstOffset < 0) return state;',
        to: 'return state;',
      },
    ],
    checkers: ['transactions'],
    hunt: { ...ONE, more: { load: { transactionalWriters: 3 } } },
  },
  {
    name: 'show-open-transactions',
    says: 'the last stable offset is the high watermark',
    edits: [
      {
        file: 'journal/transactions.ts',
        from: 'Math.max(logStartOffset, unstable[0]?.firstOffset ?? nextOffset);',
        to: 'Math.max(logStartOffset, nextOffset, unstable.length - unstable.length);',
      },
    ],
    checkers: ['transactions'],
    hunt: { ...ONE, more: { load: { transactionalWriters: 3 } } },
  },
  {
    name: 'out-of-range-without-confirmation',
    says: 'a leader that was deposed tells consumers that their offsets are out of range',
    edits: [
      {
        file: 'log/locate-here.ts',
        from: 'const isLeader = await journal.confirmLeadership();',
        to: 'const isLeader = true;',
      },
    ],
    checkers: ['acknowledged records'],
    hunt: {
      ...MANY_FREEZES,
      seeds: 40,
      more: { nemesis: { freezeEveryMs: 2_000 }, load: { tailReaders: 5, randomReaders: 5 } },
    },
  },
  {
    name: 'list-offsets-without-confirmation',
    says: 'a leader that was deposed says where logs end',
    edits: [
      {
        file: 'log/offsets.ts',
        from: 'const led = await locator.confirmed(id);',
        to: 'const led = locator.mustLead(id);',
      },
    ],
    checkers: ['offsets'],
    hunt: MANY_FREEZES,
  },
  {
    name: 'offsets-without-confirmation',
    says: 'a coordinator that was deposed says what is committed',
    edits: [
      {
        file: 'coordinator/group/offsets/offsets.ts',
        from: 'await this.#queue(journal).confirm();\n    requireLeading(journal);',
        to: 'requireLeading(journal);',
      },
    ],
    checkers: ['committed offsets'],
    hunt: { ...MANY_FREEZES, more: { nemesis: { freezeEveryMs: 3_000 }, load: { committers: 3, classicGroups: [3] } } },
  },
  {
    name: 'assign-without-confirmation',
    says: 'a coordinator that was deposed tells members of a group what to own',
    edits: [
      {
        file: 'coordinator/coordinator-error.ts',
        from: 'if (await journal.confirmLeadership()) return;',
        to: 'return;',
      },
    ],
    checkers: ['consumer epochs'],
    hunt: { ...MANY_FREEZES, seeds: 40, more: { nemesis: { freezeEveryMs: 3_000 }, load: { consumerGroups: [4, 4] } } },
  },
  {
    name: 'condemn-referenced',
    says: 'segments that extents refer to are condemned and deleted',
    edits: [
      {
        file: 'journal/decide-change.ts',
        from: '(id) => !draft.condemned.has(id) && !draft.segments.has(id) && !context.isNamed(id),',
        to: '(id) => !draft.condemned.has(id) && context !== undefined,',
      },
      {
        file: 'lifecycle/reclaim.ts',
        from: 'left = left.filter((segmentId) => !referenced.has(segmentId));',
        to: '',
      },
    ],
    checkers: ['segments'],
    hunt: ONE,
  },
  {
    name: 'condemn-what-a-recovery-needs',
    says: 'segments that entries above the durable snapshot name are condemned and deleted',
    edits: [
      {
        file: 'journal/leader.ts',
        from: 'this.#queue.names(segmentId) || this.#uncovered.names(segmentId)',
        to: 'this.#queue.names(segmentId)',
      },
    ],
    checkers: ['segments'],
    hunt: SELDOM_SNAPSHOTS,
  },
  {
    name: 'delete-without-agreement',
    says: 'a segment is deleted although a journal would not condemn it',
    edits: [
      {
        file: 'lifecycle/reclaim.ts',
        from: 'if (journals === null || against.length > 0)',
        to: 'if (journals === null || against.length > 1_000_000)',
      },
    ],
    checkers: ['segments'],
    hunt: { ...FOUR, seeds: 20 },
  },
  {
    name: 'delete-a-segment-early',
    says: 'a condemned segment is deleted at once',
    edits: [
      {
        file: 'lifecycle/reclaim.ts',
        from: 'if (now - at >= delayMs) due.push(segmentId);',
        to: 'if (now - at >= 0 && delayMs > 0) due.push(segmentId);',
      },
    ],
    checkers: ['segments'],
    hunt: ONE,
  },
  {
    name: 'never-reclaim',
    says: 'nothing looks for segments that nobody refers to',
    edits: [
      {
        file: 'lifecycle/reclaim.ts',
        from: 'if (this.#condemned.size === 0) return 0;',
        to: 'if (this.#condemned.size >= 0) return 0;',
      },
    ],
    checkers: ['segments'],
    hunt: { ...ONE, seeds: 4, minutes: 0.1 },
  },
  {
    name: 'keep-old-snapshots',
    says: 'snapshots stay when newer ones took their place',
    edits: [
      {
        file: 'journal/maintenance.ts',
        from: 'await store.deleteSnapshots(old.slice(0, DELETE_BATCH_COUNT_MAX));',
        to: '',
      },
    ],
    checkers: ['segments'],
    hunt: { ...ONE, seeds: 4, minutes: 0.1 },
  },
  {
    name: 'retain-by-a-wrong-clock',
    says: 'retention trusts the clock of a broker that is far off',
    edits: [
      {
        file: 'lifecycle/lifecycle.ts',
        from: 'await this.#storeClock.check(signal);',
        to: 'signal.throwIfAborted();',
      },
    ],
    checkers: ['acknowledged records'],
    hunt: { ...ONE, seeds: 20, more: { nemesis: { clockJumpEveryMs: 3_000, clockSkewMsMax: 900_000 } } },
  },
  {
    name: 'merge-moves-records',
    says: 'a merge gives the last of its extents wrong offsets',
    edits: [
      {
        file: 'lifecycle/rewrite.ts',
        from: 'let offset = extent.baseOffset;',
        to: 'let offset = extent.baseOffset + (extents.length > 1 && extent === extents.at(-1) ? 1 : 0);',
      },
    ],
    checkers: ['offsets', 'liveness'],
    hunt: ONE,
  },
  {
    name: 'time-search-skips-the-first',
    says: 'the offset of a moment is that of a later record',
    edits: [
      {
        file: 'log/offsets.ts',
        from: 'isIt: (t) => t >= timestamp,',
        to: 'isIt: (t) => t > timestamp,',
      },
    ],
    checkers: ['offsets'],
    hunt: ONE,
  },
  {
    name: 'recycle-what-is-read',
    says: 'the memory of an answer is used again before the answer has left',
    edits: [
      {
        file: 'log/fetch.ts',
        from: 'lease.keepOnly(cutter.chunks);',
        to: 'lease.keepOnly(cutter.chunks); lease.end();',
      },
    ],
    checkers: ['offsets', 'liveness'],
    hunt: ONE,
  },
  {
    name: 'share-record-given-twice',
    says: 'records of a share group that a member holds are given to others',
    edits: [
      {
        file: 'coordinator/share/acquire.ts',
        from: "if (part.state !== 'Available') continue;",
        to: "if (part.state !== 'Available' && part.state !== 'Acquired') continue;",
      },
      {
        file: 'coordinator/share/acquire.ts',
        from: "const released = window.runs.find(({ state }) => state === 'Available');",
        to: "const released = window.runs.find(({ state }) => state === 'Available' || state === 'Acquired');",
      },
    ],
    checkers: ['share deliveries'],
    hunt: { ...ONE, more: { load: { shareGroups: [4] } } },
  },
  {
    name: 'share-acknowledged-by-anybody',
    says: 'a member of a share group may acknowledge what another one holds',
    edits: [
      {
        file: 'coordinator/share/share-partition-state.ts',
        from: "if (part.memberId !== memberId) return 'are acquired by another member';",
        to: 'if (memberId === undefined) return null;',
      },
    ],
    checkers: ['share deliveries'],
    hunt: { ...ONE, seeds: 20, more: { load: { shareGroups: [4] } } },
  },
  {
    name: 'commits-of-fenced-members',
    says: 'a member of an older epoch may commit offsets',
    edits: [
      {
        file: 'coordinator/group/consumer/live-consumer-group.ts',
        from: 'checkConsumerCommit(group, committer);',
        to: 'void checkConsumerCommit; void committer;',
      },
    ],
    checkers: ['fenced commits', 'committed offsets'],
    hunt: { ...ONE, more: { load: { consumerGroups: [4, 4] } } },
  },
  {
    name: 'go-on-after-letting-go',
    says: 'a leader that was asked to let go answers what waits before its last put has ended',
    edits: [
      {
        file: 'journal/leader.ts',
        from: "    this.#rejectQueue();\n    await this.#writing;\n    if (this.role === 'leading') this.#stop('it was handed over');",
        to: '    this.#takesNothing = false;',
      },
    ],
    checkers: ['leadership', 'liveness', 'journal epochs'],
    hunt: CLUSTER,
  },
  {
    name: 'forget-added-journals',
    says: 'a broker that starts again has as many journals as its configuration says',
    edits: [
      {
        file: 'cluster/registration.ts',
        from: "keeping them');\n      return count;",
        to: "keeping them');\n      return wanted;",
      },
    ],
    checkers: ['leadership', 'acknowledged records', 'topics at rest', 'liveness'],
    hunt: GROWING,
  },
  {
    name: 'two-controllers',
    says: 'a controller that was succeeded goes on writing assignments',
    edits: [
      {
        file: 'cluster/controller.ts',
        from: 'const condition = before === null ? ABSENT : whenEquals({ nonce: before.nonce });',
        to: 'const condition = before === null ? ABSENT : ALWAYS;',
      },
      {
        file: 'cluster/controller.ts',
        from: 'import { ABSENT,',
        to: 'import { ALWAYS, ABSENT,',
      },
    ],
    checkers: ['assignments'],
    hunt: { ...PARTED, more: { nemesis: { partitionEveryMs: 2_000, killEveryMs: 3_000 } } },
  },
  {
    name: 'never-balance',
    says: 'journals stay where they were first assigned',
    edits: [
      {
        file: 'cluster/controller.ts',
        from: 'const balanced = decideAssignments({ ...facts, balance: true }, item);',
        to: 'const balanced = decideAssignments({ ...facts, balance: false }, item);',
      },
    ],
    checkers: ['leadership'],
    hunt: { ...CLUSTER, seeds: 6, journals: 6, minutes: 0.1 },
  },
];
