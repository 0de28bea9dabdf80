/**
 * Rule 12: assignments are written under the controller's epoch. One controller per epoch, epochs and versions only grow,
 * a controller writes as itself, and no journal is forgotten, nor one given away that the cluster does not have.
 */
import type { ControllerItem } from '../../../src/cluster/cluster-items.ts';
import { type Checker, type HistoryEvent, Violation } from '../history.ts';

export function assignments(): Checker {
  return new Assignments();
}

class Assignments implements Checker {
  readonly name = 'assignments';
  #last: { readonly item: ControllerItem; readonly process: string } | null = null;
  /** Null until the cluster is made. */
  #journals: number | null = null;
  /** Processes by broker id and epoch. */
  readonly #identities = new Map<string, string>();

  observe(event: HistoryEvent): void {
    if (event.type === 'controllerPut') this.#written(event.item, event.process);
    else if (event.type === 'processServes') this.#identify(event.process, event);
    else if (event.type === 'journalsCounted') this.#counted(event.count, event.process);
    else if (event.type === 'journalsAdded') this.#added(event.count, event.process);
  }

  #counted(count: number, process: string): void {
    const before = this.#journals ?? 0;
    if (count <= before) this.#fail(`${process} makes it ${count} journals, there were ${before}`);
    this.#journals = count;
  }

  #added(count: number, process: string): void {
    const journals = this.#journals ?? 0;
    if (count > journals) this.#fail(`${process} says that there are ${count} journals, there are ${journals}`);
  }

  #written(item: ControllerItem, process: string): void {
    const where = `${process} writes version ${item.version} of controller epoch ${item.controllerEpoch}`;
    this.#identify(process, item);
    if (this.#journals !== null && item.assigned.length > this.#journals) {
      this.#fail(`${where} and assigns ${item.assigned.length} journals, there are ${this.#journals}`);
    }
    const last = this.#last;
    this.#last = { item, process };
    if (last === null) return;
    const { version, controllerEpoch, assigned } = last.item;
    if (item.version !== version + 1) this.#fail(`${where} after version ${version}`);
    if (item.controllerEpoch < controllerEpoch) this.#fail(`${where} after epoch ${controllerEpoch}`);
    if (item.controllerEpoch > controllerEpoch + 1) this.#fail(`${where} after epoch ${controllerEpoch}`);
    if (item.controllerEpoch === controllerEpoch && process !== last.process) {
      this.#fail(`${where}, which is the epoch of ${last.process}`);
    }
    if (item.assigned.length < assigned.length) this.#fail(`${where} and forgets journals`);
  }

  #identify(process: string, { brokerId, brokerEpoch }: { readonly brokerId: number; readonly brokerEpoch: number }) {
    const identity = `broker ${brokerId} of epoch ${brokerEpoch}`;
    const known = this.#identities.get(identity) ?? process;
    if (known !== process) this.#fail(`${process} acts as ${identity}, which is ${known}`);
    this.#identities.set(identity, process);
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}
