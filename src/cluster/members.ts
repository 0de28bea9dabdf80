/** The brokers of the cluster as this one sees them; kept by the membership service, read by everybody. */
import type { Address } from '../config.ts';

export interface Member {
  readonly brokerId: number;
  /** Grows with every start of this broker id. */
  readonly brokerEpoch: number;
  /** Empty when unknown. */
  readonly zone: string;
  /** Where clients are told to connect. */
  readonly kafka: Address;
  /** Listeners for the clients of one zone, by zone: what a client is told that came in by such a listener. */
  readonly kafkaByZone: Readonly<Record<string, Address>>;
  readonly http: Address;
  readonly internal: Address;
  /** Of the program, as `package.json` has it. */
  readonly version: string;
  readonly startedAt: number;
  /** It is about to stop: clients and journals go elsewhere. */
  readonly draining: boolean;
}

export interface Members {
  readonly self: Member;
  /** Brokers that are believed to be alive, in order of ids; this one included, draining ones too. */
  live(): readonly Member[];
  get(brokerId: number): Member | undefined;
  /** The broker that holds the controller lease; null when nobody is known to. */
  readonly controllerId: number | null;
  /** After each change of `live` or of the controller. Answers the way to stop. */
  onChanged(listener: () => void): () => void;
}

export interface JournalLeader {
  readonly brokerId: number;
  /** The journal epoch that it leads in; -1 when it is only assigned yet. */
  readonly epoch: number;
}

/** Who leads which journal, as far as this broker knows: for asking and for telling clients, never for safety. */
export interface Leaders {
  of(journal: number): JournalLeader | null;
  /** The highest epoch of the journal that was heard of, also of leaders that are gone; -1 when none was. */
  newestEpoch(journal: number): number;
  /** After each change of a journal's leader. Answers the way to stop. */
  onChanged(listener: (journal: number) => void): () => void;
}
