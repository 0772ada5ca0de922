/**
 * Values that stay here must not come out as an error text, a preview or a clone either: texts of the page are
 * searched for them and for how they began while they were typed, numbers also with separators between digits.
 */
import { cover } from "./patterns.ts";

/** So many characters are looked for inside other texts; fewer only as the whole text. */
const CHARS = 4;
/** Shorter than this a value may be a word that a class or a rule uses too. */
const MEANT = 8;
const MOST = 20_000;
const SEPARATOR = /[\s.,'\u2019]/;
/** A number that is long enough, without its separators. */
const DIGITS = /^\d{4,}$/;

export class Echoes {
  /** Lower case; of numbers the digits only. The newest last. */
  private readonly values = new Set<string>();
  /** Those that are long enough, by their first CHARS characters. */
  private readonly heads = new Map<string, Set<string>>();
  /** Whether a value begins with a character: most places of a text are passed by one look. */
  private readonly begins = new Uint8Array(65_536);
  private last = "";

  add(value: string): void {
    const text = value.trim().toLowerCase();
    const digits = text.split(SEPARATOR).join("");
    const known = DIGITS.test(digits) ? digits : text;
    if (known === "") return;
    if (known.length >= CHARS) {
      // What is being typed: the longer one covers how it began.
      if (this.last.startsWith(known) && this.values.has(this.last)) return;
      if (known.startsWith(this.last)) this.forget(this.last);
      const head = known.slice(0, CHARS);
      this.heads.set(head, (this.heads.get(head) ?? new Set()).add(known));
      this.begins[known.charCodeAt(0)] = 1;
      this.last = known;
    }
    this.values.delete(known);
    this.values.add(known);
    // The oldest goes, not the shortest: what was hidden a moment ago is what a page shows next.
    const [oldest = ""] = this.values;
    if (this.values.size > MOST) this.forget(oldest);
  }

  private forget(value: string): void {
    this.values.delete(value);
    this.heads.get(value.slice(0, CHARS))?.delete(value);
  }

  /** Whether all of a value that is long enough to mean something stands in the text. */
  holds(text: string): boolean {
    const lower = text.toLowerCase();
    for (let at = this.next(lower, 0); at >= 0; at = this.next(lower, at + 1)) {
      for (const value of this.heads.get(lower.slice(at, at + CHARS)) ?? [])
        if (value.length >= MEANT && lower.startsWith(value, at)) return true;
    }
    return false;
  }

  /** The text with every echo replaced by dots, one by one; `whole` is for a text that is nothing else. */
  mask(text: string, whole: (text: string) => string): string {
    if (this.values.size === 0) return text;
    const lower = text.toLowerCase();
    if (this.values.has(lower.trim())) return whole(text);
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
    for (let at = from; at < lower.length; at += 1) if (this.begins[lower.charCodeAt(at)]) return at;
    return -1;
  }

  /** To where the longest value that stands here, or its beginning, goes; `at` when none does. */
  private longest(lower: string, at: number): number {
    // Single separators may stand between the digits.
    const digits = lower.slice(at, at + 2 * CHARS - 1).replace(/\D/g, "");
    let end = at;
    for (const head of [lower.slice(at, at + CHARS), digits.slice(0, CHARS)])
      for (const value of this.heads.get(head) ?? [])
        end = Math.max(end, (DIGITS.test(value) ? digitsTo : sameTo)(lower, at, value));
    return end;
  }
}

function sameTo(lower: string, from: number, value: string): number {
  let length = 0;
  while (length < value.length && lower[from + length] === value[length]) length += 1;
  return length < CHARS ? from : from + length;
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
