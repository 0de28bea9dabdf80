/**
 * How two brokers meet: the opener of a connection says hello, the other end says hello or why not. Both look at the
 * other's hello and tell it in a sentence when they cannot work together.
 */
import { z } from 'zod';
import type { TimerHandle, Timers } from '../runtime/clock.ts';
import { firstIssue } from '../schema.ts';
import type { Channel } from './transport.ts';
import { KIND, worded } from './wire.ts';

/** How long either end waits for the other's hello. */
export const HELLO_MS = 3_000;

export interface Hello {
  readonly format: number;
  readonly minor: number;
  readonly clusterId: string;
  /** Of both stores. */
  readonly incarnation: string;
  readonly brokerId: number;
  /** 0 while the broker is not registered yet. */
  readonly brokerEpoch: number;
  /** Of the program, as `package.json` has it. */
  readonly version: string;
}

/** The opener's hello says more. */
export interface OpeningHello extends Hello {
  /** Whom it wants to meet: an older instance of that broker learns so that it was succeeded. */
  readonly to: { readonly brokerId: number; readonly brokerEpoch: number } | null;
  /** It only wants to know who answers. */
  readonly probe: boolean;
}

const HELLO: z.ZodType<OpeningHello> = z.object({
  format: z.int(),
  minor: z.int(),
  clusterId: z.string(),
  incarnation: z.string(),
  brokerId: z.int(),
  brokerEpoch: z.int(),
  version: z.string(),
  to: z.object({ brokerId: z.int(), brokerEpoch: z.int() }).nullable().default(null),
  probe: z.boolean().default(false),
});

/** Throws Error when these bytes are no hello. Unknown fields are those of a later minor. */
function readHello(frame: Buffer): OpeningHello {
  const { data, error } = HELLO.safeParse(JSON.parse(frame.toString('utf8', 1)));
  if (error) throw new Error(`this is no hello: ${firstIssue(error)}`);
  return data;
}

function readRefusal(frame: Buffer): Refusal {
  const { sentence, succeededBy, starting } = JSON.parse(frame.toString('utf8', 1)) as Partial<Refusal>;
  return {
    sentence: String(sentence),
    ...(Number.isSafeInteger(succeededBy) && { succeededBy: succeededBy! }),
    ...(starting === true && { starting }),
  };
}

/** Why `own` cannot work with `other`, for people at both ends; null when it can. A later minor is fine. */
export function mismatch(own: Hello, other: Hello): string | null {
  const us = `broker ${own.brokerId}`;
  const them = `broker ${other.brokerId}`;
  if (own.format !== other.format) {
    return `${them} (version ${other.version}) speaks format ${other.format} of the internal protocol, ${us} (version ${own.version}) format ${own.format}: stop one of them, and run versions in one cluster that share a format`;
  }
  if (own.clusterId !== other.clusterId) {
    return `${them} belongs to cluster ${other.clusterId}, ${us} to cluster ${own.clusterId}: give both the same --cluster, or --internal addresses that are not each other's`;
  }
  if (own.incarnation !== other.incarnation) {
    return `${them} works on stores of incarnation ${other.incarnation}, ${us} on ${own.incarnation}, and both say that they are cluster ${own.clusterId}: give both the same --store and --table`;
  }
  return null;
}

export const helloFrame = (hello: Hello | OpeningHello): Buffer => worded(KIND.hello, JSON.stringify(hello));

export interface Refusal {
  /** For the people at the other end. */
  readonly sentence: string;
  /** The epoch of a newer instance of the broker that is refused. */
  readonly succeededBy?: number;
  /** It is none: the broker will take connections soon. */
  readonly starting?: boolean;
}

export function refuse(channel: Channel, refusal: Refusal): void {
  channel.send([worded(KIND.refused, JSON.stringify(refusal))]);
  channel.close(refusal.sentence);
}

/** `told`: the other end said why not. `mismatch`: this end did. `lost`: nobody said anything. */
export type MeetingProblem = 'told' | 'mismatch' | 'lost';

export interface Meeting {
  onMet(other: Hello): void;
  onFailed(problem: MeetingProblem, refusal: Refusal): void;
}

const wordsOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** The first frame of a channel. Throws Error when it is no hello. */
export function readOpening(channel: Channel, frame: Buffer): OpeningHello {
  try {
    if (frame[0] !== KIND.hello) throw new Error(`a frame of kind ${frame[0]}`);
    return readHello(frame);
  } catch (cause) {
    throw new Error(`${channel.remote} says no hello: ${wordsOf(cause)}`, { cause });
  }
}

/** The opener's part. One of the callbacks is called, once; the channel's callbacks are free to be set then. */
export function meet(channel: Channel, own: OpeningHello, timers: Timers, { onMet, onFailed }: Meeting): void {
  let timer: TimerHandle | null = null;
  let over = false;
  const end = (problem: MeetingProblem, refusal: Refusal) => {
    if (over) return;
    over = true;
    timer?.cancel();
    if (problem === 'mismatch') refuse(channel, refusal);
    else channel.close(refusal.sentence);
    onFailed(problem, refusal);
  };
  channel.onClose = (why) => end('lost', { sentence: why });
  channel.onFrame = (frame) => {
    if (over) return;
    let other: Hello;
    try {
      if (frame[0] === KIND.refused) return end('told', readRefusal(frame));
      other = readOpening(channel, frame);
    } catch (cause) {
      return end('lost', { sentence: wordsOf(cause) });
    }
    const sentence = own.probe ? null : mismatch(own, other);
    if (sentence !== null) return end('mismatch', { sentence });
    over = true;
    timer?.cancel();
    onMet(other);
  };
  timer = timers.after(HELLO_MS, () => end('lost', { sentence: `${channel.remote} does not say hello` }));
  channel.send([helloFrame(own)]);
}
