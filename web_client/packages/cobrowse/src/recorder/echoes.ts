/**
 * Values that stay here must not come out as an error text, a preview or a clone either: texts of the page are
 * searched for them and for how they began while they were typed, numbers also with separators between digits.
 */
import { cover } from "./patterns.ts";

/** So many characters are looked for inside other texts; fewer only as the whole text. */
const CHARS = 4;
/** Shorter than this a value may be a word that a class or a rule uses too. */
const MEANT = 8;
const MOST = 500;
const SEPARATOR = /[\s.,'\u2019\u00a0]/;
const NUMBER = /^[\d\s.,'\u2019\u00a0]+$/;

export class Echoes {
  /** Lower case; of numbers the digits only. */
  private readonly long = new Set<string>();
  private readonly short = new Set<string>();
  private last = "";

  add(value: string): void {
    const text = value.trim().toLowerCase();
    const digits = NUMBER.test(text) ? text.replace(/\D/g, "") : "";
    const known = digits.length >= CHARS ? digits : text;
    if (known.length < CHARS) {
      if (known !== "") remember(this.short, known);
      return;
    }
    // What is being typed: the longer one covers how it began.
    if (this.last.startsWith(known) && this.long.has(this.last)) return;
    if (known.startsWith(this.last)) this.long.delete(this.last);
    remember(this.long, known);
    this.last = known;
  }

  /** Whether all of a value that is long enough to mean something stands in the text. */
  holds(text: string): boolean {
    if (this.long.size === 0 || text.length < MEANT) return false;
    const lower = text.toLowerCase();
    for (const value of this.long) if (value.length >= MEANT && lower.includes(value)) return true;
    return false;
  }

  /** The text with every echo replaced by dots, one by one; `whole` is for a text that is nothing else. */
  mask(text: string, whole: (text: string) => string): string {
    if (this.long.size === 0 && this.short.size === 0) return text;
    const lower = text.toLowerCase();
    const trimmed = lower.trim();
    if (this.short.has(trimmed) || this.long.has(trimmed)) return whole(text);
    // Where lower case is longer, places would not fit: nothing of it is worth the risk.
    if (lower.length !== text.length) return this.anywhere(lower) ? whole(text) : text;
    let out = text;
    for (const value of this.long) {
      for (const [from, to] of places(lower, value)) out = cover(out, from, to);
    }
    return out;
  }

  private anywhere(lower: string): boolean {
    for (const value of this.long) for (const _ of places(lower, value)) return true;
    return false;
  }
}

function remember(set: Set<string>, value: string): void {
  set.delete(value);
  set.add(value);
  // The oldest, not the shortest: what was hidden a moment ago is what a page shows next.
  const [oldest] = set;
  if (set.size > MOST && oldest !== undefined) set.delete(oldest);
}

/** Where the value, or its beginning, stands in the text. */
function* places(lower: string, value: string): Generator<readonly [from: number, to: number]> {
  const isNumber = NUMBER.test(value);
  const begin = isNumber ? (value[0] as string) : value.slice(0, CHARS);
  for (let from = lower.indexOf(begin); from >= 0; from = lower.indexOf(begin, from)) {
    const to = isNumber ? digitsTo(lower, from, value) : sameTo(lower, from, value);
    if (to > from) yield [from, to];
    from = Math.max(to, from + 1);
  }
}

function sameTo(lower: string, from: number, value: string): number {
  let length = CHARS;
  while (length < value.length && lower[from + length] === value[length]) length += 1;
  return from + length;
}

/** To the last digit in common, whatever single separators stand between; `from` when there are too few. */
function digitsTo(lower: string, from: number, digits: string): number {
  let at = from;
  let end = from;
  let count = 0;
  while (count < digits.length) {
    if (lower[at] === digits[count]) {
      count += 1;
      end = at + 1;
    } else if (!SEPARATOR.test(lower[at] ?? "") || at !== end) break;
    at += 1;
  }
  return count >= CHARS ? end : from;
}
