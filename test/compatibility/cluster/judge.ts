/** The verdict on a history that was kept: `node test/compatibility/cluster/judge.ts FILE`. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Checker } from './checker/checker.ts';

const checker = new Checker();
for await (const line of createInterface({ input: createReadStream(process.argv[2]!) })) {
  const event = JSON.parse(line);
  if (event.f !== 'note') checker.add(event);
}
const { anomalies, totals } = checker.finish();
process.stdout.write(`${JSON.stringify(totals)}\n${anomalies.size === 0 ? 'nothing found' : anomalies}\n`);
