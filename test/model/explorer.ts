/** Breadth first through all worlds that can be reached; the first violation found is one of the shortest. */
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
