import { UsageError } from './exit-code.ts';

const SIMPLE: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  '0': 0x00,
  a: 0x07,
  e: 0x1b,
  '\\': 0x5c,
};

/** The bytes of text with `\n`, `\r`, `\t`, `\0`, `\\` and `\xNN` in it, as kcat takes delimiters and formats. */
export function unescapeBytes(text: string): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < text.length) {
    const backslash = text.indexOf('\\', at);
    if (backslash === -1) break;
    parts.push(Buffer.from(text.slice(at, backslash)));
    const read = readEscape(text, backslash + 1);
    parts.push(Buffer.of(read.byte));
    at = read.next;
  }
  parts.push(Buffer.from(text.slice(at)));
  return Buffer.concat(parts);
}

function readEscape(text: string, at: number): { readonly byte: number; readonly next: number } {
  const hex = /^x([0-9a-fA-F]{1,2})/.exec(text.slice(at, at + 3));
  if (hex) return { byte: Number.parseInt(hex[1]!, 16), next: at + hex[0].length };
  const byte = SIMPLE[text[at] ?? ''];
  if (byte !== undefined) return { byte, next: at + 1 };
  throw new UsageError(
    `unknown escape "\\${text[at] ?? ''}" in ${JSON.stringify(text)}: use \\n \\r \\t \\0 \\\\ \\xNN`,
  );
}
