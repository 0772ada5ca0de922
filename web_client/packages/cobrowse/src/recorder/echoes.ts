/**
 * Values that stay here must not come out as an error text, a preview or a clone either: texts of the page are
 * searched for them and for how they began while they were typed, numbers also with separators between digits.
 */
import { cover } from "./patterns.ts";

/** So many characters are looked for inside other texts; fewer only as the whole text. */
const CHARS = 4;
/** Shorter than this a value may be a word that a class or a rule uses too. */
const MEANT = 8;
/** Values kept; as many again are shorter than CHARS. */
const MOST = 20_000;
const SEPARATOR = /[\s.,'\u2019\u00a0]/;
const NUMBER = /^[\d\s.,'\u2019\u00a0]+$/;
const DIGITS = /^\d+$/;

export class Echoes {
  /** Lower case; of numbers the digits only. The newest last. */
  private readonly long = new Set<string>();
  private readonly short = new Set<string>();
  /** The values of `long` by their first CHARS characters. */
  private readonly heads = new Map<string, string[]>();
  /** Whether a value may begin with what stands at a place: most places of a text are passed by one look. */
  private readonly begins = new Uint8Array(PLACES);
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
    if (known.startsWith(this.last)) this.forget(this.last);
    if (!this.long.has(known)) this.index(known);
    this.forget(remember(this.long, known));
    this.last = known;
  }

  private index(value: string): void {
    const head = value.slice(0, CHARS);
    const same = this.heads.get(head);
    if (same === undefined) this.heads.set(head, [value]);
    else same.push(value);
    this.begins[sight(value, 0)] = 1;
  }

  private forget(value: string | undefined): void {
    if (value === undefined) return;
    this.long.delete(value);
    const head = value.slice(0, CHARS);
    const left = this.heads.get(head)?.filter((one) => one !== value) ?? [];
    if (left.length > 0) this.heads.set(head, left);
    else this.heads.delete(head);
  }

  /** Whether all of a value that is long enough to mean something stands in the text. */
  holds(text: string): boolean {
    if (this.long.size === 0 || text.length < MEANT) return false;
    const lower = text.toLowerCase();
    for (let at = this.next(lower, 0); at >= 0; at = this.next(lower, at + 1)) {
      for (const value of this.startingAt(lower, at))
        if (value.length >= MEANT && lower.startsWith(value, at)) return true;
    }
    return false;
  }

  /** The text with every echo replaced by dots, one by one; `whole` is for a text that is nothing else. */
  mask(text: string, whole: (text: string) => string): string {
    if (this.long.size === 0 && this.short.size === 0) return text;
    const lower = text.toLowerCase();
    const trimmed = lower.trim();
    if (this.short.has(trimmed) || this.long.has(trimmed)) return whole(text);
    let out = text;
    let covered = 0;
    for (let at = this.next(lower, 0); at >= 0; at = this.next(lower, at + 1)) {
      const to = this.longest(lower, at);
      if (to <= Math.max(at, covered)) continue;
      // Where lower case is longer, places would not fit: nothing of it is worth the risk.
      if (lower.length !== text.length) return whole(text);
      out = cover(out, at, to);
      covered = to;
    }
    return out;
  }

  /** The next place from here where a value may begin, -1 when there is none. */
  private next(lower: string, from: number): number {
    for (let at = from; at < lower.length; at += 1) if (this.begins[sight(lower, at)] === 1) return at;
    return -1;
  }

  private startingAt(lower: string, at: number): readonly string[] {
    return this.heads.get(lower.slice(at, at + CHARS)) ?? NONE;
  }

  /** To where the longest value that stands here, or its beginning, goes; `at` when none does. */
  private longest(lower: string, at: number): number {
    let end = at;
    for (const value of this.startingAt(lower, at))
      end = Math.max(end, DIGITS.test(value) ? digitsTo(lower, at, value) : sameTo(lower, at, value));
    for (const value of this.heads.get(spaced(lower, at)) ?? NONE)
      if (DIGITS.test(value)) end = Math.max(end, digitsTo(lower, at, value));
    return end;
  }
}

const NONE: readonly string[] = [];

/** Adds; returns what had to go for it. */
function remember(set: Set<string>, value: string): string | undefined {
  set.delete(value);
  set.add(value);
  // The oldest, not the shortest: what was hidden a moment ago is what a page shows next.
  const [oldest] = set;
  if (set.size <= MOST) return undefined;
  set.delete(oldest as string);
  return oldest;
}

const PLACES = 4_096;

/** A number for the two characters here; for a digit of it alone, as separators may follow. */
function sight(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57 ? code : (code * 31 + text.charCodeAt(at + 1)) & (PLACES - 1);
}

/** The first CHARS digits from here over single separators, "" where fewer stand. */
function spaced(lower: string, from: number): string {
  let digits = "";
  let parted = true;
  for (let at = from; digits.length < CHARS; at += 1) {
    const char = lower[at] ?? "";
    if (char >= "0" && char <= "9") {
      digits += char;
      parted = false;
    } else if (parted || !SEPARATOR.test(char)) return "";
    else parted = true;
  }
  return digits;
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
