/**
 * What may leave the browser: whether an element is masked, shown, blocked or plain, and what its text,
 * values and attributes become. Deny by default; it reads no layout and keeps no node.
 * Source: docs/cobrowse.md, "what never leaves"; the server looks again (`cobrowse/masking.py`).
 */

import { Echoes } from "./echoes.ts";
import marks from "./marks.json" with { type: "json" };
import { dots, Patterns } from "./patterns.ts";
import { matchesPage, type Policy } from "./policy.ts";
import { addressIn } from "./tree.ts";

/** How an element stands; children inherit it. */
export const PLAIN = 0;
export const MASK = 1;
export const SHOW = 2;
export const BLOCK = 3;
export type Stand = 0 | 1 | 2 | 3;

const SHOW_MARKS = ["[data-talknow-show]"];
const EDITABLE = "[contenteditable]:not([contenteditable='false'])";
const HARD_TYPES = new Set(["password", "hidden", "file"]);
const HARD_AUTOCOMPLETE = /\b(?:cc-[a-z-]+|one-time-code|(?:current|new)-password)\b/;
const BUTTONS = new Set(["submit", "button", "reset", "image"]);

/** The server refuses what this finds (`masking.py` has the same expression); group 1 loads nothing and stays. */
const CSS_LOADS =
  /("(?:[^"\\\n\r\f]|\\(?:\r\n|.))*"?|'(?:[^'\\\n\r\f]|\\(?:\r\n|.))*'?|\/\*.*?(?:\*\/|(?!.))|\\["'\\]|@namespace\s+(?:[-\w]+\s+)?(?:url\(\s*)?(?:"[^"\\\n\r\f]*"|'[^'\\\n\r\f]*'|[^"'\\;{}()\s]+)\s*\)?\s*;|url\(\s*(?:"(?:asset:\d{1,6}|#[^)"'\\\n\r\f]*)?"|'(?:asset:\d{1,6}|#[^)"'\\\n\r\f]*)?'|(?:asset:\d{1,6}|#[^)("'\\\s]*)?)\s*\))|@import[^;]*|url\([^)]*\)?|image-set\((?=(?:(?!image-set\()[^;}])*?(?<!url\()["'](?!image\/|[\s,)]))[^;}]*|(?<![-\w])(?:src|image)\(\s*["'][^)]*\)?|(?:https?|wss?|ftp):\/\/[^\s"')]*|(?:java|vb)script:|expression\s*\(|-moz-binding|(?<![-\w])behavior\s*:|\\(?:0{0,4}(?:[46][1-9a-f]|[57][0-9a])(?![0-9a-f])|[g-z])/gis;
const CSS_PICTURE = /url\((?!\s*["']?#)[^)]*\)?/gi;
const CSS_SAID =
  /(?<![-\w])(?:content|--[-\w]+)\s*:(?:"(?:[^"\\\n\r\f]|\\(?:\r\n|.))*"?|'(?:[^'\\\n\r\f]|\\(?:\r\n|.))*'?|\\(?:\r\n|.)|[^;}"'\\])*/gis;
const CSS_STRING = /"(?:[^"\\\n\r\f]|\\(?:\r\n|.))*"?|'(?:[^'\\\n\r\f]|\\(?:\r\n|.))*'?/gs;
/** Of other attributes a masked element keeps what looks like a state of the page's own. */
const TOKEN = /^(?:(?:[a-z]{1,20}(?:[-_ ][a-z]{1,20}){0,3}|[\d.%]{1,6})?)$/;
const DOTS = "\u2022".repeat(8);

export class Masks {
  private readonly maskMarks: string;
  private readonly blockMarks: string;
  private readonly showMarks: string;
  /** Any mark at all: one look finds the elements that need a second one. */
  readonly marks: string;
  /** What the server had to mask. */
  private readonly forced = new WeakSet<Element>();
  private forces = false;
  /** A password that is made readable stays one. */
  private readonly hard = new WeakSet<Element>();
  private readonly patterns: Patterns;
  private readonly strict: boolean;
  /** Rules by address show what is typed on this page. */
  pageShown = false;
  private readonly echoes = new Echoes();

  /** Names of attributes by what becomes of them. */
  readonly attributes: Policy["attributes"];

  constructor(private readonly policy: Policy) {
    this.attributes = policy.attributes;
    this.maskMarks = valid([...marks.mask, ...policy.mask]);
    this.blockMarks = valid([...marks.block, ...policy.block]);
    this.showMarks = valid([...SHOW_MARKS, ...policy.allow]);
    // Each frame is looked at: its page may be private by its own address.
    const frames = policy.private_pages.length > 0 ? ["iframe", "frame"] : [];
    this.marks = [this.maskMarks, this.blockMarks, this.showMarks, EDITABLE, ...frames].join(",");
    this.patterns = new Patterns(policy.ids, policy.patterns);
    this.strict = policy.mode === "strict";
  }

  /** The page's address changed: rules by address. Returns whether nothing of it may be shown. */
  visit(address: string): boolean {
    this.pageShown = matchesPage(this.policy.allow_pages, address);
    return matchesPage(this.policy.private_pages, address);
  }

  /** The server found a secret in it: from now on it is masked here. */
  force(element: Element): void {
    this.forced.add(element);
    this.forces = true;
  }

  isForced(element: Element): boolean {
    return this.forces && this.forced.has(element);
  }

  /** How a marked element stands whose parent stands so. A mask is never lifted by what is inside it. */
  stand(element: Element, parent: Stand): Stand {
    if (parent === BLOCK || element.matches(this.blockMarks) || this.isPrivateFrame(element)) return BLOCK;
    if (parent === MASK || this.isForced(element) || element.matches(this.maskMarks)) return MASK;
    if (parent === SHOW || element.matches(this.showMarks)) return SHOW;
    return (element.matches(EDITABLE) || isDesigned(element)) && !this.pageShown ? MASK : PLAIN;
  }

  /** Whether it is a frame whose page, by its address now, nobody may see. */
  isPrivateFrame(element: Element): boolean {
    const { private_pages } = this.policy;
    const address = private_pages.length > 0 ? addressIn(element) : "";
    return address !== "" && matchesPage(private_pages, address);
  }

  /** Whether it may stand otherwise than its parent. */
  isMarked(element: Element): boolean {
    return this.isForced(element) || element.matches(this.marks) || isDesigned(element);
  }

  /** Whether a form field's value stays here. */
  hidesValue(field: Element, stand: Stand): boolean {
    if (isHard(field)) this.hard.add(field);
    if (this.hard.has(field) || stand === MASK || stand === BLOCK) return true;
    return stand !== SHOW && !this.pageShown;
  }

  value(text: string, hides: boolean): string {
    if (!hides) return this.patterns.scrub(text, true);
    if (text === "") return "";
    return this.policy.keep_length ? dots(text) : DOTS;
  }

  text(text: string, stand: Stand): string {
    if (this.isSilent(stand)) return this.masked(text);
    return this.scrub(text, stand);
  }

  /** Text of the page, or of an attribute people read. */
  scrub(text: string, stand: Stand): string {
    const out = this.patterns.scrub(text, stand === SHOW);
    return stand === SHOW ? out : this.echoes.mask(out, (whole) => this.masked(whole));
  }

  /** What nobody reads (classes, ids, styles): left as it is unless a hidden value stands in it. */
  unread(text: string): string {
    return this.echoes.holds(text) ? DOTS : text;
  }

  /** Rules or a style: nothing is loaded or said that may not be; a masked element has no pictures. */
  css(text: string, stand: Stand = PLAIN): string {
    let out = text.replace(CSS_LOADS, (found, kept?: string) => kept ?? (found[0] === "\\" ? "" : "none"));
    if (stand === MASK) out = out.replace(CSS_PICTURE, "none");
    return out.replace(CSS_SAID, (found) => {
      if (this.isSilent(stand))
        return found.replace(CSS_STRING, (words) => (/[\p{L}\p{N}]{3}/u.test(words) ? '"\u2022"' : words));
      return this.echoes.mask(this.patterns.scrub(found), () => 'content: ""');
    });
  }

  /** Whether what stands so says nothing. */
  isSilent(stand: Stand): boolean {
    return stand !== SHOW && (this.strict || stand !== PLAIN);
  }

  /** The value of an attribute that nobody knows. */
  state(text: string, stand: Stand): string {
    return this.isSilent(stand) && !TOKEN.test(text) ? "" : this.scrub(text, stand);
  }

  /** A value that stays here. */
  remember(value: string): void {
    this.echoes.add(value);
  }

  private masked(text: string): string {
    if (this.policy.keep_length) return text.replace(/\S/gu, "\u2022");
    return text.trim() === "" ? text : DOTS;
  }
}

/** The whole document is an editor. */
function isDesigned(element: Element): boolean {
  return element.localName === "html" && element.ownerDocument.designMode === "on";
}

export function isHard(field: Element): boolean {
  const type = (field.getAttribute("type") ?? "").toLowerCase();
  return (
    HARD_TYPES.has(type) || HARD_AUTOCOMPLETE.test((field.getAttribute("autocomplete") ?? "").toLowerCase())
  );
}

/** A field whose value is its label. */
export function isButton(field: Element): boolean {
  return field.localName === "input" && BUTTONS.has((field.getAttribute("type") ?? "").toLowerCase());
}

/** Selectors of a site may be wrong: those are left out, the others hold. */
function valid(selectors: readonly string[]): string {
  const none = document.createDocumentFragment();
  const good = selectors.filter((selector) => {
    try {
      none.querySelector(selector);
      return true;
    } catch {
      return false;
    }
  });
  return good.join(",");
}
