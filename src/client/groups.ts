/**
 * Consumer groups and their committed offsets, from outside: nothing here makes a member of anybody.
 *
 * ```ts
 * const { groups } = new Client({ url: 'http://127.0.0.1:8080' });
 * const [{ offset }] = await groups.offsets('billing', 'orders');           // null: nothing is committed
 * // … read from `offset ?? 0`, work …
 * await groups.checkpoint('billing', [{ topic: 'orders', partition: 0, offset: 42, expected: offset }]);
 * ```
 */
import type { Transport } from './transport.ts';

export interface GroupSummary {
  readonly group: string;
  readonly type: string;
  /** As Kafka names it: Empty, Stable, PreparingRebalance, … */
  readonly state: string;
  /** Empty for a group that only has offsets. */
  readonly protocolType: string;
  readonly members: number;
}

export interface GroupDescription extends GroupSummary {
  /** The assignor; empty without members. */
  readonly protocol: string;
  readonly memberDetails: readonly MemberDetail[];
}

export interface MemberDetail {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

export interface GroupLag {
  readonly group: string;
  readonly state: string;
  readonly totalLag: number;
  readonly partitions: readonly PartitionLag[];
}

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing is committed. */
  readonly committedOffset: number | null;
  readonly logStartOffset: number | null;
  /** Null when it is not known now. */
  readonly highWatermark: number | null;
  readonly lag: number | null;
  readonly memberId: string | null;
  readonly clientId: string | null;
  readonly clientHost: string | null;
}

export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing is committed. */
  readonly offset: number | null;
  readonly metadata: string;
  /** Milliseconds since 1970. */
  readonly committedAt: number | null;
}

export interface Checkpoint {
  readonly topic: string;
  readonly partition: number;
  /** Where to go on. */
  readonly offset: number;
  /** What must be committed now, null for nothing. Absent: whatever it is. */
  readonly expected?: number | null;
  readonly metadata?: string;
}

export interface Reset {
  /** `earliest`, `latest`, an offset or `@MILLIS`; or else how many records forward, or back. */
  readonly to: string | { readonly shift: number };
  /** Default: all that is committed. */
  readonly topics?: readonly { readonly topic: string; readonly partitions?: readonly number[] }[];
  /** Only tells what would be written. */
  readonly dryRun?: boolean;
}

export interface WrittenOffset {
  readonly topic: string;
  readonly partition: number;
  readonly before: number | null;
  readonly offset: number;
}

type Json = Readonly<Record<string, any>>;

export class Groups {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** In order of ids; asks for the next page when it is needed. */
  async *list(filter: { readonly prefix?: string; readonly state?: string; readonly type?: string } = {}) {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ ...filter, limit: '1000', ...(cursor !== null && { cursor }) });
      const page: Json = await this.#get(`/v1/groups?${query}`);
      for (const group of page['groups'] as Json[]) yield summaryOf(group);
      cursor = (page['next_cursor'] as string | null | undefined) ?? null;
    } while (cursor !== null);
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  async describe(group: string): Promise<GroupDescription> {
    const answer = await this.#get(groupPath(group));
    return {
      ...summaryOf(answer),
      protocol: answer['protocol'],
      memberDetails: (answer['member_details'] as Json[]).map((member) => ({
        memberId: member['member_id'],
        instanceId: member['instance_id'],
        clientId: member['client_id'],
        clientHost: member['client_host'],
        assignment: member['assignment'],
      })),
    };
  }

  async lag(group: string): Promise<GroupLag> {
    const answer = await this.#get(`${groupPath(group)}/lag`);
    return {
      group: answer['group'],
      state: answer['state'],
      totalLag: answer['total_lag'],
      partitions: (answer['partitions'] as Json[]).map((each) => ({
        topic: each['topic'],
        partition: each['partition'],
        committedOffset: each['committed_offset'],
        logStartOffset: each['log_start_offset'],
        highWatermark: each['high_watermark'],
        lag: each['lag'],
        memberId: each['member_id'],
        clientId: each['client_id'],
        clientHost: each['client_host'],
      })),
    };
  }

  /** What the group committed; with `topic` all of its partitions. */
  async offsets(group: string, topic?: string): Promise<readonly GroupOffset[]> {
    const query = topic === undefined ? '' : `?${new URLSearchParams({ topic })}`;
    const answer = await this.#get(`${offsetsPath(group)}${query}`);
    return (answer['offsets'] as Json[]).map((each) => ({
      topic: each['topic'],
      partition: each['partition'],
      offset: each['offset'],
      metadata: each['metadata'],
      committedAt: each['committed_at'],
    }));
  }

  /**
   * Writes all of it or nothing. Throws OFFSET_MISMATCH, with `mismatches`, when something else than `expected` is committed.
   * That may be this very checkpoint, when an earlier attempt had failed without an answer.
   */
  async checkpoint(group: string, offsets: readonly Checkpoint[]): Promise<readonly WrittenOffset[]> {
    const conditional = offsets.some(({ expected }) => expected !== undefined);
    return this.#put(group, { offsets }, conditional ? 'unsent' : 'safe');
  }

  /** Throws NON_EMPTY_GROUP while the group has members. */
  async reset(group: string, { to, topics, dryRun = false }: Reset): Promise<readonly WrittenOffset[]> {
    const target = typeof to === 'string' ? { to } : { shift: to.shift };
    const body = { ...target, ...(topics && { topics }), dry_run: dryRun };
    return this.#put(group, body, typeof to === 'string' || dryRun ? 'safe' : 'unsent');
  }

  /** With its offsets. Throws NON_EMPTY_GROUP while it has members. */
  async delete(group: string): Promise<void> {
    await this.#transport.request({ method: 'DELETE', path: groupPath(group), repeat: 'unsent' });
  }

  async #get(path: string): Promise<Json> {
    const { body } = await this.#transport.request({ method: 'GET', path, repeat: 'safe' });
    return JSON.parse(body) as Json;
  }

  async #put(group: string, json: unknown, repeat: 'safe' | 'unsent'): Promise<readonly WrittenOffset[]> {
    const headers = { 'content-type': 'application/json' };
    const request = { method: 'PUT', path: offsetsPath(group), headers, body: JSON.stringify(json), repeat } as const;
    const { body } = await this.#transport.request(request);
    return (JSON.parse(body) as Json)['offsets'];
  }
}

const groupPath = (group: string): string => `/v1/groups/${encodeURIComponent(group)}`;
const offsetsPath = (group: string): string => `${groupPath(group)}/offsets`;

const summaryOf = (group: Json): GroupSummary => ({
  group: group['group'],
  type: group['type'],
  state: group['state'],
  protocolType: group['protocol_type'],
  members: group['members'],
});
