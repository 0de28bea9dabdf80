/** What becomes of the assignments when an administrator asks for something. Pure. */
import { KafkaError } from '../errors.ts';
import type { ControllerItem } from './cluster-items.ts';
import type { Surroundings } from './controller.ts';
import type { ControllerRequest } from './membership-methods.ts';

/** Null: it holds already. Throws a KafkaError when it makes no sense. */
export function amendment(
  request: ControllerRequest,
  item: ControllerItem,
  surroundings: Surroundings,
): Partial<ControllerItem> | null {
  switch (request.type) {
    case 'move':
      return moved(request.journal, request.brokerId, item, surroundings);
    case 'drain':
      return drained(request.brokerId, item, surroundings);
    case 'undrain': {
      if (item.drained[request.brokerId] === undefined) return null;
      const { [request.brokerId]: _, ...others } = item.drained;
      return { drained: others };
    }
    case 'grow':
      return surroundings.journals > item.assigned.length ? {} : null;
  }
}

function moved(journal: number, brokerId: number, item: ControllerItem, { journals, brokers, epochOf }: Surroundings) {
  if (!(journal < journals)) throw new KafkaError('RESOURCE_NOT_FOUND', `there is no journal ${journal}`);
  const broker = brokers.find((candidate) => candidate.brokerId === brokerId);
  if (broker === undefined || broker.doubtful) {
    throw new KafkaError('BROKER_NOT_AVAILABLE', `broker ${brokerId} is not there`);
  }
  if (!broker.eligible) {
    const drainedEpoch = item.drained[brokerId];
    const isDrained = drainedEpoch !== undefined && drainedEpoch === epochOf(brokerId);
    const why = isDrained ? 'is drained: undrain it first' : 'is about to stop, or cannot write to the table';
    throw new KafkaError('INVALID_REQUEST', `broker ${brokerId} ${why}`);
  }
  if (item.assigned[journal] === brokerId && item.pinned[journal] === brokerId) return null;
  const assigned = [...item.assigned];
  assigned[journal] = brokerId;
  return { assigned, pinned: { ...item.pinned, [journal]: brokerId } };
}

function drained(brokerId: number, item: ControllerItem, { brokers, epochOf }: Surroundings) {
  const brokerEpoch = epochOf(brokerId);
  const isThere = brokers.some((candidate) => candidate.brokerId === brokerId);
  if (brokerEpoch === undefined || !isThere) {
    throw new KafkaError('BROKER_NOT_AVAILABLE', `broker ${brokerId} is not there`);
  }
  if (item.drained[brokerId] === brokerEpoch) return null;
  if (!brokers.some((candidate) => candidate.eligible && candidate.brokerId !== brokerId)) {
    throw new KafkaError('INVALID_REQUEST', `broker ${brokerId} is the only one that can lead journals`);
  }
  return { drained: { ...item.drained, [brokerId]: brokerEpoch } };
}
