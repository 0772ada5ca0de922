/**
 * What looks like a secret wherever it stands: card numbers, IBANs, e-mail addresses, national ids.
 *
 * The server looks again with the same rules (`cobrowse/patterns.py`), and tells the expressions of the ids that a
 * site looks for. Pure: text in, text out.
 * Source: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN, mod 97), the ids' own registries.
 */

const MAYBE = /\d(?:\D*\d){5}|@/;
/** What people and pages put between groups, up to two of them. */
const GAP = "[ \\t\\r\\n\\xa0\\xad\\u2000-\\u2015\\u202f\\u2060./\\-]{0,2}";
const NUMBER = new RegExp(`\\d(?:${GAP}\\d){12,}`, "g");
/** How a card's number begins, and how many digits it may have. */
const ISSUER =
  /^(?:4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7]|35|97)\d{14}|3[47]\d{13}|3[0689]\d{12}(?:\d\d)?|(?:5[0678]|6\d)\d{11,17}|8[12]\d{14,17})$/;
const IBAN = new RegExp(`(?<![A-Z\\d])(?=([A-Z]{2}${GAP}\\d${GAP}\\d(?:${GAP}[A-Z\\d]){11,30}))`, "gi");
const ALNUM = /[\p{L}\p{N}]/u;
const EMAIL = /[\p{L}\d.!#$%&'*+/=?^_`{|}~-]{1,64}@[\p{L}\d-]{1,63}(?:\.[\p{L}\d-]{1,63})+/gu;

/** An expression and its flags, as WELCOME brings those of national ids. */
export type Expression = readonly [source: string, flags: string];

export function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = digits.length - 1, twice = false; index >= 0; index -= 1, twice = !twice) {
    const digit = digits.charCodeAt(index) - 48;
    sum += twice ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

export function isIban(text: string): boolean {
  const plain = text.replace(/[^A-Z\d]/gi, "").toUpperCase();
  let rest = 0;
  for (const letter of plain.slice(4) + plain.slice(0, 4)) {
    const value = Number.parseInt(letter, 36);
    rest = (value > 9 ? rest * 100 + value : rest * 10 + value) % 97;
  }
  return rest === 1;
}

export const dots = (text: string) => "\u2022".repeat(text.length);

/** A row of digits with gaps: a card's number begins and ends with a group, or lies inside a long one. */
function cards(row: string): string {
  const at: number[] = [];
  const group: number[] = [];
  const sizes: number[] = [];
  for (const { 0: found, index } of row.matchAll(/\d+/g)) {
    for (let place = 0; place < found.length; place += 1) {
      at.push(index + place);
      group.push(sizes.length);
    }
    sizes.push(found.length);
  }
  const digits = row.replace(/\D/g, "");
  const inside = (place: number) => {
    const size = sizes[group[place] ?? -1] ?? 0;
    return group[place] === group[place - 1] && (size < 13 || size > 40);
  };
  // More than five groups are coordinates, unless all are as long.
  const isWrittenSo = (first: number, last: number) => {
    const within = sizes.slice(group[first], group[last - 1]);
    return within.length < 5 || new Set(within).size === 1;
  };
  let out = row;
  for (let first = 0; first + 13 <= at.length; first += 1) {
    if (inside(first)) continue;
    for (let last = Math.min(first + 19, at.length); last > first + 12; last -= 1) {
      const number = digits.slice(first, last);
      if (inside(last) || !ISSUER.test(number) || !luhn(number) || !isWrittenSo(first, last)) continue;
      out = cover(out, at[first] as number, (at[last - 1] as number) + 1);
      first = last - 1;
      break;
    }
  }
  return out;
}

/** Every beginning counts, as one may stand right after another or after a word that looks like one. */
function ibans(text: string): string {
  let out = text;
  for (const match of text.matchAll(IBAN)) {
    const found = match[1] as string;
    const { index } = match;
    for (let end = found.length; end >= 15; end -= 1) {
      const head = found.slice(0, end);
      if (!ALNUM.test(head.slice(-1)) || ALNUM.test(text[index + end] ?? "")) continue;
      if (head.replace(/\D/g, "").length < 10 || !isIban(head)) continue;
      out = cover(out, index, index + end);
      break;
    }
  }
  return out;
}

/** The text with dots from one place to another. */
export function cover(text: string, from: number, to: number): string {
  return text.slice(0, from) + dots(text.slice(from, to)) + text.slice(to);
}

/** What no expression can be made of finds nothing here; the server looks with its own. */
function made(source: string, flags: string): RegExp[] {
  try {
    return [new RegExp(source, flags)];
  } catch {
    return [];
  }
}

export class Patterns {
  private readonly own: RegExp[];
  private readonly national: RegExp[];

  constructor(ids: readonly Expression[], patterns: readonly string[]) {
    this.national = ids.flatMap(([source, flags]) => made(source, `g${flags}`));
    this.own = patterns.flatMap((source) => made(source, "gu"));
  }

  /** The text with every secret in it as dots of the same length. shown: only what no mark can lift. */
  scrub(text: string, shown = false): string {
    let out = text;
    if (MAYBE.test(text)) {
      out = ibans(out).replace(NUMBER, cards);
      for (const id of this.national) out = out.replace(id, dots);
      if (!shown && out.includes("@")) out = out.replace(EMAIL, dots);
    }
    if (!shown) for (const pattern of this.own) out = out.replace(pattern, dots);
    return out;
  }
}
