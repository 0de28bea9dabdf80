/** What zod checks here: what people send over HTTP, and what other brokers say. */
import { z } from 'zod';

/** How many of something, or its number in a row. */
export const count = z.int().min(0);

/** The first thing that is wrong, with its place: `.internal.port: Too big: expected number to be <=65535`. */
export function firstIssue({ issues: [issue] }: z.ZodError): string {
  const path = issue!.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return `${path}: ${issue!.message}`;
}
