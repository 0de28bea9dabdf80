/**
 * `npm run bench [-- NAME…]`: how fast, at what cost, next to the budget. Never a test: the figures depend on the machine.
 *
 *   speed     a broker of its own process on the embedded stores, durable at every acknowledgement (the default)
 *   requests  what S3 and DynamoDB would be asked for at 10 MB/s over 100 partitions, against stand-ins (the default)
 *   groups    heartbeats, a large rebalance, offset commits, memory of idle groups (the default)
 *   transactions  a small one, and producers that commit all the time (the default)
 *   cluster   three brokers: takeover, hand-over, latency, the price of idling; and `takeover`
 *   rpc       calls between two brokers, encrypted (the default)
 *   steady    minutes of steady load: objects, memory and start-up time must level off   [--minutes 3]
 *   takeover  a journal with 10,000 partitions and a million extents changes its leader
 *
 * With --quick a tenth of each load, to see that all of it works; its figures say little.
 * MB is 10^6 bytes. On few cores the client shares them with the broker, so MB per broker CPU-second is the figure to trust.
 */
import { parseArgs } from 'node:util';
import { measureCluster } from './cluster.ts';
import { measureGroups } from './groups.ts';
import { measureRequests } from './requests.ts';
import { measureRpc } from './rpc.ts';
import { measureSpeed } from './speed.ts';
import { measureSteady } from './steady.ts';
import { measureTakeover } from './takeover.ts';
import { measureTransactions } from './transactions.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '3' },
    profile: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
/** Of each load. */
const share = values.quick ? 0.1 : 1;
const wanted = positionals.length > 0 ? positionals : ['speed', 'requests', 'groups', 'transactions', 'rpc'];
for (const name of wanted) {
  if (name === 'speed') await measureSpeed(share, values.profile);
  else if (name === 'requests') await measureRequests(share);
  else if (name === 'groups') await measureGroups(share, values.profile);
  else if (name === 'transactions') await measureTransactions(share, values.profile);
  else if (name === 'cluster') {
    await measureCluster(share);
    await measureTakeover(share);
  } else if (name === 'rpc') await measureRpc(share);
  else if (name === 'steady') await measureSteady(Number(values.minutes) * share);
  else if (name === 'takeover') await measureTakeover(share);
  else
    throw new Error(
      `no benchmark ${name}: give speed, requests, groups, transactions, cluster, rpc, takeover or steady`,
    );
}
