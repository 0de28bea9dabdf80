/**
 * The commands of a document and what they print, from its fenced blocks of language `console`:
 *
 *   $ a command, which goes on in the next line after a backslash
 *   what it prints, where `…` in a line is any text, and `…` alone is any number of lines
 */

export interface Example {
  readonly command: string;
  readonly output: string;
}

export function consoleExamples(markdown: string): readonly Example[] {
  const examples: { command: string; output: string }[] = [];
  for (const [, block] of markdown.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    for (const line of block!.split('\n').slice(0, -1)) {
      const last = examples.at(-1);
      if (line.startsWith('$ ')) examples.push({ command: line.slice(2), output: '' });
      else if (!last) throw new Error(`a console block begins with ${JSON.stringify(line)} instead of a command`);
      else if (last.output === '' && last.command.endsWith('\\')) last.command += `\n${line}`;
      else last.output += `${line}\n`;
    }
  }
  return examples;
}

/** Whether `actual` is what an example says, from the first character to the last, however the last line ends. */
export function isAsSaid(actual: string, output: string): boolean {
  const lines = output.split('\n').slice(0, -1);
  const pattern = lines.map((line) => (line === '…' ? '(?:.*\n)*?' : `${line.split('…').map(literal).join('.*?')}\n`));
  const whole = actual === '' || actual.endsWith('\n') ? actual : `${actual}\n`;
  return new RegExp(`^${pattern.join('')}$`).test(whole);
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
