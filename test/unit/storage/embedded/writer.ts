/**
 * Writes to the data directory named on the command line until it is killed, and says on stdout what was acknowledged:
 * `put KEY VERSION`, `delete KEY VERSION`, `object KEY`. Bodies follow from the names, so that a reader can check them.
 */
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../../src/runtime/runtime.ts';
import { openEmbeddedStores } from '../../../../src/storage/embedded/open.ts';
import { ALWAYS } from '../../../../src/storage/metadata-store.ts';
import { objectKey } from '../../../../src/storage/object-store.ts';

const [directory, run] = process.argv.slice(2) as [string, string];
const options = { cause: 'tool' } as const;
const { metadata, objects } = await openEmbeddedStores({
  directory,
  runtime: systemRuntime(silentLogger),
  logFileBytes: 512 * 1024,
});
const say = (text: string) => process.stdout.write(`${text}\n`);
say('open');

async function writeItems(writer: number): Promise<never> {
  for (let n = 0; ; n += 1) {
    const key = { partitionKey: 'p', sortKey: `${writer}-${n % 7}` };
    const version = `${run}.${n}`;
    if (n % 5 === 4) {
      say(`try ${key.sortKey} none`);
      await metadata.delete(key, ALWAYS, options);
      say(`done ${key.sortKey} none`);
    } else {
      say(`try ${key.sortKey} ${version}`);
      const body = Buffer.alloc((n * 1_013) % 20_000, version);
      await metadata.put({ ...key, body, attributes: { version } }, ALWAYS, options);
      say(`done ${key.sortKey} ${version}`);
    }
  }
}

async function writeObjects(writer: number): Promise<never> {
  for (let n = 0; ; n += 1) {
    const key = `run-${run}/${writer}-${n}`;
    await objects.create(objectKey(key), [Buffer.alloc((n * 50_021) % 400_000, key)], options);
    say(`object ${key} ${(n * 50_021) % 400_000}`);
  }
}

await Promise.all([...[0, 1, 2, 3].map(writeItems), ...[0, 1].map(writeObjects)]);
