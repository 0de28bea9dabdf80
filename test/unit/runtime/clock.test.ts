import { afterEach, expect, test, vi } from 'vitest';
import { systemTimers } from '../../../src/runtime/clock.ts';

afterEach(() => vi.restoreAllMocks());

test('a moment that is past comes soon, and Node has nothing to warn of', async () => {
  const warned = vi.spyOn(process, 'emitWarning');
  await new Promise<void>((resolve) => systemTimers.after(-0.05, resolve, { keepAlive: true }));
  await new Promise<void>((resolve) => systemTimers.after(-1e9, resolve, { keepAlive: true }));
  expect(warned).not.toHaveBeenCalled();
});
