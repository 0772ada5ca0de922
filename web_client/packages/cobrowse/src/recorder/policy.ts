import type { Expression } from "./patterns.ts";

/** The site's rules as WELCOME brings them (`cobrowse/policy.py`), with what a missing field means. */
export interface Policy {
  mode: "open" | "strict";
  mask: readonly string[];
  allow: readonly string[];
  block: readonly string[];
  allow_pages: readonly string[];
  private_pages: readonly string[];
  patterns: readonly string[];
  ids: readonly Expression[];
  keep_length: boolean;
  assets: "own" | "all" | "none";
  /** What becomes of attributes: `keep`, `read`… and names, separated by spaces. */
  attributes: Readonly<Record<string, string>>;
}

export const STRICTEST: Policy = {
  mode: "strict",
  mask: [],
  allow: [],
  block: [],
  allow_pages: [],
  private_pages: [],
  patterns: [],
  ids: [],
  keep_length: false,
  assets: "none",
  attributes: {},
};

/** Whether a page's address matches one of the globs: `*` is anything but `/`, `**` anything. */
export function matchesPage(globs: readonly string[], address: string): boolean {
  const url = new URL(address, "http://none.invalid");
  const tried = [url.pathname, `${url.origin}${url.pathname}`];
  return globs.some((glob) => {
    const source = glob
      .split("**")
      .map((part) =>
        part
          .split("*")
          .map((text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
          .join("[^/]*"),
      )
      .join(".*");
    const pattern = new RegExp(`^${source}$`);
    return tried.some((text) => pattern.test(text));
  });
}
