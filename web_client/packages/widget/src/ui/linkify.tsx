/** Text with its web and mail addresses as links. Only https, http and mailto ever become one. */
import type { ComponentChildren } from "preact";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+\b/giu;
const TRAILING = /[.,;:!?)\]}]+$/u;

/** The target for an address found in a text, or null when it must stay text. */
export function targetOf(address: string): string | null {
  try {
    const url = new URL(address.includes("://") ? address : `mailto:${address}`);
    return ["https:", "http:", "mailto:"].includes(url.protocol) && url.password === "" ? url.href : null;
  } catch {
    return null;
  }
}

export function linkify(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(TRAILING, "");
    const target = targetOf(address);
    if (target === null) continue;
    parts.push(text.slice(done, match.index));
    parts.push(
      <a href={target} target="_blank" rel="noopener noreferrer nofollow">
        {address}
      </a>,
    );
    done = match.index + address.length;
  }
  parts.push(text.slice(done));
  return parts;
}
