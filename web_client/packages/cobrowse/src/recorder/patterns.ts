/**
 * What looks like a secret wherever it stands: card numbers, IBANs, e-mail addresses, national ids.
 *
 * The server looks again with the same rules (`cobrowse/patterns.py`). Pure: text in, text out.
 * Source: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN, mod 97), the ids' own registries.
 */

const MAYBE = /\d[\d .\-/]{5,}|@|\d[A-Z]/i;
const CARD = /(?<!\d)\d(?:[ .-]?\d){12,18}(?!\d)/g;
const IBAN = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}/gi;
const EMAIL = /[\p{L}\d.!#$%&'*+/=?^_`{|}~-]{1,64}@[\p{L}\d-]{1,63}(?:\.[\p{L}\d-]{1,63})+/gu;

const NATIONAL: Readonly<Record<string, RegExp>> = {
  us_ssn: /\b(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}\b/g,
  uk_nino: /\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b/gi,
  es_dni: /\b[XYZ\d]\d{7}-?[A-Z]\b/gi,
  it_cf: /\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b/gi,
  fr_nir: /\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b/gi,
  de_steuer: /\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b/g,
  se_pnr: /\b(?:19|20)?\d{6}[-+]\d{4}\b/g,
  dk_cpr: /\b\d{6}-\d{4}\b/g,
};

export function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = digits.length - 1, twice = false; index >= 0; index -= 1, twice = !twice) {
    const digit = digits.charCodeAt(index) - 48;
    sum += twice ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

export function isIban(text: string): boolean {
  const plain = text.replaceAll(" ", "").toUpperCase();
  let rest = 0;
  for (const letter of plain.slice(4) + plain.slice(0, 4)) {
    const value = Number.parseInt(letter, 36);
    rest = (value > 9 ? rest * 100 + value : rest * 10 + value) % 97;
  }
  return rest === 1;
}

const dots = (text: string) => "\u2022".repeat(text.length);

/** The longest beginning of a match that is an IBAN, as people write words right after one. */
function ibanIn(match: string): string {
  for (let end = match.length; end >= 15; end -= 1) {
    const head = match.slice(0, end);
    if (isIban(head)) return dots(head) + match.slice(end);
  }
  return match;
}

export class Patterns {
  private readonly own: RegExp[];
  private readonly national: RegExp[];

  constructor(ids: readonly string[], patterns: readonly string[]) {
    this.national = ids.flatMap((name) => NATIONAL[name] ?? []);
    this.own = patterns.flatMap((source) => {
      try {
        return [new RegExp(source, "gu")];
      } catch {
        return [];
      }
    });
  }

  /** The text with every secret in it as dots of the same length. shown: only what no mark can lift. */
  scrub(text: string, shown = false): string {
    let out = text;
    if (MAYBE.test(text)) {
      out = out.replace(CARD, (match) => (luhn(match.replace(/\D/g, "")) ? dots(match) : match));
      out = out.replace(IBAN, ibanIn);
      for (const id of this.national) out = out.replace(id, dots);
      if (!shown && out.includes("@")) out = out.replace(EMAIL, dots);
    }
    if (!shown) for (const pattern of this.own) out = out.replace(pattern, dots);
    return out;
  }
}
