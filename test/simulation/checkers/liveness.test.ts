import { expect, test } from 'vitest';
import { acked, fetched, refused, see, sentBatch } from './events.ts';
import { liveness } from './liveness.ts';

test('an answer passes, also one that asks the client to come again', () => {
  const answered = { type: 'answered', batch: sentBatch(1), process: 'p1' } as const;
  expect(
    see(liveness(), { ...answered, outcome: acked(0) }, { ...answered, outcome: refused() }, fetched()),
  ).toBeNull();
});

test('an internal error is a violation, wherever it shows', () => {
  const outcome = refused({ error: 'UNKNOWN_SERVER_ERROR', message: 'a broken assumption' });
  expect(see(liveness(), { type: 'answered', batch: sentBatch(1), process: 'p1', outcome })).toMatch(
    /broken assumption/,
  );
  expect(see(liveness(), fetched({ error: 'UNKNOWN_SERVER_ERROR' }))).toMatch(/internal error/);
  expect(see(liveness(), { type: 'internalError', process: 'p1', what: 'stops' })).toMatch(/p1: stops/);
});

test('a request without an answer in calm is a violation', () => {
  expect(see(liveness(), { type: 'stuck', what: 'produce at p1', waitedMs: 30_000 })).toMatch(
    /got no answer in 30000 ms/,
  );
});

test('a group that does not come to rest in calm is a violation', () => {
  const unsettled = { type: 'unsettled', groupId: 'g', what: 'nobody has t-0', waitedMs: 60_000 } as const;
  expect(see(liveness(), unsettled)).toMatch(/group g is not at rest in 60000 ms of calm: nobody has t-0/);
});
