/** A broker without others: embedded stores, and tests. It is all of the cluster, and leads whatever is led. */
import type { AddedJournals, BrokerReport, ClusterInfo, Drained, JournalPlace } from '../cluster-report.ts';
import type { Config } from '../config.ts';
import { KafkaError } from '../errors.ts';
import type { Journals } from '../journal/journals.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { Leaders, Member, Members } from './members.ts';
import { brokerReport, type ClusterOperations, clusterInfo } from './operations.ts';
import { addToJournals } from './registration.ts';
import type { Seats } from './seats.ts';

/** `describe` tells the broker as it is now. */
export const aloneMembers = (describe: () => Member): Members => ({
  get self() {
    return describe();
  },
  live: () => [describe()],
  get: (brokerId) => (brokerId === describe().brokerId ? describe() : undefined),
  get controllerId() {
    return describe().brokerId;
  },
  onChanged: () => () => {},
});

export const aloneLeaders = (brokerId: number, journals: Journals): Leaders => ({
  of(id) {
    const journal = journals.get(id);
    return journal?.role === 'leading' ? { brokerId, epoch: journal.epoch } : null;
  },
  newestEpoch(id) {
    return journals.get(id)?.epoch ?? -1;
  },
  onChanged(listener) {
    let telling = false;
    const tell = (id: number) => {
      if (telling) listener(id);
    };
    const stop = journals.whileLeading(({ id }) => {
      tell(id);
      return () => tell(id);
    });
    telling = true;
    return () => {
      telling = false;
      stop();
    };
  },
});

export interface AloneOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly metadata: MetadataStore;
  readonly members: Members;
  readonly leaders: Leaders;
  readonly seats: Seats;
  /** Aborted when the broker stops. */
  readonly signal: AbortSignal;
}

/** What a cluster of one can do: tell of itself, and have more journals. */
export class AloneOperations implements ClusterOperations {
  readonly #options: AloneOptions;

  constructor(options: AloneOptions) {
    this.#options = options;
  }

  info(): ClusterInfo {
    const { config, members } = this.#options;
    const known = {
      clusterId: config.cluster,
      shared: config.store !== '',
      store: config.store === '' ? config.data : config.store,
      table: config.table,
      brokerId: members.self.brokerId,
      controllerId: members.controllerId,
    };
    return clusterInfo(known, this.brokers(), this.journals());
  }

  brokers(): readonly BrokerReport[] {
    const { members } = this.#options;
    const { self } = members;
    const journals = this.journals().filter(({ leaderId }) => leaderId === self.brokerId);
    return [
      brokerReport(
        self,
        members.controllerId,
        journals.map(({ journal }) => journal),
      ),
    ];
  }

  journals(): readonly JournalPlace[] {
    const { leaders, members, seats } = this.#options;
    return [...seats].map(({ id }) => {
      const leader = leaders.of(id);
      const known = { leaderId: leader?.brokerId ?? null, epoch: leader?.epoch ?? null };
      return { journal: id, ...known, assignedTo: members.self.brokerId };
    });
  }

  async move(journal: number, brokerId: number): Promise<JournalPlace> {
    const row = this.journals()[journal];
    if (row === undefined) throw new KafkaError('RESOURCE_NOT_FOUND', `there is no journal ${journal}`);
    if (brokerId === this.#options.members.self.brokerId) return row;
    throw this.#alone(`journal ${journal} cannot move`);
  }

  async drain(brokerId: number): Promise<Drained> {
    this.#check(brokerId);
    throw this.#alone(`broker ${brokerId} cannot be drained`);
  }

  async undrain(brokerId: number): Promise<BrokerReport> {
    this.#check(brokerId);
    return this.brokers()[0]!;
  }

  async addJournals(count: number): Promise<AddedJournals> {
    const { config, runtime, metadata, seats, signal } = this.#options;
    const added = await addToJournals(metadata, config.cluster, count, runtime);
    // Fewer than before where the answer to an earlier addition was lost for good.
    const known = Math.min(seats.count, added.before);
    if (seats.count < added.count) seats.grow(added.count);
    for (let id = known; id < added.count; id++) await seats.lead(id, { signal });
    return added;
  }

  #check(brokerId: number): void {
    if (this.#options.members.get(brokerId) !== undefined) return;
    throw new KafkaError('BROKER_ID_NOT_REGISTERED', `there is no broker ${brokerId}`);
  }

  #alone(what: string): KafkaError {
    const why = this.#options.config.store === '' ? 'a broker on embedded stores is alone' : 'this broker is alone';
    return new KafkaError('INVALID_REQUEST', `${what}: ${why}`);
  }
}
