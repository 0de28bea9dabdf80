/** What all parts of one run share. */
import type { Acknowledgements } from './acknowledgements.ts';
import type { CommittedOffsets } from './checkers/committed-offsets.ts';
import type { ConsumerEpochs } from './checkers/consumer-epochs.ts';
import type { ShareDeliveries } from './checkers/share-deliveries.ts';
import type { History } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { SimulatedNetwork } from './network.ts';
import type { Scenario } from './scenario.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Supervisor } from './supervisor.ts';
import type { TopicDirectory } from './topic-directory.ts';
import type { Trace } from './trace.ts';
import type { Weather } from './weather.ts';

export interface World {
  readonly scenario: Scenario;
  readonly time: SimulatedTime;
  /** To be forked by name. */
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly history: History;
  readonly ledger: Ledger;
  readonly acknowledgements: Acknowledgements;
  readonly committedOffsets: CommittedOffsets;
  readonly consumerEpochs: ConsumerEpochs;
  readonly shareDeliveries: ShareDeliveries;
  readonly supervisor: Supervisor;
  readonly network: SimulatedNetwork;
  readonly weather: Weather;
  readonly topics: TopicDirectory;
  /** How many the cluster has now. */
  readonly journals: () => number;
  /** Unique in the run: names of batches and of Idempotency-Keys. */
  readonly nextId: () => number;
  /** The workload ends: finish what is under way, begin nothing new. */
  readonly draining: boolean;
}
