/** One line of the benchmark's table. */
export interface Line {
  readonly what: string;
  readonly measured: string;
  readonly budget: string;
  readonly aim: string;
  /** Whether the budget was met; absent where nothing was asked. */
  readonly met?: boolean;
}

export const fixed = (value: number, digits = 0): string =>
  Number.isFinite(value)
    ? value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : 'unknown';

/** Figures of a part of the load are not held against the budget. */
export function print(title: string, lines: readonly Line[], share = 1): void {
  const rows = [['', 'measured', 'budget', 'aim', ''], ...lines.map((line) => cells(line, share === 1))];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  process.stdout.write(`\n${title}\n`);
  for (const row of rows) {
    process.stdout.write(
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

const cells = ({ what, measured, budget, aim, met }: Line, isJudged: boolean): string[] => [
  what,
  measured,
  budget,
  aim,
  met === undefined || !isJudged ? '' : met ? 'within budget' : 'MISSED',
];
