/** Histories written by hand: a clean one, and for each anomaly one that has it and, where it is close, one that has it not. */
import { describe, expect, test } from 'vitest';
import { KINDS, type Kind } from './anomalies.ts';
import { Checker, type Verdict } from './checker.ts';
import { type HistoryEvent, type Outcome, type PolledRecord, VALUES_PER_CLIENT } from './history.ts';

const P = 'orders/0';
const Q = 'orders/1';

/** Each call takes a microsecond, unless a time is given. */
class Script {
  readonly events: HistoryEvent[] = [];
  #at = 0;

  producer(client: number, options: { ordered?: boolean; mayRepeat?: boolean } = { ordered: true }): this {
    return this.#push({ at: ++this.#at, client, f: 'client', name: `producer ${client}`, ...options });
  }

  reader(client: number, isolation: 'read_committed' | 'read_uncommitted' = 'read_committed'): this {
    return this.#push({ at: ++this.#at, client, f: 'client', name: `reader ${client}`, isolation, ordered: true });
  }

  invoke(value: number, partition = P, txn?: number, at = ++this.#at): this {
    const client = Math.floor(value / VALUES_PER_CLIENT);
    return this.#push({ at, client, f: 'send', type: 'invoke', value, partition, ...(txn !== undefined && { txn }) });
  }

  end(value: number, type: Outcome, offset?: number, at = ++this.#at): this {
    const client = Math.floor(value / VALUES_PER_CLIENT);
    return this.#push({ at, client, f: 'send', type, value, ...(offset !== undefined && { offset }) });
  }

  /** Acknowledged. */
  send(value: number, offset: number, partition = P, txn?: number): this {
    return this.invoke(value, partition, txn).end(value, 'ok', offset);
  }

  poll(client: number, pairs: readonly PolledRecord[], partition = P, txn?: number): this {
    const records = { [partition]: pairs };
    return this.#push({ at: ++this.#at, client, f: 'poll', records, ...(txn !== undefined && { txn }) });
  }

  assign(client: number): this {
    return this.#push({ at: ++this.#at, client, f: 'assign' });
  }

  close(client: number, txn: number, commit: boolean, type: 'invoke' | Outcome): this {
    return this.#push({ at: ++this.#at, client, f: 'end', type, txn, commit });
  }

  commit(client: number, txn: number): this {
    return this.close(client, txn, true, 'invoke').close(client, txn, true, 'ok');
  }

  abort(client: number, txn: number): this {
    return this.close(client, txn, false, 'invoke').close(client, txn, false, 'ok');
  }

  offsets(f: 'commit' | 'committed', type: 'invoke' | Outcome, op: number, offset?: number): this {
    const offsets = offset === undefined ? {} : { offsets: { [P]: offset } };
    return this.#push({ at: ++this.#at, client: 9, f, type, op, group: 'readers', ...offsets });
  }

  processed(inputs: readonly number[]): this {
    return this.#push({ at: ++this.#at, client: 9, f: 'processed', inputs });
  }

  trouble(what: string): this {
    return this.#push({ at: ++this.#at, client: 9, f: 'trouble', what });
  }

  check(): Verdict {
    const checker = new Checker();
    for (const event of this.events) checker.add(event);
    return checker.finish();
  }

  #push(event: HistoryEvent): this {
    this.events.push(event);
    return this;
  }
}

const value = (client: number, counter: number) => client * VALUES_PER_CLIENT + counter;
const A0 = value(1, 0);
const A1 = value(1, 1);
const A2 = value(1, 2);
const B0 = value(2, 0);
const B1 = value(2, 1);

const script = () => new Script().producer(1).producer(2).reader(8).reader(9);

function expectOnly(verdict: Verdict, ...kinds: Kind[]): void {
  const found = Object.fromEntries(
    (Object.keys(KINDS) as Kind[])
      .map((kind) => [kind, verdict.anomalies.count(kind)])
      .filter(([, count]) => count !== 0),
  );
  expect(Object.keys(found).sort(), verdict.anomalies.toString()).toEqual([...kinds].sort());
}

