import { expect, test } from 'vitest';
import { ByteGate } from '../../../src/broker/byte-gate.ts';

test('a gate is full beyond its limit, and until half of it is free again', () => {
  const gate = new ByteGate(100);
  gate.add(100);
  expect(gate.full).toBe(false);
  gate.add(1);
  expect(gate.full).toBe(true);
  gate.remove(50);
  expect(gate.full).toBe(true);
  gate.remove(1);
  expect(gate.full).toBe(false);
});

test('who waits is called when it is relieved, in order, and those after the one that fills it again wait on', () => {
  const gate = new ByteGate(100);
  gate.add(200);
  const called: string[] = [];
  gate.whenRelieved(() => called.push('first'));
  gate.whenRelieved(() => {
    called.push('second');
    gate.add(150);
  });
  gate.whenRelieved(() => called.push('third'));
  gate.remove(200);
  expect(called).toEqual(['first', 'second']);
  gate.remove(150);
  expect(called).toEqual(['first', 'second', 'third']);
});

test('who asks while it is not full is called at once', () => {
  let called = false;
  new ByteGate(1).whenRelieved(() => {
    called = true;
  });
  expect(called).toBe(true);
});
