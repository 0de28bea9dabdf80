/** Opens the data directory named on the command line, says so, and holds it until it is killed. */
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../../src/runtime/runtime.ts';
import { openEmbeddedStores } from '../../../../src/storage/embedded/open.ts';

await openEmbeddedStores({ directory: process.argv[2]!, runtime: systemRuntime(silentLogger), logFileBytes: 262_144 });
process.stdout.write('open\n');
setInterval(() => {}, 60_000);
