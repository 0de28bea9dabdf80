/**
 * Stores as a process sees them that dies at a chosen call: that call and all later ones never answer. The call itself
 * may still reach the store or not.
 */
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { Stores } from './harness.ts';

export interface Death {
  /** Counts from 1. */
  readonly call: number;
  readonly when: 'before the effect' | 'after the effect';
}

export class MortalStores {
  calls = 0;
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  /** Resolves when the process dies. */
  readonly died: Promise<void>;
  readonly #death: Death;
  #die: () => void = () => {};
  #dead = false;

  constructor(inner: Stores, death: Death) {
    this.#death = death;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
    this.metadata = this.#wrap(inner.metadata);
    this.objects = this.#wrap(inner.objects);
  }

  #wrap<Store extends object>(inner: Store): Store {
    return new Proxy(inner, {
      get: (target, name) => {
        const member = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => this.#call(() => member.apply(target, args));
      },
    });
  }

  async #call(effect: () => Promise<unknown>): Promise<unknown> {
    if (!this.#dead) {
      this.calls++;
      if (this.calls < this.#death.call) return effect();
      this.#dead = true;
      if (this.#death.when === 'after the effect') await effect();
      this.#die();
    }
    return new Promise(() => {});
  }
}
