/** What clients send as acknowledgements of one partition, checked as Kafka does it. */
import { KafkaError } from '../../errors.ts';
import { ACKNOWLEDGE_TYPES, type Acknowledgement } from './share-partition-state.ts';

export interface AcknowledgementBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** One for all of them, or one each. */
  readonly acknowledgeTypes: readonly number[];
}

export interface AcknowledgementRules {
  /** Version 2 of the APIs can renew locks. */
  readonly typeMax: number;
  /** The request must say that it does. */
  readonly renews: boolean;
}

/** In order, neighbours of one type together. Throws INVALID_REQUEST. */
export function readAcknowledgements(
  batches: readonly AcknowledgementBatch[],
  rules: AcknowledgementRules,
): Acknowledgement[] {
  const acknowledgements: Acknowledgement[] = [];
  let previousLast = -1;
  for (const { firstOffset: first, lastOffset: last, acknowledgeTypes: types } of batches) {
    const count = last - first + 1;
    if (first > last || first <= previousLast) throw invalid(`records ${first} to ${last} are out of order`);
    if (types.length !== 1 && types.length !== count) throw invalid(`${types.length} types for ${count} records`);
    for (const type of types) checkType(type, rules);
    for (const run of runsOf(first, types)) acknowledgements.push(types.length === 1 ? { ...run, last } : run);
    previousLast = last;
  }
  return acknowledgements;
}

function checkType(type: number, { typeMax, renews }: AcknowledgementRules): void {
  if (type < 0 || type > typeMax) throw invalid(`there is no acknowledge type ${type}`);
  if (type === ACKNOWLEDGE_TYPES.renew && !renews) throw invalid('the request does not say that it renews locks');
}

function* runsOf(first: number, types: readonly number[]): Iterable<Acknowledgement> {
  for (let index = 0; index < types.length; ) {
    const begin = index;
    const type = types[index]!;
    while (index < types.length && types[index] === type) index++;
    yield { first: first + begin, last: first + index - 1, type };
  }
}

const invalid = (why: string): KafkaError => new KafkaError('INVALID_REQUEST', `invalid acknowledgements: ${why}`);
