/**
 * The syntax of regular expressions as RE2 has it, which Kafka uses for subscriptions: no references back, no looking
 * around, so that matching takes time in proportion to the text. What RE2 refuses is refused here.
 *
 * Topic names are ASCII, so a class of characters is a table of 128 answers.
 */
import { KafkaError } from '../../../errors.ts';

export type Pattern =
  | { readonly type: 'characters'; readonly set: CharacterSet }
  | { readonly type: 'assertion'; readonly assertion: Assertion }
  | { readonly type: 'sequence'; readonly parts: readonly Pattern[] }
  | { readonly type: 'choice'; readonly options: readonly Pattern[] }
  /** `max` is null for any number of times. */
  | { readonly type: 'repeat'; readonly part: Pattern; readonly min: number; readonly max: number | null };

export type Assertion = 'start' | 'end' | 'boundary' | 'noBoundary';

/** Index = character code. */
export type CharacterSet = readonly boolean[];

const ASCII_COUNT = 128;
/** RE2's own limits. */
const REPEAT_MAX = 1_000;
const DEPTH_MAX = 1_000;

export function parsePattern(source: string): Pattern {
  return new PatternParser(source).parse();
}

export const invalidPattern = (source: string, why: string): KafkaError =>
  new KafkaError(
    'INVALID_REGULAR_EXPRESSION',
    `SubscribedTopicRegex \`${source}\` is not a valid regular expression: ${why}`,
  );

const where = (test: (code: number) => boolean): CharacterSet =>
  Array.from({ length: ASCII_COUNT }, (_, code) => test(code));
const matching = (regex: RegExp): CharacterSet => where((code) => regex.test(String.fromCharCode(code)));
const not = (set: CharacterSet): CharacterSet => set.map((has) => !has);
const foldCase = (set: CharacterSet): CharacterSet =>
  where((code) => {
    const character = String.fromCharCode(code);
    return set[character.toLowerCase().charCodeAt(0)]! || set[character.toUpperCase().charCodeAt(0)]!;
  });

const PERL: Readonly<Record<string, CharacterSet>> = {
  d: matching(/\d/),
  s: matching(/[\t\n\f\r ]/),
  w: matching(/\w/),
};

