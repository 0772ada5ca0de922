/** Finds web and mail addresses in a text. Only https, http and mailto ever become a link. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+\b/giu;
const TRAILING = /[.,;:!?)\]}]+$/u;

export interface TextPart {
  text: string;
  /** "" when the part is plain text. */
  href: string;
}

function targetOf(address: string): string {
  try {
    const url = new URL(address.includes("://") ? address : `mailto:${address}`);
    const safe = ["https:", "http:", "mailto:"].includes(url.protocol) && url.password === "";
    return safe ? url.href : "";
  } catch {
    return "";
  }
}

export function partsOf(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(TRAILING, "");
    const href = targetOf(address);
    if (href === "") continue;
    if (match.index > done) parts.push({ text: text.slice(done, match.index), href: "" });
    parts.push({ text: address, href });
    done = match.index + address.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done), href: "" });
  return parts;
}
