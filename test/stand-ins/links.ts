/** The network between brokers, each direction of each pair on its own. Names are those that it was made with. */
export type LinkState = 'open' | 'cut' | { readonly delayMs: number; readonly bytesPerSecond: number };

export interface Links {
  set(from: string, to: string, state: LinkState): void;
  /** All open again. */
  heal(): void;
  close(): Promise<void>;
}
