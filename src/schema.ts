/** What zod checks here: what people send over HTTP, and what other brokers say. */
import { z } from 'zod';

/** How many of something, or its number in a row. */
export const count = z.int().min(0);

/** The first thing that is wrong, with its place: `.internal.port: Too big: expected number to be <=65535`. */
export function firstIssue({ issues: [issue] }: z.ZodError): string {
  const path = issue!.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return `${path}: ${issue!.message}`;
}

/**
 * An array that may be long. Its check ends at the first thing that is wrong: that of zod's own array tells of all of them,
 * and stops the process for seconds when there are a million.
 */
export function listOf<T>(schema: z.ZodType<T>, countMax = Number.MAX_SAFE_INTEGER): z.ZodType<T[]> {
  return z.custom<T[]>().check(({ value, issues }) => {
    if (!Array.isArray(value)) issues.push(wrong(value, 'expected an array'));
    else if (value.length > countMax) issues.push(wrong(value, `expected ${countMax} at most, not ${value.length}`));
    else issues.push(...firstWrong(value.entries(), schema));
  });
}

/** An object whose members' names are data; as `listOf`. */
export function recordOf<T>(schema: z.ZodType<T>, names = /^/): z.ZodType<Record<string, T>> {
  return z.custom<Record<string, T>>().check(({ value, issues }) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      issues.push(wrong(value, 'expected an object'));
      return;
    }
    const unknown = Object.keys(value).find((name) => !names.test(name));
    if (unknown !== undefined) issues.push(wrong(unknown, 'unexpected name', [unknown]));
    else issues.push(...firstWrong(Object.entries(value), schema));
  });
}

/** Whether there are more than `countMax` values in it, at any depth. */
export function hasMoreValues(value: unknown, countMax: number): boolean {
  const waiting = [value];
  for (let count = 1; waiting.length > 0; ) {
    const next = waiting.pop();
    if (typeof next !== 'object' || next === null) continue;
    for (const each of Object.values(next)) {
      if (++count > countMax) return true;
      waiting.push(each);
    }
  }
  return false;
}

function firstWrong(entries: Iterable<readonly [PropertyKey, unknown]>, schema: z.ZodType): Wrong[] {
  for (const [place, value] of entries) {
    const [issue] = schema.safeParse(value).error?.issues ?? [];
    if (issue) return [wrong(value, issue.message, [place, ...issue.path])];
  }
  return [];
}

const wrong = (input: unknown, message: string, path: PropertyKey[] = []) => ({
  code: 'custom' as const,
  input,
  message,
  path,
});
type Wrong = ReturnType<typeof wrong>;