describe('records', () => {
  test('a history in which all is well has no anomaly', () => {
    const verdict = script()
      .send(A0, 0)
      .send(B0, 1)
      .send(A1, 0, Q)
      .invoke(B1)
      .end(B1, 'info')
      .invoke(A2)
      .end(A2, 'fail')
      .poll(9, [
        [0, A0],
        [1, B0],
      ])
      .poll(9, [[0, A1]], Q)
      .poll(9, [[2, B1]])
      .assign(9)
      .poll(9, [[0, A0]])
      .check();
    expectOnly(verdict);
    expect(verdict.totals).toMatchObject({ sent: 5, acknowledged: 3, failed: 1, unknown: 1, polled: 5 });
  });

  test('what was acknowledged and is not there, while something later is, was lost', () => {
    const verdict = script()
      .send(A0, 0)
      .send(A1, 1)
      .send(A2, 2)
      .poll(9, [[0, A0]])
      .assign(9)
      .poll(9, [[2, A2]])
      .check();
    expectOnly(verdict, 'lost-write');
    expect(verdict.anomalies.toString()).toContain(
      'value 1 of producer 1, acknowledged at 1 of orders/0, and 2 was polled',
    );
  });

  test('what was acknowledged at the end and nobody saw is unseen', () => {
    expectOnly(
      script()
        .send(A0, 0)
        .send(A1, 1)
        .poll(9, [[0, A0]])
        .check(),
      'unseen',
    );
  });

  test('a value at two offsets is a duplicate', () => {
    const twice = [
      [0, A0],
      [1, A0],
    ] as const;
    expectOnly(script().send(A0, 0).poll(9, twice).check(), 'duplicate');
  });

  test('a value that was acknowledged at another offset than it is at is a duplicate', () => {
    expectOnly(
      script()
        .send(A0, 1)
        .poll(9, [[0, A0]])
        .check(),
      'duplicate',
    );
  });

  test('a producer that may repeat itself may be there twice', () => {
    const verdict = new Script()
      .producer(1, { mayRepeat: true })
      .reader(9)
      .send(A0, 0)
      .poll(9, [
        [0, A0],
        [1, A0],
      ])
      .check();
    expectOnly(verdict);
    expect(verdict.totals.repeated).toBe(1);
  });

  test('two values at one offset are inconsistent, whoever tells', () => {
    expectOnly(
      script()
        .send(A0, 0)
        .send(B0, 0)
        .poll(9, [[0, A0]])
        .check(),
      'inconsistent-offsets',
      'unseen',
    );
    const polls = script()
      .invoke(A0)
      .invoke(B0)
      .poll(8, [[0, A0]])
      .poll(9, [[0, B0]])
      .check();
    expectOnly(polls, 'inconsistent-offsets');
  });

  test('a record has one leader epoch, and later ones none that is earlier', () => {
    const two = () => script().send(A0, 0).send(A1, 1);
    const first = (epoch: number) => [0, A0, epoch] as const;
    expectOnly(
      two()
        .poll(9, [first(3), [1, A1, 4]])
        .assign(9)
        .poll(9, [first(3)])
        .check(),
    );
    expectOnly(
      two()
        .poll(9, [first(3), [1, A1, 4]])
        .poll(8, [first(4)])
        .check(),
      'leader-epochs',
    );
    expectOnly(
      two()
        .poll(9, [first(3), [1, A1, 2]])
        .check(),
      'leader-epochs',
    );
  });

  test('a record that nobody sent is unknown', () => {
    expectOnly(
      script()
        .poll(9, [[0, value(5, 3)]])
        .check(),
      'unknown',
    );
  });

  test('what certainly failed may not be there', () => {
    expectOnly(
      script()
        .invoke(A0)
        .end(A0, 'fail')
        .poll(9, [[0, A0]])
        .check(),
      'aborted-read',
    );
  });
});

