/** The server-side assignors by the names that members ask for them with. */
import type { Assignor } from './assignor.ts';
import { range } from './range.ts';
import { uniform } from './uniform.ts';

export const ASSIGNORS = { uniform, range } as const satisfies Record<string, Assignor>;

export type AssignorName = keyof typeof ASSIGNORS;

export const isAssignorName = (name: string): name is AssignorName => Object.hasOwn(ASSIGNORS, name);
