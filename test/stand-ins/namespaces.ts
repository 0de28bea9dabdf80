/**
 * Brokers in network namespaces of their own, joined by a bridge on which the machine itself is 10.231.N.1. Cuts are real:
 * packets of one direction go to a hardware address that nobody has. Needs root and `ip`.
 *
 *   machine ── bridge ──┬── veth ── namespace of broker a, 10.231.N.11
 *                       └── veth ── namespace of broker b, 10.231.N.12
 */
import { execFileSync } from 'node:child_process';
import type { LinkState, Links } from './links.ts';

/** Nobody's. */
const NOWHERE = '02:00:00:00:ff:ff';

const ip = (...parameters: string[]): string =>
  execFileSync('ip', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Null when they can be had, else why not. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'network namespaces need root on Linux';
  const name = `mrp${process.pid}`;
  try {
    ip('netns', 'add', name);
    try {
      ip('link', 'add', name, 'type', 'bridge');
      ip('link', 'del', name);
    } finally {
      ip('netns', 'del', name);
    }
    return null;
  } catch (cause) {
    return `no network namespaces here: ${String(cause).split('\n')[0]}`;
  }
}

export class NamespaceLinks implements Links {
  /** Of the machine itself, where stores and clients are. */
  readonly machine: string;
  readonly #id: string;
  readonly #subnet: string;
  readonly #names: string[] = [];
  readonly #changed = new Map<string, 'cut' | 'slow'>();

  constructor() {
    // Two runs on one machine must not meet.
    const number = process.pid % 250;
    this.#id = `mr${number}`;
    this.#subnet = `10.231.${number}`;
    this.machine = `${this.#subnet}.1`;
    this.#removeAll(); // What a run left that was killed.
    process.once('exit', this.#removeAll);
    ip('link', 'add', this.#id, 'type', 'bridge');
    ip('addr', 'add', `${this.machine}/24`, 'dev', this.#id);
    ip('link', 'set', this.#id, 'up');
  }

  /** Makes the namespace of `name` and tells its address. */
  add(name: string): string {
    const namespace = `${this.#id}n${this.#names.length}`;
    const outside = `${namespace}o`;
    this.#names.push(name);
    ip('netns', 'add', namespace);
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('link', 'set', outside, 'master', this.#id, 'up');
    ip('-n', namespace, 'addr', 'add', `${this.addressOf(name)}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    return this.addressOf(name);
  }

  addressOf = (name: string): string => `${this.#subnet}.${11 + this.#names.indexOf(name)}`;

  /** Put in front of the command of a broker. */
  wrapper = (name: string): readonly string[] => ['ip', 'netns', 'exec', this.#namespaceOf(name)];

  set(from: string, to: string, state: LinkState): void {
    this.#open(from, to);
    if (state === 'open') return;
    const namespace = this.#namespaceOf(from);
    if (state === 'cut') {
      const dead = ['lladdr', NOWHERE, 'nud', 'permanent', 'dev', 'eth0'];
      ip('-n', namespace, 'neigh', 'replace', this.addressOf(to), ...dead);
      this.#changed.set(`${from} ${to}`, 'cut');
      return;
    }
    // Of all that it sends: a token bucket knows no addresses.
    const rate = ['tbf', 'rate', `${state.bytesPerSecond}bps`, 'burst', '16kb', 'latency', `${state.delayMs + 400}ms`];
    execFileSync('tc', ['-n', namespace, 'qdisc', 'replace', 'dev', 'eth0', 'root', ...rate]);
    this.#changed.set(`${from} ${to}`, 'slow');
  }

  heal(): void {
    for (const key of [...this.#changed.keys()]) this.#open(...(key.split(' ') as [string, string]));
  }

  async close(): Promise<void> {
    process.removeListener('exit', this.#removeAll);
    this.#removeAll();
  }

  readonly #removeAll = (): void => {
    const names = ip('netns', 'list').split('\n');
    for (const name of names.map((line) => line.split(' ')[0]!)) {
      if (new RegExp(`^${this.#id}n\\d+$`).test(name)) ip('netns', 'del', name);
    }
    if (ip('-o', 'link', 'show', 'type', 'bridge').includes(` ${this.#id}:`)) ip('link', 'del', this.#id);
  };

  #open(from: string, to: string): void {
    const changed = this.#changed.get(`${from} ${to}`);
    this.#changed.delete(`${from} ${to}`);
    const namespace = this.#namespaceOf(from);
    if (changed === 'cut') ip('-n', namespace, 'neigh', 'del', this.addressOf(to), 'dev', 'eth0');
    if (changed === 'slow') execFileSync('tc', ['-n', namespace, 'qdisc', 'del', 'dev', 'eth0', 'root']);
  }

  #namespaceOf = (name: string): string => `${this.#id}n${this.#names.indexOf(name)}`;
}
