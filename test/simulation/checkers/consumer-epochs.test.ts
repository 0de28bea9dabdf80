import { expect, test } from 'vitest';
import type { HistoryEvent } from '../history.ts';
import { ConsumerEpochs } from './consumer-epochs.ts';
import { see, TOPIC } from './events.ts';

interface Said {
  readonly epoch: number;
  /** Runs of partitions of the one topic. */
  readonly assigned?: string;
  readonly revoking?: string;
}

const runs = (text = '') => (text === '' ? {} : { [TOPIC]: text });

const written = (epoch: number, members: Readonly<Record<string, Said | null>>, targetEpoch = epoch): HistoryEvent => ({
  type: 'recordsChanged',
  owner: 'group/g',
  changes: [
    { key: 'group', value: JSON.stringify({ v: 1, type: 'consumer', epoch, targetEpoch }) },
    ...Object.entries(members).map(([memberId, said]) => ({
      key: `m/${memberId}`,
      value: said && JSON.stringify({ v: 1, ...said, assigned: runs(said.assigned), revoking: runs(said.revoking) }),
    })),
  ],
});

const holds = (memberId: string, ...partitions: number[]): HistoryEvent => ({
  type: 'memberHolds',
  groupId: 'g',
  memberId,
  partitions: partitions.map((partition) => `${TOPIC}-${partition}`),
});

const told = (memberId: string, epoch: number, partitions: number[] | null, changesBefore = 0): HistoryEvent => ({
  type: 'memberTold',
  process: 'p1',
  groupId: 'g',
  memberId,
  instanceId: null,
  epoch,
  assigned: partitions?.map((partition) => `${TOPIC}-${partition}`) ?? null,
  changesBefore,
});

const both = written(2, { a: { epoch: 2, assigned: '0-1' }, b: { epoch: 2, assigned: '2' } });

test('a partition that was given up, or whose owner was fenced, is given to another', () => {
  const revoking = written(3, { a: { epoch: 2, assigned: '0', revoking: '1' } });
  const given = written(3, { a: { epoch: 3, assigned: '0' }, b: { epoch: 3, assigned: '1-2' } });
  expect(see(new ConsumerEpochs(), both, holds('a', 0, 1), revoking, holds('a', 0), given)).toBeNull();
  const fenced = written(3, { a: null, b: { epoch: 3, assigned: '0-2' } });
  expect(see(new ConsumerEpochs(), both, holds('a', 0, 1), fenced)).toBeNull();
});

test('a partition that its owner still holds is given to nobody', () => {
  const given = written(3, { a: { epoch: 3, assigned: '0' }, b: { epoch: 3, assigned: '1-2' } });
  expect(see(new ConsumerEpochs(), both, holds('a', 0, 1), given)).toMatch(/b of group g gets .*-1, which a still/);
});

test('a member that takes what is given to another is a violation, unless it was fenced', () => {
  const given = written(3, { a: { epoch: 3, assigned: '0' }, b: { epoch: 3, assigned: '1-2' } });
  expect(see(new ConsumerEpochs(), both, given, holds('a', 0, 1))).toMatch(/a of group g takes .*-1, .* given to b/);
  const fenced = written(3, { a: null, b: { epoch: 3, assigned: '0-2' } });
  expect(see(new ConsumerEpochs(), both, fenced, holds('a', 0, 1))).toBeNull();
});

test('two members with one partition are a violation, also while one is to give it up', () => {
  expect(
    see(new ConsumerEpochs(), written(1, { a: { epoch: 1, assigned: '0' }, b: { epoch: 1, assigned: '0' } })),
  ).toMatch(/gives .*-0 to a and b/);
  expect(
    see(new ConsumerEpochs(), written(1, { a: { epoch: 1, revoking: '0' }, b: { epoch: 1, assigned: '0' } })),
  ).toMatch(/gives .*-0 to a and b/);
});

test('epochs that go back, or beyond the target, are violations', () => {
  expect(see(new ConsumerEpochs(), both, written(1, {}))).toMatch(/from epoch 2 back to 1/);
  expect(see(new ConsumerEpochs(), both, written(3, {}, 1))).toMatch(/target of epoch 1/);
  expect(see(new ConsumerEpochs(), both, written(3, {}, 4))).toMatch(/target of epoch 4/);
  expect(see(new ConsumerEpochs(), both, written(3, { a: { epoch: 1 } }))).toMatch(/a .*from epoch 2 back to 1/);
  expect(see(new ConsumerEpochs(), both, written(3, { a: { epoch: 4 } }))).toMatch(/at epoch 4, its target at 3/);
});

test('a static member that is away comes back at a lower epoch', () => {
  const away = written(2, { a: { epoch: -2, assigned: '0-1' } });
  expect(see(new ConsumerEpochs(), both, away, written(2, { a: { epoch: 2, assigned: '0-1' } }))).toBeNull();
});

test('a member is told what its journal says, or said since it asked', () => {
  const next = written(3, { a: { epoch: 3, assigned: '0' } });
  expect(see(new ConsumerEpochs(), both, told('a', 2, [0, 1], 1), next, told('a', 2, [0, 1], 1))).toBeNull();
  expect(see(new ConsumerEpochs(), both, next, told('a', 2, [0, 1], 2))).toMatch(/never stood since it asked/);
  expect(see(new ConsumerEpochs(), both, told('a', 2, [0], 1))).toMatch(/never stood since it asked/);
});

test('that nothing changed may be old, but not invented', () => {
  const next = written(3, { a: { epoch: 3, assigned: '0' } });
  expect(see(new ConsumerEpochs(), both, next, told('a', 2, null, 2))).toBeNull();
  expect(see(new ConsumerEpochs(), both, told('a', 7, null, 1))).toMatch(/at which it never was/);
});
