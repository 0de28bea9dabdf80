/**
 * The queue of a journal let go of what had left it only when it was empty. One that always has something waiting, as when
 * many brokers append at once, kept every append it ever had, and the records of small ones with it, until memory ran out.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type Proposal, ProposalQueue } from '../../src/journal/proposals.ts';
import { inlineAppend, lane } from '../unit/journal/harness.ts';

const COUNT = 2_000;

test('what left the queue is not kept while others wait', () => {
  const queue = new ProposalQueue();
  const bodies: WeakRef<Uint8Array>[] = [];
  const push = (number: number) => {
    const body = new Uint8Array(1_024);
    bodies.push(new WeakRef(body));
    const request = inlineAppend({ lane: lane(1), number }, [{ batches: [{}] }]);
    queue.push({ type: 'append', request, body, bytesMax: 2_000, resolve: () => {}, reject: () => {} });
  };
  push(0);
  const order: number[] = [];
  for (let number = 1; number < COUNT; number++) {
    push(number);
    order.push(numberOf(queue.shift()));
  }
  expect(order).toEqual(Array.from({ length: COUNT - 1 }, (_, number) => number));
  expect(queue.length).toBe(1);
  setFlagsFromString('--expose-gc');
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    runInNewContext('gc')();
    expect(bodies.filter((body) => body.deref() !== undefined).length).toBeLessThan(COUNT / 10);
    expect(numberOf(queue.drain()[0]!)).toBe(COUNT - 1);
  });
});

const numberOf = (proposal: Proposal): number => (proposal.type === 'append' ? proposal.request.number : -1);
