import { UsageError } from './exit-code.ts';

export interface StartAndEnd {
  /** As in `Client.read`. */
  readonly from: string | number;
  /** Time at which to stop, milliseconds since 1970; null for none. */
  readonly until: number | null;
}

/** `-o` as in kcat: `beginning`, `end`, an offset, `-N`, `s@MILLIS`, `e@MILLIS`; given twice for a start and an end. */
export function parseStartAndEnd(texts: readonly string[]): StartAndEnd {
  let from: string | number | null = null;
  let until: number | null = null;
  for (const text of texts) {
    const end = /^e@(\d{1,16})$/.exec(text);
    if (end) {
      until = Number(end[1]);
    } else {
      if (from !== null) throw new UsageError(`-o ${text}: a start was given before`);
      from = parseStart(text);
    }
  }
  return { from: from ?? 'earliest', until };
}

function parseStart(text: string): string | number {
  if (text === 'beginning' || text === 'earliest') return 'earliest';
  if (text === 'end' || text === 'latest') return 'latest';
  if (/^\d{1,16}$/.test(text)) return Number(text);
  if (/^-\d{1,16}$/.test(text)) return text;
  const time = /^s?@(\d{1,16})$/.exec(text);
  if (time) return `@${time[1]}`;
  throw new UsageError(`-o ${text}: expected beginning, end, OFFSET, -N, s@MILLIS or e@MILLIS`);
}
