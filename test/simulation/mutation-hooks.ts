/**
 * Loaded before everything else (`node --import`): breaks one module of `src` on purpose while it is loaded, as the mutation
 * named by the variable MUTATION says. The broker itself knows nothing of it. Ends the program when the text that a
 * mutation replaces is not there exactly once: the code has moved on, and the mutation must follow.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { findMutation, type Mutation, mutate } from './mutations.ts';

const name = process.env['MUTATION'];
if (name !== undefined && name !== '') watch(findMutation(name));

function watch(mutation: Mutation): void {
  const files = new Map(mutation.edits.map(({ file }) => [new URL(`../../src/${file}`, import.meta.url).href, file]));
  // Before anything runs, and not only when the module happens to be loaded.
  for (const file of files.values()) mutated(mutation, file);
  registerHooks({
    load(url, context, nextLoad) {
      const file = files.get(url);
      const loaded = nextLoad(url, context);
      return file === undefined ? loaded : { ...loaded, source: mutated(mutation, file) };
    },
  });
}

function mutated(mutation: Mutation, file: string): string {
  return mutate(mutation, file, readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8'));
}
