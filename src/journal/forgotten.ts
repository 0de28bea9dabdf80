/**
 * What remains of condemned segments once they are deleted and forgotten: one mark per broker. Segment numbers of one
 * broker epoch grow in the order in which uploads are dispatched, so an append that names a segment at or below the mark
 * slept longer than reclaim waits, and its object may be gone. Pure.
 */
import { parseSegmentId } from '../segment/segment-id.ts';

export interface ForgottenMark {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** Highest number that was forgotten. */
  readonly number: number;
}

/** The mark after `segmentId` was forgotten; `mark` itself when it is higher already. */
export function raiseMark(mark: ForgottenMark | undefined, segmentId: string): ForgottenMark | undefined {
  const parts = parseSegmentId(segmentId);
  if (!parts || isBelow(mark, parts)) return mark;
  const { brokerId, brokerEpoch, number } = parts;
  return { brokerId, brokerEpoch, number };
}

export function isForgotten(marks: { get(brokerId: number): ForgottenMark | undefined }, segmentId: string): boolean {
  const parts = parseSegmentId(segmentId);
  return parts !== null && isBelow(marks.get(parts.brokerId), parts);
}

function isBelow(mark: ForgottenMark | undefined, parts: { brokerEpoch: number; number: number }): boolean {
  if (!mark || parts.brokerEpoch > mark.brokerEpoch) return false;
  return parts.brokerEpoch < mark.brokerEpoch || parts.number <= mark.number;
}
