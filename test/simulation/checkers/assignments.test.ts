import { describe, expect, test } from 'vitest';
import type { ControllerItem } from '../../../src/cluster/cluster-items.ts';
import type { HistoryEvent } from '../history.ts';
import { assignments } from './assignments.ts';
import { see } from './events.ts';

const ITEM: ControllerItem = {
  brokerId: 1,
  brokerEpoch: 7,
  controllerEpoch: 1,
  version: 1,
  assigned: [1, 2],
  pinned: {},
  drained: {},
  nonce: '',
};
const put = (more: Partial<ControllerItem>, process = 'b1.1'): HistoryEvent => ({
  type: 'controllerPut',
  item: { ...ITEM, ...more },
  process,
});
const first = put({});
const successor = { brokerId: 2, brokerEpoch: 3, controllerEpoch: 2 };

test('versions one after the other pass, also those of the next controller', () => {
  expect(see(assignments(), first, put({ version: 2 }), put({ ...successor, version: 3 }, 'b2.1'))).toBeNull();
});

test('a version that was written before, or left out, is a violation', () => {
  expect(see(assignments(), first, put({ version: 1 }))).toMatch(/version 1 .* after version 1/);
  expect(see(assignments(), first, put({ version: 3 }))).toMatch(/version 3 .* after version 1/);
});

test('a controller that was succeeded writes nothing any more', () => {
  const succeeded = [first, put({ ...successor, version: 2 }, 'b2.1')];
  expect(see(assignments(), ...succeeded, put({ version: 3 }))).toMatch(/epoch 1 after epoch 2/);
});

test('two controllers of one epoch, and an epoch that is left out, are violations', () => {
  const rival = { ...successor, version: 2 };
  expect(see(assignments(), first, put({ ...rival, controllerEpoch: 1 }, 'b2.1'))).toMatch(/the epoch of b1\.1/);
  expect(see(assignments(), first, put({ ...rival, controllerEpoch: 3 }, 'b2.1'))).toMatch(/after epoch 1/);
});

test('a process that writes as another one is a violation', () => {
  const serves: HistoryEvent = { type: 'processServes', process: 'b1.2', brokerId: 1, brokerEpoch: 7 };
  expect(see(assignments(), first, serves)).toMatch(/which is b1\.1/);
});

test('a journal that is forgotten is a violation', () => {
  expect(see(assignments(), first, put({ version: 2, assigned: [1] }))).toMatch(/forgets journals/);
});

describe('journals that are added', () => {
  const counted = (count: number): HistoryEvent => ({ type: 'journalsCounted', count, process: 'b1.1' });
  const added = (count: number): HistoryEvent => ({ type: 'journalsAdded', count, process: 'b2.1' });

  test('are assigned once they are there', () => {
    const grown = [counted(2), first, counted(3), put({ version: 2, assigned: [1, 2, 1] })];
    expect(see(assignments(), ...grown, added(3))).toBeNull();
    expect(see(assignments(), counted(2), first, put({ version: 2, assigned: [1, 2, 1] }))).toMatch(/there are 2/);
  });

  test('are never taken away', () => {
    expect(see(assignments(), counted(2), counted(1))).toMatch(/makes it 1 journals, there were 2/);
  });

  test('are there when an administrator is told so', () => {
    expect(see(assignments(), counted(2), added(3))).toMatch(/says that there are 3 journals, there are 2/);
  });
});
