import { createInterface } from 'node:readline/promises';
import { InputError } from './exit-code.ts';
import type { Terminal } from './terminal.ts';

export interface ConfirmFlags {
  readonly yes?: boolean;
}

/** Asks a person before something is lost. Scripts are not asked. Throws InputError unless the answer is yes. */
export async function confirm(question: string, { yes }: ConfirmFlags, terminal: Terminal): Promise<void> {
  const { stdin, stderr, interrupted } = terminal;
  if (yes === true || stdin.isTTY !== true) return;
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: interrupted });
    if (!/^y(es)?$/i.test(answer.trim())) throw new InputError('nothing was changed');
  } finally {
    lines.close();
  }
}
