import { expect, test } from 'vitest';
import { inTurn } from '../../src/server.ts';

test('what fails to stop leaves nothing after it open, and is told', async () => {
  const stopped: string[] = [];
  const step = (name: string, failure?: string) => async () => {
    stopped.push(name);
    if (failure !== undefined) throw new Error(failure);
  };
  const steps = [step('doors', 'a socket'), step('core'), step('stores', 'a file')];
  await expect(inTurn(steps)).rejects.toThrow('a socket');
  expect(stopped).toEqual(['doors', 'core', 'stores']);
  await expect(inTurn([step('again')])).resolves.toBeUndefined();
});