const POSIX: Readonly<Record<string, CharacterSet>> = {
  alnum: matching(/[0-9A-Za-z]/),
  alpha: matching(/[A-Za-z]/),
  ascii: where(() => true),
  blank: matching(/[\t ]/),
  cntrl: where((code) => code < 32 || code === 127),
  digit: matching(/[0-9]/),
  graph: matching(/[!-~]/),
  lower: matching(/[a-z]/),
  print: matching(/[ -~]/),
  punct: matching(/[!-/:-@[-`{-~]/),
  space: matching(/[\t\n\v\f\r ]/),
  upper: matching(/[A-Z]/),
  word: matching(/[0-9A-Za-z_]/),
  xdigit: matching(/[0-9A-Fa-f]/),
};

const ESCAPED: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const ASSERTIONS: Readonly<Record<string, Assertion>> = { A: 'start', z: 'end', b: 'boundary', B: 'noBoundary' };

interface Flags {
  readonly foldCase: boolean;
  readonly dotMatchesNewline: boolean;
}

class PatternParser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #flags: Flags = { foldCase: false, dotMatchesNewline: false };

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Pattern {
    const pattern = this.#choice();
    if (this.#at < this.#source.length) throw this.#invalid('unexpected )');
    return pattern;
  }

  #choice(): Pattern {
    if (++this.#depth > DEPTH_MAX) throw this.#invalid('nested too deeply');
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    this.#depth--;
    return options.length === 1 ? options[0]! : { type: 'choice', options };
  }

  #sequence(): Pattern {
    const parts: Pattern[] = [];
    while (this.#at < this.#source.length && !this.#sees('|') && !this.#sees(')')) {
      if (this.#take('\\Q')) parts.push(...this.#quoted());
      else {
        const atom = this.#atom();
        if (atom !== null) parts.push(this.#repeated(atom));
      }
    }
    return parts.length === 1 ? parts[0]! : { type: 'sequence', parts };
  }

  /** `\Q…\E`; an operator behind it repeats its last character. */
  #quoted(): Pattern[] {
    const end = this.#source.indexOf('\\E', this.#at);
    const text = this.#source.slice(this.#at, end === -1 ? undefined : end);
    this.#at = end === -1 ? this.#source.length : end + 2;
    const parts = [...text].map((character) => this.#literal(character.codePointAt(0)!));
    const last = parts.pop();
    return last === undefined ? parts : [...parts, this.#repeated(last)];
  }

  #repeated(part: Pattern): Pattern {
    const bounds = this.#bounds();
    if (bounds === null) return part;
    this.#take('?'); // Lazy or not matches the same texts.
    if (this.#bounds() !== null) throw this.#invalid('invalid nested repetition operator');
    return { type: 'repeat', part, ...bounds };
  }

  #bounds(): { readonly min: number; readonly max: number | null } | null {
    if (this.#take('*')) return { min: 0, max: null };
    if (this.#take('+')) return { min: 1, max: null };
    if (this.#take('?')) return { min: 0, max: 1 };
    const counted = this.#takeMatch(/\{(\d+)(,(\d*))?\}/y);
    if (counted === null) return null;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === '' ? null : Number(counted[3]);
    if (min > REPEAT_MAX || (max ?? 0) > REPEAT_MAX || (max !== null && max < min)) {
      throw this.#invalid(`invalid repeat count ${counted[0]}`);
    }
    return { min, max };
  }

  /** Null for flags, which stand for no text. */
  #atom(): Pattern | null {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { type: 'characters', set: this.#folded(this.#class()) };
      case '.':
        return { type: 'characters', set: where((code) => this.#flags.dotMatchesNewline || code !== 10) };
      case '^':
        return { type: 'assertion', assertion: 'start' }; // Names have one line: the flag m changes nothing.
      case '$':
        return { type: 'assertion', assertion: 'end' };
      case '*':
      case '+':
      case '?':
        throw this.#invalid(`missing argument to repetition operator ${character}`);
      case '\\':
        return this.#escape();
      default:
        return this.#literal(character.codePointAt(0)!);
    }
  }

  #group(): Pattern | null {
    const outer = this.#flags;
    if (this.#sees('?') && this.#takeMatch(/\?(?:P?<\w+>)/y) === null) {
      const flags = this.#takeMatch(/\?([imsU]*)(?:-([imsU]+))?([:)])/y);
      if (flags === null) throw this.#invalid('invalid or unsupported group syntax');
      this.#flags = withFlags(withFlags(outer, flags[1]!, true), flags[2] ?? '', false);
      if (flags[3] === ')') return null;
    }
    const pattern = this.#choice();
    if (!this.#take(')')) throw this.#invalid('missing closing )');
    this.#flags = outer;
    return pattern;
  }

  #escape(): Pattern {
    const character = this.#source[this.#at];
    const assertion = character === undefined ? undefined : ASSERTIONS[character];
    if (assertion !== undefined) {
      this.#at++;
      return { type: 'assertion', assertion };
    }
    if (this.#take('C')) return { type: 'characters', set: where(() => true) };
    const set = this.#escapedClass();
    return set === null ? this.#literal(this.#escapedCode()) : { type: 'characters', set: this.#folded(set) };
  }

  /** `\d`, `\pL`, `\P{Greek}`, …; null when something else follows the backslash. */
  #escapedClass(): CharacterSet | null {
    const perl = this.#takeMatch(/[dswDSW]/y)?.[0];
    if (perl !== undefined) return perl === perl.toLowerCase() ? PERL[perl]! : not(PERL[perl.toLowerCase()]!);
    const property = this.#takeMatch(/([pP])(?:\{(\^?)(\w+)\}|(\w))/y);
    if (property === null) return null;
    const name = property[3] ?? property[4]!;
    const set = propertySet(name);
    if (set === null) throw this.#invalid(`unknown character class ${name}`);
    return (property[1] === 'P') !== (property[2] === '^') ? not(set) : set;
  }

  #escapedCode(): number {
    const hex = this.#takeMatch(/x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/y);
    if (hex !== null) return Number.parseInt(hex[1] ?? hex[2]!, 16);
    const octal = this.#takeMatch(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y);
    if (octal !== null) return Number.parseInt(octal[0], 8);
    if (this.#at >= this.#source.length) throw this.#invalid('trailing \\');
    const character = this.#next();
    const code = ESCAPED[character] ?? character.codePointAt(0)!;
    if (/[0-9A-Za-z]/.test(character) && !Object.hasOwn(ESCAPED, character)) {
      throw this.#invalid(`invalid or unsupported escape \\${character}`);
    }
    return code;
  }

  #class(): CharacterSet {
    const negated = this.#take('^');
    const set = new Array<boolean>(ASCII_COUNT).fill(false);
    const add = (more: CharacterSet) => {
      for (const [code, has] of more.entries()) if (has) set[code] = true;
    };
    for (let isFirst = true; isFirst || !this.#take(']'); isFirst = false) {
      if (this.#at >= this.#source.length) throw this.#invalid('missing closing ]');
      const posix = this.#takeMatch(/\[:(\^?)(\w+):\]/y);
      if (posix !== null) {
        if (!Object.hasOwn(POSIX, posix[2]!)) throw this.#invalid(`unknown character class ${posix[0]}`);
        add(posix[1] === '^' ? not(POSIX[posix[2]!]!) : POSIX[posix[2]!]!);
        continue;
      }
      const escaped = this.#take('\\');
      const named = escaped ? this.#escapedClass() : null;
      if (named !== null) {
        add(named);
        continue;
      }
      const first = escaped ? this.#escapedCode() : this.#next().codePointAt(0)!;
      const last = this.#rangeEnd() ?? first;
      if (last < first) throw this.#invalid('bad range of characters');
      for (let code = first; code <= Math.min(last, ASCII_COUNT - 1); code++) set[code] = true;
    }
    // Folding comes before negation: [^a] leaves out A, too.
    return negated ? not(this.#folded(set)) : set;
  }

  #rangeEnd(): number | null {
    if (!this.#sees('-') || this.#source[this.#at + 1] === ']' || this.#at + 1 >= this.#source.length) return null;
    this.#at++;
    return this.#take('\\') ? this.#escapedCode() : this.#next().codePointAt(0)!;
  }

  #literal(code: number): Pattern {
    return { type: 'characters', set: this.#folded(where((each) => each === code)) };
  }

  #folded(set: CharacterSet): CharacterSet {
    return this.#flags.foldCase ? foldCase(set) : set;
  }

  #sees(text: string): boolean {
    return this.#source.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false;
    this.#at += text.length;
    return true;
  }

  #takeMatch(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.#at;
    const match = sticky.exec(this.#source);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #next(): string {
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at)!);
    this.#at += character.length;
    return character;
  }

  #invalid(why: string): KafkaError {
    return invalidPattern(this.#source, why);
  }
}

function withFlags(flags: Flags, letters: string, on: boolean): Flags {
  return {
    foldCase: letters.includes('i') ? on : flags.foldCase,
    dotMatchesNewline: letters.includes('s') ? on : flags.dotMatchesNewline,
  };
}

/** A general category or a script of Unicode, as far as ASCII goes; null when there is none of that name. */
function propertySet(name: string): CharacterSet | null {
  if (name === 'Any') return where(() => true);
  for (const property of [name, `Script=${name}`]) {
    try {
      return matching(new RegExp(`^\\p{${property}}$`, 'u'));
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
    }
  }
  return null;
}
