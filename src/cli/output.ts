/** `--output table|json|ndjson`: the same rows for people and for programs. */
export const OUTPUTS = ['table', 'json', 'ndjson'] as const;
export type Output = (typeof OUTPUTS)[number];

export type Row = Readonly<Record<string, string | number | boolean | null>>;

export function renderRows(columns: readonly string[], rows: readonly Row[], output: Output): string {
  switch (output) {
    case 'json':
      return `${JSON.stringify(rows, null, 2)}\n`;
    case 'ndjson':
      return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    case 'table':
      return renderTable(columns, rows);
  }
}

function renderTable(columns: readonly string[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => String(row[column] ?? '-')));
  const titles = columns.map((column) => column.toUpperCase().replaceAll('_', ' '));
  const numeric = columns.map((column) => rows.length > 0 && rows.every((row) => isNumeric(row[column])));
  const widths = titles.map((title, index) => Math.max(title.length, ...cells.map((row) => row[index]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, index) => (numeric[index] ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!)))
      .join('  ')
      .trimEnd();
  return `${[titles, ...cells].map(line).join('\n')}\n`;
}

const isNumeric = (value: Row[string] | undefined) =>
  typeof value === 'number' || value === null || value === undefined;