describe('order', () => {
  const three = () =>
    script()
      .send(A0, 0)
      .send(A1, 1)
      .send(A2, 2)
      .poll(8, [
        [0, A0],
        [1, A1],
        [2, A2],
      ]);

  test('a poll may not leave a record out', () => {
    expectOnly(
      three()
        .poll(9, [
          [0, A0],
          [2, A2],
        ])
        .check(),
      'skipped-poll',
    );
  });

  test('the next poll goes on where the last ended', () => {
    const verdict = three()
      .poll(9, [[0, A0]])
      .poll(9, [[2, A2]])
      .check();
    expectOnly(verdict, 'skipped-poll');
    expect(verdict.anomalies.toString()).toContain('reader 9 was given 2 of orders/0 after 0, not 1');
  });

  test('a seek may leave records out', () => {
    expectOnly(
      three()
        .poll(9, [[0, A0]])
        .assign(9)
        .poll(9, [[2, A2]])
        .check(),
    );
  });

  test('neither one poll nor the next goes back', () => {
    expectOnly(
      three()
        .poll(9, [
          [1, A1],
          [0, A0],
        ])
        .check(),
      'nonmonotonic-poll',
    );
    expectOnly(
      three()
        .poll(9, [[1, A1]])
        .poll(9, [[1, A1]])
        .check(),
      'nonmonotonic-poll',
    );
  });

  test('sends of an ordered producer stay in their order', () => {
    const pipelined = (ordered: boolean) =>
      new Script()
        .producer(1, { ordered })
        .reader(9)
        .invoke(A0)
        .invoke(A1)
        .end(A1, 'ok', 0)
        .end(A0, 'ok', 1)
        .poll(9, [
          [0, A1],
          [1, A0],
        ])
        .check();
    expectOnly(pipelined(true), 'nonmonotonic-send');
    expectOnly(pipelined(false));
  });

  test('what begins after an acknowledgement comes behind it', () => {
    const later = script()
      .invoke(A0)
      .end(A0, 'ok', 1)
      .invoke(B0)
      .end(B0, 'ok', 0)
      .poll(9, [
        [0, B0],
        [1, A0],
      ])
      .check();
    expectOnly(later, 'realtime-order');
    const meanwhile = script()
      .invoke(A0)
      .invoke(B0)
      .end(A0, 'ok', 1)
      .end(B0, 'ok', 0)
      .poll(9, [
        [0, B0],
        [1, A0],
      ])
      .check();
    expectOnly(meanwhile);
  });

  test('what is heard of out of order is judged by when it happened', () => {
    const events = script()
      .send(A0, 0)
      .send(A1, 1)
      .poll(9, [
        [0, A0],
        [1, A1],
      ]).events;
    const checker = new Checker();
    const polls = events.filter(({ f }) => f === 'client' || f === 'poll');
    for (const event of [...polls, ...events.filter(({ f }) => f === 'send')]) checker.add(event);
    expectOnly(checker.finish());
  });
});

describe('transactions', () => {
  test('one that commits is visible whole, over the gaps that markers and aborted records leave', () => {
    const verdict = script()
      .send(A0, 0, P, 0)
      .send(A1, 0, Q, 0)
      .commit(1, 0)
      .send(B0, 2, P, 0)
      .abort(2, 0)
      .send(A2, 4, P, 1)
      .commit(1, 1)
      .poll(9, [[0, A0]])
      .poll(9, [[0, A1]], Q)
      .poll(9, [[4, A2]])
      .check();
    expectOnly(verdict);
    expect(verdict.totals).toMatchObject({ transactions: 3, committed: 2 });
  });

  test('a reader of committed records may not see what was aborted; one of all records may', () => {
    const aborted = () =>
      new Script().producer(1).reader(9).reader(8, 'read_uncommitted').send(A0, 0, P, 0).abort(1, 0);
    expectOnly(
      aborted()
        .poll(8, [[0, A0]])
        .check(),
    );
    expectOnly(
      aborted()
        .poll(9, [[0, A0]])
        .check(),
      'aborted-read',
    );
  });

  test('one whose client vanished without asking to commit is aborted', () => {
    expectOnly(
      script()
        .send(A0, 0, P, 0)
        .poll(9, [[0, A0]])
        .check(),
      'aborted-read',
    );
  });

  test('nothing is read before somebody asked to commit it', () => {
    const verdict = script()
      .send(A0, 0, P, 0)
      .poll(9, [[0, A0]])
      .commit(1, 0)
      .check();
    expectOnly(verdict, 'precommitted-read');
    expect(verdict.anomalies.toString()).toContain('reader 9 read value 0 of producer 1 at offset 0, of transaction 0');
  });

  test('one that nobody knows the end of is there or not, but not in part', () => {
    const unknown = () =>
      script().send(A0, 0, P, 0).send(A1, 0, Q, 0).close(1, 0, true, 'invoke').close(1, 0, true, 'info');
    expectOnly(unknown().check());
    expectOnly(
      unknown()
        .poll(9, [[0, A0]])
        .poll(9, [[0, A1]], Q)
        .check(),
    );
    expectOnly(
      unknown()
        .poll(9, [[0, A0]])
        .check(),
      'torn-transaction',
      'unseen',
    );
  });

  test('a gap may hide a transaction that was aborted, and no other', () => {
    const inside = (commit: boolean) => {
      const begun = script().send(A0, 0).send(B0, 1, P, 0);
      return (commit ? begun.commit(2, 0) : begun.abort(2, 0)).send(A1, 3).poll(9, [
        [0, A0],
        [3, A1],
      ]);
    };
    expectOnly(inside(false).check());
    expectOnly(inside(true).check(), 'skipped-poll', 'lost-write');
  });

  test('a reader of all records is given aborted ones, too', () => {
    const verdict = new Script()
      .producer(1)
      .reader(8, 'read_uncommitted')
      .send(A0, 0, P, 0)
      .send(A1, 1, P, 0)
      .send(A2, 2, P, 0)
      .abort(1, 0)
      .poll(8, [
        [0, A0],
        [2, A2],
      ])
      .check();
    expectOnly(verdict, 'skipped-poll');
  });

  test('two that read each other are a cycle', () => {
    const verdict = script()
      .send(A0, 0, P, 0)
      .send(B0, 0, Q, 0)
      .poll(1, [[0, B0]], Q, 0)
      .poll(2, [[0, A0]], P, 0)
      .commit(1, 0)
      .commit(2, 0)
      .poll(9, [[0, A0]])
      .poll(9, [[0, B0]], Q)
      .check();
    expectOnly(verdict, 'cycle');
    expect(verdict.anomalies.toString()).toContain('transaction 0 of producer 1 read value 0 of producer 2');
  });

  test('three in a circle are one, a chain is none', () => {
    const chain = (close: boolean) => {
      const begun = script().producer(3).send(A0, 0, P, 0).send(B0, 1, P, 0).send(value(3, 0), 2, P, 0);
      begun.poll(2, [[0, A0]], P, 0).poll(3, [[1, B0]], P, 0);
      if (close) begun.poll(1, [[2, value(3, 0)]], P, 0);
      return begun
        .commit(1, 0)
        .commit(2, 0)
        .commit(3, 0)
        .poll(9, [
          [0, A0],
          [1, B0],
          [2, value(3, 0)],
        ])
        .check();
    };
    expectOnly(chain(false));
    expectOnly(chain(true), 'cycle');
  });
});

