/**
 * What S3 and DynamoDB are asked for at 10 MB/s over 100 partitions with one journal, merging and trimming included.
 * Sketch: a flush every 250 ms is 0.4 PUT and, with its later deletion, 0.8 write units a MB; merging into 64 MiB adds a
 * PUT per 64 MB and level. Counted by the broker's own meter against stand-ins; the clock does not matter, the counts do.
 */

import { parseConfig } from '../../src/config.ts';
import { buildBatch } from '../../src/record/records.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openCore } from '../../src/server.ts';
import { initStorage, openStores } from '../../src/stores.ts';
import { dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { startS3Server } from '../stand-ins/s3-server.ts';
import { fixed, print } from './report.ts';

const PARTITIONS = 100;
const MB_PER_SECOND = 10;
const SECONDS = 60;
const BATCH_BYTES = 10_000;
const TICK_MS = 10;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** `share` of the time is 1 for figures that mean something: what merging costs shows late. */
export async function measureRequests(share: number): Promise<void> {
  if (dynoxideBinary() === null) {
    process.stderr.write('bench: no DynamoDB stand-in for this platform, so requests are not counted\n');
    return;
  }
  standInEnvironment();
  const s3 = await startS3Server();
  const dynamo = await startDynoxide();
  process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
  process.env['AWS_ENDPOINT_URL_DYNAMODB'] = dynamo.endpoint;
  const runtime = systemRuntime(createLogger('warn'));
  const config = parseConfig({ store: 's3://bench/millrace', table: 'bench' });
  await initStorage(config, runtime);
  const stores = await openStores(config, runtime);
  const core = await openCore({ config, runtime, stores });
  try {
    const { topicId } = await core.topics.create({ name: 'bench', partitions: PARTITIONS, config: {} });
    core.lifecycle.start();
    const before = stores.meter.totals();
    const seconds = SECONDS * share;
    const megabytes = await load(core.log, topicId, seconds);
    for (const journal of core.journals) journal.requestSnapshot();
    await quiet(stores.meter);
    const after = stores.meter.totals();
    const per = (of: 'creates' | 'reads' | 'lists' | 'deletes' | 'writeUnits' | 'readUnits') =>
      (after[of] - before[of]) / megabytes;
    const dollars = (after.dollars - before.dollars) / megabytes;
    const rows = stores.meter.rows().filter(({ cause }) => cause !== 'startup' && cause !== 'topics');
    print(
      `Requests: ${fixed(megabytes)} MB in ${fixed(seconds)} s over ${PARTITIONS} partitions, one journal, merged, snapshot taken, trimmed`,
      [
        {
          what: 'PUT per MB',
          measured: fixed(per('creates'), 3),
          budget: '0.45',
          aim: '0.42',
          met: per('creates') <= 0.45,
        },
        {
          what: 'write units per MB',
          measured: fixed(per('writeUnits'), 3),
          budget: '1',
          aim: '0.85',
          met: per('writeUnits') <= 1,
        },
        {
          what: 'GET, LIST, DELETE per MB',
          measured: [per('reads'), per('lists'), per('deletes')].map((each) => fixed(each, 3)).join(', '),
          budget: '',
          aim: '',
        },
        { what: 'read units per MB', measured: fixed(per('readUnits'), 3), budget: '', aim: '' },
        { what: 'dollars per TB', measured: fixed(dollars * 1e6, 2), budget: '', aim: '' },
        ...rows.map((row) => ({
          what: `  ${row.cause}: ${row.store} ${row.operation}`,
          measured: `${fixed(row.requests)} requests, ${fixed(row.writeUnits)} write units, ${fixed(row.bytes / 1e6, 1)} MB`,
          budget: '',
          aim: '',
        })),
      ],
      share,
    );
  } finally {
    await core.close();
    await stores.close();
    await Promise.all([s3.close(), dynamo.close()]);
  }
}

type Log = Awaited<ReturnType<typeof openCore>>['log'];

async function load(log: Log, topicId: string, seconds: number): Promise<number> {
  const records = buildBatch([{ key: null, value: Buffer.alloc(BATCH_BYTES - 80, 7) }], { timestamp: Date.now() });
  const answers: Promise<void>[] = [];
  let sent = 0;
  let failed = 0;
  const begun = performance.now();
  for (;;) {
    const elapsed = (performance.now() - begun) / 1_000;
    if (elapsed >= seconds) break;
    while (sent * records.length < elapsed * MB_PER_SECOND * 1e6) {
      const batch = { topicId, partition: sent++ % PARTITIONS, records };
      const answer = log.produce([batch], { origin: 'kafka' }).then(([outcome]) => {
        if (outcome!.error !== 'NONE') failed++;
      });
      answers.push(answer);
    }
    await pause(TICK_MS);
  }
  await Promise.all(answers);
  if (failed > 0) throw new Error(`${failed} batches failed: nothing here is a result`);
  return (sent * records.length) / 1e6;
}

/** Until trimming and merging have had their turn. */
async function quiet(meter: { totals(): { readonly metadataRequests: number } }): Promise<void> {
  let last = -1;
  for (let round = 0; round < 30 && meter.totals().metadataRequests !== last; round++) {
    last = meter.totals().metadataRequests;
    await pause(2_000);
  }
}
