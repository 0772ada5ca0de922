/**
 * What becomes of an attribute on its way out: kept, read like text, a number of an asset, or left out. Which names
 * are which WELCOME says (`cobrowse/attributes.py`): without it nothing is kept.
 *
 * Values that a stylesheet names (`[data-state="open"]`) are the site's own constants and may be sent; any other
 * value of an unknown attribute is sent as "". Source: docs/cobrowse.md, "attributes".
 */
import { BLOCK, MASK, type Masks, PLAIN, type Stand } from "./mask.ts";
import { MATHML, SVG } from "./tree.ts";

/** Handlers, and what templates of frameworks leave behind (`@click`): the server refuses such names. */
const NO_NAME = /^(?:on|xmlns)|^[^a-z_]|[^\w.:-]/i;
const ADDRESS = /^\s*(?:(?:javascript|data|vbscript|blob|file|https?|ftp|wss?):|\/\/)/i;
const NUMBERED = /^(?:progress|meter|li)$/;
const SELECTOR = /\[\s*([\w-]+)\s*(?:[~|^$*]?=\s*["']?([^"'\]]*))?/g;

export interface AssetNumbers {
  /** `asset:N` of what an address means in this document, "" when it may not be shown. */
  name(address: string, base: string): string;
  /** The same for every `url()` of a piece of CSS. */
  inCss(text: string, base: string): string;
}

/** A picture in several sizes is the one that its browser has chosen. */
export function isChosen(element: Element): element is HTMLImageElement {
  return (
    element.localName === "img" &&
    (element.hasAttribute("srcset") || element.parentElement?.localName === "picture")
  );
}

/** What an attribute says. */
export function saidBy(element: Element, name: string): string | null {
  return (name === "src" && isChosen(element) && element.currentSrc) || element.getAttribute(name);
}

export class Attributes {
  private readonly constants = new Set<string>();
  private readonly rules = new Map<string, string>();

  constructor(
    private readonly masks: Masks,
    private readonly assets: AssetNumbers,
  ) {
    for (const [rule, names] of Object.entries(masks.attributes))
      for (const name of names.split(" ")) this.rules.set(name, rule);
  }

  /** Learn which attribute values a stylesheet names. */
  learn(css: string): void {
    for (const [, name, value] of css.matchAll(SELECTOR)) {
      if (name !== undefined && value !== undefined && value.length <= 40)
        this.constants.add(`${name}=${value}`);
    }
  }

  /** The value to send, or null when the attribute is left out. */
  value(element: Element, name: string, raw: string, stand: Stand): string | null {
    const sent = this.allowed(element, name, raw, stand);
    return sent === null ? null : this.masks.unread(sent);
  }

  private allowed(element: Element, name: string, raw: string, stand: Stand): string | null {
    if (name === "class") return raw;
    if (stand === BLOCK) return name === "id" ? raw : null;
    if (name === "style") return this.style(element, raw, stand);
    // Which children come where; of all other elements names are for scripts and servers.
    if (name === "name" && element.localName === "slot") return this.masks.scrub(raw, PLAIN);
    switch (this.ruleOf(element, name)) {
      case "keep":
        return raw;
      case "read":
        return this.masks.text(raw, stand);
      case "scrub":
        return this.masks.scrub(raw, PLAIN);
      case "asset":
        return stand === MASK ? null : this.assets.name(raw, element.baseURI);
      case "link":
        return this.link(element, raw, stand);
      case "draw":
        return element.namespaceURI === SVG || element.namespaceURI === MATHML
          ? this.drawn(element, raw, stand)
          : this.unknown(element, name, raw, stand);
      case "drop":
        return null;
      default:
        return this.unknown(element, name, raw, stand);
    }
  }

  private ruleOf(element: Element, name: string): string | undefined {
    // How far, how much, which one: numbers that are drawn. Of fields it would be what is in them.
    if (name === "value" && NUMBERED.test(element.localName)) return undefined;
    return this.rules.get(name) ?? this.rules.get(name.toLowerCase());
  }

  private unknown(element: Element, name: string, raw: string, stand: Stand): string | null {
    if (NO_NAME.test(name) || name.length > 100) return null;
    if (NUMBERED.test(element.localName)) return /^[\d.]*$/.test(raw) ? this.masks.state(raw, stand) : null;
    return this.constants.has(`${name}=${raw}`) && !ADDRESS.test(raw) ? this.masks.state(raw, stand) : "";
  }

  private style(element: Element, raw: string, stand: Stand): string {
    if (!/[("'\\]|--/.test(raw)) return raw;
    return this.masks.css(stand === MASK ? raw : this.assets.inCss(raw, element.baseURI), stand);
  }

  private link(element: Element, raw: string, stand: Stand): string | null {
    const picture = element.localName === "image" || element.localName === "feImage";
    if (picture && !raw.startsWith("#"))
      return stand === MASK ? null : this.assets.name(raw, element.baseURI);
    if (element.namespaceURI === SVG) return raw.startsWith("#") ? raw : null;
    return element.localName === "a" || element.localName === "area" ? "" : null;
  }

  private drawn(element: Element, raw: string, stand: Stand): string | null {
    if (ADDRESS.test(raw)) return null;
    return /url\(/i.test(raw) ? this.style(element, raw, stand) : raw;
  }
}
