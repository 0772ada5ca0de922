/**
 * What becomes of an attribute on its way out: kept, read like text, a number of an asset, or left out.
 *
 * Values that a stylesheet names (`[data-state="open"]`) are the site's own constants and may be sent; any other
 * value of an unknown attribute is sent as "". Source: docs/cobrowse.md, "attributes".
 */
import { BLOCK, MASK, type Masks, PLAIN, type Stand } from "./mask.ts";
import { MATHML, SVG } from "./tree.ts";

type Rule = "keep" | "read" | "scrub" | "asset" | "drop" | "link" | "draw";
const RULES: Readonly<Record<Rule, string>> = {
  keep:
    "class type width height colspan rowspan role tabindex disabled readonly required hidden open lang dir " +
    "rows cols size multiple popover part exportparts slot inert align valign bgcolor border cellpadding " +
    "cellspacing color face start reversed span scope wrap controls media viewbox max hspace vspace clear nowrap frame rules compact noshade " +
    "frameborder scrolling marginwidth marginheight autocomplete contenteditable data-no-control " +
    "aria-hidden aria-expanded aria-selected aria-current aria-checked aria-pressed aria-disabled aria-modal " +
    "aria-orientation aria-sort aria-busy aria-invalid",
  read: "title alt placeholder aria-label aria-description aria-roledescription aria-placeholder label summary",
  scrub: "id for aria-labelledby aria-controls aria-describedby",
  asset: "src poster background",
  drop: "value checked selected srcset srcdoc nonce integrity data action formaction name ping http-equiv archive code",
  link: "href xlink:href",
  draw:
    "d points transform x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy rotate preserveaspectratio pathlength " +
    "offset fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset " +
    "stroke-linecap stroke-linejoin stroke-miterlimit opacity display visibility overflow clip-path clip-rule " +
    "mask filter color-interpolation-filters shape-rendering text-rendering image-rendering vector-effect " +
    "paint-order pointer-events marker-start marker-mid marker-end stop-color stop-opacity flood-color " +
    "flood-opacity lighting-color font-family font-size font-style font-weight letter-spacing word-spacing " +
    "text-anchor text-decoration dominant-baseline alignment-baseline baseline-shift transform-origin " +
    "gradientunits gradienttransform spreadmethod patternunits patterncontentunits patterntransform " +
    "clippathunits maskunits maskcontentunits filterunits primitiveunits markerunits markerwidth markerheight " +
    "refx refy orient textlength lengthadjust startoffset in in2 result values stddeviation operator k1 k2 k3 " +
    "k4 scale xchannelselector ychannelselector mode radius basefrequency numoctaves seed stitchtiles " +
    "tablevalues slope intercept amplitude exponent mathvariant displaystyle scriptlevel linethickness " +
    "stretchy fence lspace rspace accent columnalign rowalign columnspacing rowspacing",
};
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
  private readonly rules = new Map<string, Rule>();

  constructor(
    private readonly masks: Masks,
    private readonly assets: AssetNumbers,
  ) {
    for (const [rule, names] of Object.entries(RULES))
      for (const name of names.split(" ")) this.rules.set(name, rule as Rule);
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

  private ruleOf(element: Element, name: string): Rule | undefined {
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
