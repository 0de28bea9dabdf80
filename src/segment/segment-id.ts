/**
 * Names of segments. The id begins with the time, so that listing gives old ones first, and ends in chance, so that two
 * uploads never meet: whoever finds its own key taken wrote it itself.
 *
 *   id   019aa3b5ec00-1-7-42-9f86d081      ms since 1970, 12 hex digits │ broker id │ broker epoch │ number │ 8 hex digits
 *   key  <cluster>/segments/<id>
 *
 * Numbers of one broker epoch grow in the order in which flushes are dispatched. A journal that has condemned and
 * forgotten a segment refuses every append of the same session that names one with this or a lower number, however late.
 */
import type { Clock } from '../runtime/clock.ts';
import { type Random, randomHex } from '../runtime/random.ts';

/** The storage port's ObjectKey, spelled out: this folder does not know stores. */
type SegmentKey = string & { readonly __brand: 'ObjectKey' };

const ID = /^([0-9a-f]{12})-(\d{1,10})-(\d{1,16})-(\d{1,16})-[0-9a-f]{8}$/;

/** Mints the ids of one broker epoch. */
export class SegmentIds {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #session: string;
  #number = 0;

  constructor(clock: Clock, random: Random, brokerId: number, brokerEpoch: number) {
    this.#clock = clock;
    this.#random = random;
    this.#session = `${brokerId}-${brokerEpoch}`;
  }

  next(): string {
    const time = Math.max(0, Math.floor(this.#clock.now())).toString(16).padStart(12, '0');
    return `${time}-${this.#session}-${this.#number++}-${randomHex(this.#random, 4)}`;
  }
}

/** Prefix of every segment's key, for listing. */
export const segmentPrefix = (clusterId: string): string => `${clusterId}/segments/`;

export const segmentKey = (clusterId: string, id: string): SegmentKey =>
  `${segmentPrefix(clusterId)}${id}` as SegmentKey;

/** Null for a key that names no segment of this cluster. */
export function segmentIdOfKey(clusterId: string, key: string): string | null {
  const prefix = segmentPrefix(clusterId);
  if (!key.startsWith(prefix)) return null;
  const id = key.slice(prefix.length);
  return ID.test(id) ? id : null;
}

export interface SegmentIdParts {
  /** By the clock of the broker that wrote it, milliseconds since 1970. */
  readonly createdAt: number;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** Place among the ids of this broker epoch. */
  readonly number: number;
}

/** Null for text that is not a segment id. */
export function parseSegmentId(id: string): SegmentIdParts | null {
  const match = ID.exec(id);
  if (!match) return null;
  const [, time, brokerId, brokerEpoch, number] = match;
  return {
    createdAt: Number.parseInt(time!, 16),
    brokerId: Number(brokerId),
    brokerEpoch: Number(brokerEpoch),
    number: Number(number),
  };
}
