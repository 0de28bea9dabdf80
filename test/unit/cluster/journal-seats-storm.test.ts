/**
 * Brokers that are told to lead, to let go, to stop and to start in any order, on stores that fail and a network that loses:
 * what was acknowledged is there once and in order, and whoever is told that leading begins is told that it ends.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JournalSeat } from '../../../src/cluster/journal-seat.ts';
import { KafkaError } from '../../../src/errors.ts';
import { createTopic, inlineAppend, lane, TOPIC } from '../journal/harness.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import { NEVER, type SeatedBroker, SeatsWorld } from './seats-world.ts';

const BROKERS = [1, 2, 3];

type Step =
  | { readonly type: 'lead' | 'relinquish' | 'append' | 'giveUp' | 'tell' | 'restart'; readonly broker: number }
  | { readonly type: 'cut'; readonly broker: number; readonly when: 'before' | 'after' | 'never' }
  | { readonly type: 'storm'; readonly broker: number; readonly fault: 'error-before' | 'answer-lost' | 'late-effect' }
  | { readonly type: 'calm' | 'wait' };

const broker = fc.constantFrom(...BROKERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('lead' as const), broker }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('relinquish' as const), broker }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('append' as const), broker }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('giveUp' as const), broker }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('tell' as const), broker }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), broker }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('cut' as const),
      broker,
      when: fc.constantFrom('before', 'after', 'never'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('storm' as const),
      broker,
      fault: fc.constantFrom('error-before', 'answer-lost', 'late-effect'),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ type: 'calm' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ type: 'wait' }) },
);

/** One broker's ingest: sends in order, and again until it is answered, as a lane does. */
class Sender {
  readonly acknowledged = new Map<number, number>();
  next = 0;
  readonly #seat: () => JournalSeat;
  readonly #lane: ReturnType<typeof lane>;
  #busy = false;

  constructor(seat: () => JournalSeat, brokerId: number, brokerEpoch: number) {
    this.#seat = seat;
    this.#lane = lane(brokerEpoch, 0, brokerId);
  }

  /** What one batch of it is found by. */
  stamp(number: number): number {
    return (this.#lane.brokerId * 1_000 + this.#lane.brokerEpoch) * 1_000 + number;
  }

  async send(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const number = this.next;
    const wish = { maxTimestamp: this.stamp(number), length: 10 };
    try {
      const { answers } = await this.#seat().append(inlineAppend({ lane: this.#lane, number }, [{ batches: [wish] }]));
      const [answer] = answers[0]!;
      if (answer!.type === 'appended') this.acknowledged.set(number, answer!.baseOffset);
      this.next++;
    } catch (cause) {
      if (!(cause instanceof KafkaError)) throw cause;
    } finally {
      this.#busy = false;
    }
  }
}

class Storm {
  readonly runtime = virtualRuntime();
  readonly world = new SeatsWorld(1);
  readonly brokers = new Map<number, SeatedBroker>();
  readonly senders: Sender[] = [];
  readonly current = new Map<number, Sender>();
  readonly attempts = new Map<number, AbortController>();
  readonly leading = new Map<SeatedBroker, number>();
  readonly underWay: Promise<unknown>[] = [];
  #epoch = 0;

  start(brokerId: number): void {
    const brokerEpoch = ++this.#epoch;
    const started = this.world.broker(brokerId, { brokerEpoch, runtime: this.runtime });
    this.brokers.set(brokerId, started);
    this.leading.set(started, 0);
    started.seats.whileLeading((journal) => {
      expect(journal.role).toBe('leading');
      expect(this.leading.get(started)).toBe(0);
      this.leading.set(started, 1);
      return () => {
        expect(journal.role).not.toBe('leading');
        expect([...journal.state.partitions()]).toEqual([]);
        this.leading.set(started, 0);
      };
    });
    const sender = new Sender(() => started.seats.get(0)!, brokerId, brokerEpoch);
    this.current.set(brokerId, sender);
    this.senders.push(sender);
  }

  perform(step: Step): void {
    if (!('broker' in step)) {
      if (step.type === 'wait') return;
      this.world.network.cut.clear();
      for (const { faults } of this.world.brokers) faults.heal();
      return;
    }
    const acting = this.brokers.get(step.broker)!;
    switch (step.type) {
      case 'lead': {
        const abort = new AbortController();
        this.attempts.set(step.broker, abort);
        const others = [...this.brokers.values()].filter((other) => other !== acting);
        const handOver = async () => {
          await Promise.race([
            Promise.all(others.map(({ seats }) => seats.relinquish(0))),
            new Promise<void>((resolve) => this.runtime.timers.after(500, resolve)),
          ]);
        };
        const led = acting.seats.lead(0, { signal: abort.signal, handOver }).then(() => this.tell(acting));
        this.underWay.push(led.catch(() => {}));
        break;
      }
      case 'relinquish':
        this.underWay.push(acting.seats.relinquish(0));
        break;
      case 'append':
        this.underWay.push(this.current.get(step.broker)!.send());
        break;
      case 'giveUp':
        this.attempts.get(step.broker)?.abort(new Error('given up'));
        break;
      case 'tell':
        this.tell(acting);
        break;
      case 'restart':
        this.underWay.push(acting.seats.close());
        this.start(step.broker);
        break;
      case 'cut':
        if (step.when === 'never') this.world.network.cut.delete(step.broker);
        else this.world.network.cut.set(step.broker, step.when);
        break;
      case 'storm':
        acting.faults.plan = { faults: { [step.fault]: 0.5 } };
        break;
    }
  }

  tell({ brokerId, seats }: SeatedBroker): void {
    this.world.leaders.set(0, { brokerId, epoch: seats.get(0)!.epoch });
  }

  check(log: readonly number[]): void {
    expect(new Set(log).size).toBe(log.length);
    for (const sender of this.senders) {
      for (const [number, offset] of sender.acknowledged) expect(log[offset]).toBe(sender.stamp(number));
      const own = log.filter((stamp) => Math.floor(stamp / 1_000) === Math.floor(sender.stamp(0) / 1_000));
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
    for (const [started, count] of this.leading) {
      expect(started.seats.get(0)!.role === 'leading' ? 1 : 0).toBe(count);
    }
  }
}

/** Gives microtasks, and what timers of the virtual runtime bring, their turns. */
const turns = async (count: number) => {
  for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve));
};

test('brokers in a storm of orders and faults keep what they acknowledged, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const storm = new Storm();
      for (const brokerId of BROKERS) storm.start(brokerId);
      const first = storm.brokers.get(1)!;
      await storm.world.lead(first);
      await createTopic(first.seats.get(0) as never);
      for (const each of steps) {
        storm.perform(each);
        await turns(each.type === 'wait' ? 6 : 1);
      }
      storm.perform({ type: 'calm' });
      await Promise.all(storm.underWay);
      const last = storm.brokers.get(2)!;
      await last.seats.lead(0, { signal: NEVER });
      storm.tell(last);
      // Who was succeeded without knowing it finds out by the first.
      for (const brokerId of [...BROKERS, ...BROKERS]) await storm.current.get(brokerId)!.send();
      const partition = last.seats.get(0)!.state.partition(TOPIC, 0)!;
      storm.check([...partition.extents].map(({ maxTimestamp }) => maxTimestamp));
      expect(partition.nextOffset).toBeGreaterThanOrEqual(3);
      await storm.world.close();
      for (const count of storm.leading.values()) expect(count).toBe(0);
    }),
    { numRuns: Number(process.env['STORM_RUNS'] ?? 60) },
  );
}, 120_000);
