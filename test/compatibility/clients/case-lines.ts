/**
 * What a suite prints, whatever language it is written in: a line for the client's version, and one for each case, with
 * tabs between. Anything else that it prints is a remark.
 *
 *     version  2.2.4
 *     pass     CASE
 *     fail     CASE  REASON
 *     skip     CASE  REASON
 */
export interface CaseResult {
  readonly name: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** In one line; empty for what passed. */
  readonly reason: string;
}

export interface SuiteResults {
  readonly version: string;
  readonly cases: readonly CaseResult[];
}

const REASON_LENGTH_MAX = 200;

export function parseCaseLines(text: string): SuiteResults {
  let version = '';
  const cases: CaseResult[] = [];
  for (const line of text.split('\n')) {
    const [word, name, ...reason] = line.split('\t');
    if (name === undefined) continue;
    if (word === 'version') version = name;
    if (word === 'pass' || word === 'fail' || word === 'skip') {
      cases.push({ name, outcome: word, reason: reason.join(' ') });
    }
  }
  return { version, cases };
}

/** For suites written in TypeScript. */
export function printCaseLine(...parts: readonly string[]): void {
  process.stdout.write(`${parts.map((part) => part.replace(/\s+/g, ' ').slice(0, REASON_LENGTH_MAX)).join('\t')}\n`);
}
