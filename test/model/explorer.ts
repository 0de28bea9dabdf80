/**
 * Breadth first through all worlds that can be reached; the first violation found is one of the shortest. Or at random
 * through more than can be visited.
 */
import { seededRandom } from '../unit/storage/virtual-runtime.ts';
import { Violation } from './violation.ts';

/** What can happen next. A thrown Violation belongs to the action by which it was visited. */
export interface Steps<W> {
  successors(world: W, visit: (action: string, next: () => W) => void): void;
}

export interface Exploration {
  readonly worlds: number;
  /** True when the bound on worlds ended it. */
  readonly cut: boolean;
  readonly depth: number;
  /** Null when no invariant was broken. */
  readonly violation: { readonly message: string; readonly trace: readonly string[] } | null;
}

/** Worlds with equal keys are one world. */
export function explore<W>(
  actions: Steps<W>,
  initial: W,
  keyOf: (world: W) => number | string,
  worldsMax: number,
): Exploration {
  const seen = new Set<number | string>([keyOf(initial)]);
  // How each world was reached: its parent and the action, by number.
  const parents: number[] = [-1];
  const labels: string[] = [''];
  let frontier: { world: W; at: number }[] = [{ world: initial, at: 0 }];
  let depth = 0;
  const trace = (at: number, last: string) => {
    const steps = [last];
    for (let step = at; step > 0; step = parents[step]!) steps.unshift(labels[step]!);
    return steps;
  };
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { world, at } of frontier) {
      let violation: Exploration['violation'] = null;
      actions.successors(world, (action, make) => {
        if (violation) return;
        try {
          const successor = make();
          const key = keyOf(successor);
          if (seen.has(key)) return;
          seen.add(key);
          next.push({ world: successor, at: parents.length });
          parents.push(at);
          labels.push(action);
        } catch (cause) {
          if (!(cause instanceof Violation)) throw cause;
          violation = { message: cause.message, trace: trace(at, action) };
        }
      });
      if (violation) return { worlds: seen.size, cut: false, depth, violation };
      if (seen.size > worldsMax) return { worlds: seen.size, cut: true, depth, violation: null };
    }
    frontier = next;
    depth++;
  }
  return { worlds: seen.size, cut: false, depth, violation: null };
}

/** Random ways through worlds that are too many to visit; a seed decides them. Ends with the first violation. */
export function wander<W>(actions: Steps<W>, initial: W, seed: number, walks: number, stepsMax: number): Exploration {
  const random = seededRandom(seed);
  let depth = 0;
  for (let walk = 0; walk < walks; walk++) {
    let world = initial;
    const trace: string[] = [];
    while (trace.length < stepsMax) {
      const possible: { readonly action: string; readonly next: () => W }[] = [];
      actions.successors(world, (action, next) => possible.push({ action, next }));
      if (possible.length === 0) break;
      const { action, next } = possible[Math.floor(random.float() * possible.length)]!;
      trace.push(action);
      try {
        const after = next();
        if (after === world) break; // Nothing is left to happen.
        world = after;
      } catch (cause) {
        if (!(cause instanceof Violation)) throw cause;
        const message = `${cause.message} (seed ${seed}, walk ${walk})`;
        return { worlds: walk, cut: false, depth: trace.length, violation: { message, trace } };
      }
    }
    depth = Math.max(depth, trace.length);
  }
  return { worlds: walks, cut: false, depth, violation: null };
}

/** For the message of a test that expects no violation. */
export const show = ({ violation }: Exploration): string =>
  violation ? `${violation.message}\n${violation.trace.map((action, at) => `${at + 1}. ${action}`).join('\n')}` : '';
