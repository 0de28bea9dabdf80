/** The parts of README.md that are generated: `npm run readme` writes them, a test compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVED } from '../src/broker/served.ts';
import { environmentName, SETTINGS, type SettingName } from '../src/config.ts';
import { versionsTable } from '../src/protocol/apis.ts';

export const README = join(import.meta.dirname, '..', 'README.md');

export function configurationTable(): string {
  const rows = (Object.entries(SETTINGS) as [SettingName, (typeof SETTINGS)[SettingName]][]).map(([name, setting]) => {
    const flag = 'flag' in setting ? `\`${setting.flag}\` ` : '';
    const value = setting.default === '' ? '' : `\`${setting.default}\``;
    return `| ${flag}\`${environmentName(name)}\` | ${value} | ${setting.doc} |`;
  });
  return ['| Setting | Default | |', '|---|---|---|', ...rows].join('\n');
}

/** `text` with every generated part made anew. */
export function generate(text: string): string {
  const parts: Record<string, string> = {
    configuration: configurationTable(),
    apis: versionsTable(SERVED),
  };
  return Object.entries(parts).reduce((made, [name, part]) => {
    const between = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    return made.replace(between, (_, begin, end) => `${begin}\n${part.trimEnd()}\n\n${end}`);
  }, text);
}

if (process.argv.includes('--write')) writeFileSync(README, generate(readFileSync(README, 'utf8')));