describe('chains', () => {
  const T = 'txn/0';
  const both = () =>
    script()
      .send(A0, 0, T)
      .send(A1, 1, T)
      .poll(
        9,
        [
          [0, A0],
          [1, A1],
        ],
        T,
      );

  test('what was read and written once is well', () => {
    expectOnly(both().processed([A0, A1]).check());
  });

  test('nothing is processed twice, and all of it once', () => {
    expectOnly(both().processed([A0]).processed([A1, A0]).check(), 'processed-twice');
    expectOnly(both().processed([A0]).check(), 'never-processed');
  });
});

describe('committed offsets', () => {
  const committed = () => script().offsets('commit', 'invoke', 0, 5).offsets('commit', 'ok', 0);
  const told = (begun: Script, offset: number) =>
    begun.offsets('committed', 'invoke', 10).offsets('committed', 'ok', 10, offset).check();

  test('what was acknowledged last is told', () => {
    expectOnly(told(committed().offsets('commit', 'invoke', 1, 7).offsets('commit', 'ok', 1), 7));
    expectOnly(told(script(), -1));
  });

  test('what was replaced is not told again', () => {
    expectOnly(told(committed().offsets('commit', 'invoke', 1, 7).offsets('commit', 'ok', 1), 5), 'stale-offsets');
    expectOnly(told(committed(), -1), 'stale-offsets');
  });

  test('what nobody knows of may be told or not; what failed may not', () => {
    const unknown = () => committed().offsets('commit', 'invoke', 1, 7).offsets('commit', 'info', 1);
    expectOnly(told(unknown(), 5));
    expectOnly(told(unknown(), 7));
    const failed = committed().offsets('commit', 'invoke', 1, 7).offsets('commit', 'fail', 1);
    expectOnly(told(failed, 7), 'stale-offsets');
  });

  test('of two that were committed at the same time either is told', () => {
    const both = () =>
      script()
        .offsets('commit', 'invoke', 0, 5)
        .offsets('commit', 'invoke', 1, 7)
        .offsets('commit', 'ok', 1)
        .offsets('commit', 'ok', 0);
    expectOnly(told(both(), 5));
    expectOnly(told(both(), 7));
  });
});

test('a commit that certainly failed makes nothing visible', () => {
  const failed = () => script().send(A0, 0, P, 0).close(1, 0, true, 'invoke').close(1, 0, true, 'fail');
  expectOnly(failed().check());
  expectOnly(
    failed()
      .poll(9, [[0, A0]])
      .check(),
    'aborted-read',
  );
});

test('what may not happen to a client is told with its name', () => {
  const verdict = script().trouble('it was told that its offset does not exist').check();
  expectOnly(verdict, 'trouble');
  expect(verdict.anomalies.toString()).toContain('reader 9: it was told');
});

test('of each kind some are told and all are counted', () => {
  const begun = script();
  for (let counter = 0; counter < 50; counter++) begun.send(value(1, counter), counter);
  const { anomalies } = begun.poll(9, [[49, value(1, 49)]]).check();
  expect(anomalies.count('lost-write')).toBe(49);
  expect(anomalies.toString()).toContain('and 29 more');
});
