/**
 * A subscription by regular expression, ready to be asked: whether it matches the whole of a topic's name. All ways through
 * the expression are followed at once (Thompson), so that no expression can make a name take long.
 */
import { type Assertion, type CharacterSet, invalidPattern, type Pattern, parsePattern } from './pattern-parser.ts';

export interface TopicPattern {
  matches(name: string): boolean;
}

/** Of one expression, after counted repetitions were written out. */
const STEPS_MAX = 10_000;
export const PATTERN_CHARS_MAX = 10_000;

/** Throws INVALID_REGULAR_EXPRESSION. */
export function compileTopicPattern(source: string): TopicPattern {
  if (source.length > PATTERN_CHARS_MAX) {
    throw invalidPattern(`${source.slice(0, 100)}…`, `${source.length} characters, at most ${PATTERN_CHARS_MAX}`);
  }
  const pattern = parsePattern(source);
  if (stepCount(pattern) > STEPS_MAX) throw invalidPattern(source.slice(0, 100), 'expression too large');
  const program = new Program();
  program.append(pattern);
  return new Matcher(program.steps);
}

/** A step ends a match when it is the number behind the last. */
type Step =
  | { readonly type: 'characters'; readonly set: CharacterSet }
  | { readonly type: 'assertion'; readonly assertion: Assertion }
  | { readonly type: 'fork'; readonly to: number; or: number };

function stepCount(pattern: Pattern): number {
  switch (pattern.type) {
    case 'characters':
    case 'assertion':
      return 1;
    case 'sequence':
      return pattern.parts.reduce((sum, part) => sum + stepCount(part), 0);
    case 'choice':
      return pattern.options.reduce((sum, option) => sum + stepCount(option) + 2, 0);
    case 'repeat':
      return (stepCount(pattern.part) + 2) * Math.max(pattern.max ?? pattern.min + 1, 1);
  }
}

class Program {
  readonly steps: Step[] = [];

  append(pattern: Pattern): void {
    switch (pattern.type) {
      case 'characters':
      case 'assertion':
        this.steps.push(pattern);
        return;
      case 'sequence':
        for (const part of pattern.parts) this.append(part);
        return;
      case 'choice':
        this.#appendChoice(pattern.options);
        return;
      case 'repeat':
        this.#appendRepeat(pattern.part, pattern.min, pattern.max);
        return;
    }
  }

  #appendChoice(options: readonly Pattern[]): void {
    const exits: { or: number }[] = [];
    for (const [index, option] of options.entries()) {
      const isLast = index === options.length - 1;
      const entry = isLast ? null : this.#fork();
      this.append(option);
      if (entry === null) break;
      exits.push(this.#jump());
      entry.or = this.steps.length;
    }
    for (const exit of exits) exit.or = this.steps.length;
  }

  #appendRepeat(part: Pattern, min: number, max: number | null): void {
    for (let count = 0; count < min; count++) this.append(part);
    if (max === null) {
      const again = this.#fork();
      const start = this.steps.length - 1;
      this.append(part);
      this.#jump().or = start;
      again.or = this.steps.length;
      return;
    }
    const exits = Array.from({ length: max - min }, () => {
      const exit = this.#fork();
      this.append(part);
      return exit;
    });
    for (const exit of exits) exit.or = this.steps.length;
  }

  /** Goes on with the next step, or with the one that is set later. */
  #fork(): { or: number } {
    const fork = { type: 'fork' as const, to: this.steps.length + 1, or: -1 };
    this.steps.push(fork);
    return fork;
  }

  /** Goes on with the one that is set later. */
  #jump(): { or: number } {
    const jump = { type: 'fork' as const, to: -1, or: -1 };
    this.steps.push(jump);
    return jump;
  }
}

class Matcher implements TopicPattern {
  readonly #steps: readonly Step[];
  /** Per step, the generation in which it was last reached; each position of each text is one. */
  readonly #reached: Float64Array;
  #generation = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.#reached = new Float64Array(steps.length + 1).fill(-1);
  }

  matches(name: string): boolean {
    let waiting = this.#follow([0], name, 0);
    for (let at = 0; at < name.length && waiting.length > 0; at++) {
      const code = name.charCodeAt(at);
      const passed: number[] = [];
      for (const index of waiting) {
        const step = this.#steps[index];
        if (step?.type === 'characters' && step.set[code]) passed.push(index + 1);
      }
      waiting = this.#follow(passed, name, at + 1);
    }
    return waiting.includes(this.#steps.length);
  }

  /** From these steps on to those that wait for a character, or the end of the program. */
  #follow(from: readonly number[], name: string, at: number): number[] {
    this.#generation++;
    const waiting: number[] = [];
    const stack = [...from];
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (index === -1 || this.#reached[index] === this.#generation) continue;
      this.#reached[index] = this.#generation;
      const step = this.#steps[index];
      if (step === undefined || step.type === 'characters') waiting.push(index);
      else if (step.type === 'fork') stack.push(step.to, step.or);
      else if (holds(step.assertion, name, at)) stack.push(index + 1);
    }
    return waiting;
  }
}

function holds(assertion: Assertion, name: string, at: number): boolean {
  switch (assertion) {
    case 'start':
      return at === 0;
    case 'end':
      return at === name.length;
    case 'boundary':
      return isWord(name, at - 1) !== isWord(name, at);
    case 'noBoundary':
      return isWord(name, at - 1) === isWord(name, at);
  }
}

const isWord = (name: string, at: number): boolean => /\w/.test(name[at] ?? '');
