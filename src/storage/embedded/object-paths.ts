/**
 * Where an object lies in the file system: `objects/<folder>/<shard>/<leaf>`. The folder is the key up to its last slash,
 * the leaf is the rest, the shard its first character, so that a folder of many objects is listed piece by piece.
 *
 *   millrace/segments/Xk3…   →   objects/millrace+segments+/=x/=xk3…
 *
 * Names hold only what every file system keeps apart: lower-case letters, digits, `-`, `_` and `.` stand for themselves,
 * `=a` for `A`, `+` for `/`, `%xx` for the rest; `@` is the folder of keys without a slash. A name longer than 200
 * characters goes on in a directory that ends with `~`. Pure.
 */
import { assert } from '../../runtime/assert.ts';
import type { ObjectKey } from '../object-store.ts';

const NAME_CHARS_MAX = 200;
const NO_FOLDER = '@';
const CONTINUED = '~';

export interface ObjectPlace {
  /** Below `objects`, outermost first; all but the last are directories. */
  readonly names: readonly string[];
}

/** The names of the directories and, last, of the file. */
export function namesOf(key: ObjectKey): string[] {
  const cut = key.lastIndexOf('/') + 1;
  const leaf = key.slice(cut);
  return [...folderNames(key.slice(0, cut)), encodeName(leaf.slice(0, 1)), ...pieces(encodeName(leaf))];
}

/** The directories of a folder, given with its slash at the end. */
export const folderNames = (folder: string): string[] => pieces(folder === '' ? NO_FOLDER : encodeName(folder));

export const shardName = (shard: string): string => encodeName(shard);

export const isContinued = (name: string): boolean => name.endsWith(CONTINUED);

/** What the pieces of a name say together. Null when it is none of ours. */
export function decodeName(names: readonly string[]): string | null {
  const name = names.map((each) => (isContinued(each) ? each.slice(0, -1) : each)).join('');
  if (name === NO_FOLDER) return '';
  if (!/^(?:[a-z0-9._-]|\+|=[a-z]|%[0-9a-f]{2})+$/.test(name)) return null;
  return name.replace(/\+|=([a-z])|%([0-9a-f]{2})/g, (_, upper?: string, code?: string) => {
    if (upper !== undefined) return upper.toUpperCase();
    return code === undefined ? '/' : String.fromCharCode(Number.parseInt(code, 16));
  });
}

function encodeName(text: string): string {
  const name = text.replace(/[^a-z0-9._-]/g, (char) => {
    if (char === '/') return '+';
    if (char >= 'A' && char <= 'Z') return `=${char.toLowerCase()}`;
    return `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  // `.` and `..` are directories already.
  return name === '.' || name === '..' ? name.replaceAll('.', '%2e') : name;
}

function pieces(name: string): string[] {
  assert(name.length > 0, 'an object without a name');
  const result: string[] = [];
  for (let start = 0; start < name.length; start += NAME_CHARS_MAX) {
    const piece = name.slice(start, start + NAME_CHARS_MAX);
    result.push(start + NAME_CHARS_MAX < name.length ? piece + CONTINUED : piece);
  }
  return result;
}
