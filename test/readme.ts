/** The parts of README.md that are generated: `npm run readme` writes them, a test compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVED } from '../src/broker/served.ts';
import { versionsTable } from '../src/protocol/apis.ts';
import { environmentName, SETTINGS, type SettingName } from '../src/settings.ts';
import { CLIENTS, readKeptList } from './compatibility/clients/kept-list.ts';

export const README = join(import.meta.dirname, '..', 'README.md');

export function configurationTable(): string {
  const rows = (Object.entries(SETTINGS) as [SettingName, (typeof SETTINGS)[SettingName]][]).map(([name, setting]) => {
    const flag = 'flag' in setting ? `\`${setting.flag}\` ` : '';
    const value = setting.default === '' ? '' : `\`${setting.default}\``;
    return `| ${flag}\`${environmentName(name)}\` | ${value} | ${setting.doc} |`;
  });
  return ['| Setting | Default | |', '|---|---|---|', ...rows].join('\n');
}

/** What real clients could do when their suites were last recorded. */
export function clientsTable(): string {
  const rows = CLIENTS.map((name) => {
    const { client, version, ran, passed, notPassed, skipped } = readKeptList(name);
    const counts = [passed.length, Object.keys(notPassed).length, Object.keys(skipped).length];
    return `| ${client} | ${version} | ${ran} | ${counts.join(' | ')} |`;
  });
  return [
    '| Client | Version | What was run | Passed | Not passed | Skipped |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** `text` with every generated part made anew. */
export function generate(text: string): string {
  const parts: Record<string, string> = {
    configuration: configurationTable(),
    apis: versionsTable(SERVED),
    clients: clientsTable(),
  };
  return Object.entries(parts).reduce((made, [name, part]) => {
    const between = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    return made.replace(between, (_, begin, end) => `${begin}\n${part.trimEnd()}\n\n${end}`);
  }, text);
}

export const writeReadme = (): void => writeFileSync(README, generate(readFileSync(README, 'utf8')));

if (import.meta.main && process.argv.includes('--write')) writeReadme();
