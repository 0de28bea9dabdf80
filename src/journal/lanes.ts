/**
 * Lanes: the numbered sequence in which one ingest sends to one journal (rule 5). Pure. A repeat gets its first answer, a
 * gap is refused and the sender goes back, an older life of the same broker is superseded.
 */
import { LANE_ANSWERS_KEPT } from '../limits.ts';
import { type AppendException, REFUSAL_MESSAGES } from './entry.ts';
import type { AppendAnswer, BatchAnswer, Lane } from './journal.ts';
import { SharedList } from './shared-list.ts';

export interface LaneState extends Lane {
  /** Number of the last append or skip. */
  readonly last: number;
  /** The newest `LANE_ANSWERS_KEPT`, ascending by number; fewer once they are old. */
  readonly answers: SharedList<LaneAnswer>;
}

export type LaneAnswer = AppendedAnswer | { readonly type: 'skipped'; readonly number: number };

/** What an append was answered, flat: one number per batch and the exceptions. */
export interface AppendedAnswer {
  readonly type: 'appended';
  readonly number: number;
  readonly seq: number;
  readonly entryId: string;
  readonly inlinePosition: number;
  readonly leaderEpoch: number;
  /** Batches per partition, in the order of the request. */
  readonly batchCounts: readonly number[];
  /** Per partition, -1 when it does not exist. */
  readonly logStartOffsets: readonly number[];
  /** Per batch; of refused ones the next offset, of duplicates the first one's. */
  readonly baseOffsets: readonly number[];
  readonly exceptions: readonly AppendException[];
}

export type LaneVerdict =
  | { readonly type: 'next' }
  | { readonly type: 'repeat'; readonly answer: LaneAnswer | undefined }
  | { readonly type: 'gap'; readonly expected: number }
  | { readonly type: 'superseded' };

const NO_ANSWERS = SharedList.of<LaneAnswer>([]);

export const laneKey = (brokerId: number, lane: number): string => `${brokerId}/${lane}`;

export function checkLane(
  known: LaneState | undefined,
  session: number | undefined,
  lane: Lane,
  number: number,
): LaneVerdict {
  if (session !== undefined && lane.brokerEpoch < session) return { type: 'superseded' };
  const current = known?.brokerEpoch === lane.brokerEpoch ? known : undefined;
  const expected = current ? current.last + 1 : 0;
  if (number === expected) return { type: 'next' };
  if (number > expected) return { type: 'gap', expected };
  // Every number up to the last one has an answer, and the newest are kept.
  const answer = current?.answers.at(number - (current.last + 1 - current.answers.length));
  return { type: 'repeat', answer };
}

export function advanceLane(known: LaneState | undefined, lane: Lane, answer: LaneAnswer): LaneState {
  const { brokerId, brokerEpoch, lane: laneId } = lane;
  const kept = known?.brokerEpoch === brokerEpoch ? known.answers : NO_ANSWERS;
  const grown = kept.append(answer);
  const answers = grown.length > LANE_ANSWERS_KEPT ? grown.dropFirst(1) : grown;
  return { brokerId, brokerEpoch, lane: laneId, last: answer.number, answers };
}

/** The lane without its answers when the newest of them was given before entry `seq`; itself otherwise. */
export function forgetAnswers(lane: LaneState, seq: number): LaneState {
  for (let at = lane.answers.length - 1; at >= 0; at--) {
    const answer = lane.answers.at(at)!;
    if (answer.type === 'appended') return answer.seq < seq ? { ...lane, answers: NO_ANSWERS } : lane;
  }
  return lane; // Skips alone take next to nothing.
}

/** The answer in the shape in which callers get it. */
export function unpackAnswer(answer: AppendedAnswer): AppendAnswer {
  const answers: BatchAnswer[][] = [];
  let index = 0;
  let exceptionAt = 0;
  for (const [place, batchCount] of answer.batchCounts.entries()) {
    const logStartOffset = answer.logStartOffsets[place]!;
    const ofPartition: BatchAnswer[] = [];
    for (const end = index + batchCount; index < end; index++) {
      const exception = answer.exceptions[exceptionAt];
      if (exception?.index === index) {
        exceptionAt++;
        ofPartition.push(unpackException(exception, logStartOffset));
      } else {
        const baseOffset = answer.baseOffsets[index]!;
        ofPartition.push({ type: 'appended', baseOffset, leaderEpoch: answer.leaderEpoch, logStartOffset });
      }
    }
    answers.push(ofPartition);
  }
  const { seq, entryId, inlinePosition } = answer;
  return { seq, entryId, inlinePosition, answers };
}

function unpackException(exception: AppendException, logStartOffset: number): BatchAnswer {
  if (exception.type === 'duplicate') {
    const { baseOffset, maxTimestamp } = exception;
    return { type: 'duplicate', baseOffset, maxTimestamp, logStartOffset };
  }
  const { error, nextOffset } = exception;
  return { type: 'refused', error, message: REFUSAL_MESSAGES[error], nextOffset };
}
