/**
 * `node --import ./test/simulation/mutation-hooks.ts test/simulation/mutant.ts '{"seed":1,…}'` with MUTATION=name
 *
 * Runs seeds on a broken broker until a checker finds something, and says on the last line what that was, as JSON.
 */
import type { Hunt, Verdict } from './mutations.ts';
import { SimulationFailure, simulate } from './simulation.ts';

const { seed: first, seeds, minutes, journals, brokers, more }: Hunt = JSON.parse(process.argv[2]!);

async function hunt(): Promise<Verdict> {
  const startedAt = performance.now();
  const seconds = () => Math.round(performance.now() - startedAt) / 1_000;
  let simulatedMs = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    let elapsedMs = 0;
    try {
      const report = await simulate({ seed, minutes, journals, brokers, ...(more && { more }) });
      simulatedMs += report.elapsedMs;
    } catch (failure) {
      if (!(failure instanceof SimulationFailure)) throw failure;
      elapsedMs = failure.elapsedMs;
      const [message = ''] = failure.message.split('\n');
      const simulatedMinutes = (simulatedMs + elapsedMs) / 60_000;
      return { caught: true, seed, checker: failure.checker, message, simulatedMinutes, wallSeconds: seconds() };
    }
  }
  return { caught: false, seeds, simulatedMinutes: simulatedMs / 60_000, wallSeconds: seconds() };
}

process.stdout.write(`${JSON.stringify(await hunt())}\n`);
