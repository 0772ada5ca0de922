/**
 * What of a recorded page may come to life here: which tags, attributes and addresses. Default deny; the server
 * and the recorder have looked already, and this side trusts neither.
 *
 * Source: docs/cobrowse.md, "the viewer"; OWASP on DOM clobbering and CSS exfiltration.
 */

const HTML_TAGS = new Set(
  (
    "html head body style link div span p a ul ol li dl dt dd table thead tbody tfoot tr td th caption colgroup col " +
    "form label input textarea select option optgroup button fieldset legend datalist output progress meter h1 h2 h3 " +
    "h4 h5 h6 header footer main nav section article aside figure figcaption address blockquote pre code em strong b " +
    "i u s small sub sup br hr img picture source video audio canvas iframe details summary dialog menu time abbr " +
    "mark kbd wbr slot hgroup search ins del q cite dfn samp var bdi bdo ruby rt rp data nobr acronym center font tt big strike area map"
  ).split(" "),
);
const SVG_TAGS = new Set(
  (
    "svg g path rect circle ellipse line polyline polygon text tspan textPath defs use symbol clipPath mask pattern " +
    "linearGradient radialGradient stop image foreignObject marker title desc filter feGaussianBlur feOffset feMerge " +
    "feMergeNode feColorMatrix feBlend feFlood feComposite feMorphology feTurbulence feDisplacementMap feDropShadow " +
    "feComponentTransfer feFuncA feFuncR feFuncG feFuncB feTile feConvolveMatrix feDiffuseLighting " +
    "feSpecularLighting feDistantLight fePointLight feSpotLight switch view"
  ).split(" "),
);
/** Elements that are shown as something harmless of the same shape. */
const STAND_INS: Readonly<Record<string, string>> = {
  frame: "div",
  object: "div",
  embed: "div",
  link: "style",
};
const ATTRIBUTES = /^(?!on)[a-z_][\w.:-]*$/i;
const DENIED = new Set(
  (
    "src href xlink:href srcset srcdoc action formaction ping background poster data code archive nonce integrity " +
    "http-equiv content name target rel download form is autofocus accesskey contenteditable method enctype sandbox " +
    "allow csp referrerpolicy crossorigin manifest cite longdesc usemap ismap classid codebase profile xml:base"
  ).split(" "),
);
const NAME = /^[A-Za-z][\w.-]*$/;
const ASSET = /^asset:(\d{1,6})$/;
const FRAGMENT = /^#[\w.:-]*$/;

/** The element to build for a recorded one; "" when it is none of ours: only an element that no browser knows will do. */
export function tagFor(tag: string, namespace: "html" | "svg" | "math"): string {
  if (namespace === "svg") return SVG_TAGS.has(tag) ? tag : "g";
  if (namespace === "math")
    return NAME.test(tag) && tag !== "annotation-xml" && tag !== "script" ? tag : "mrow";
  if (!NAME.test(tag)) return "span";
  const lower = tag.toLowerCase();
  if (STAND_INS[lower] !== undefined) return STAND_INS[lower];
  if (HTML_TAGS.has(lower)) return lower;
  return lower.includes("-") ? lower : "";
}

/** Whether an attribute of that name may be set at all; addresses are set by other ways. */
export function mayHave(name: string): boolean {
  return ATTRIBUTES.test(name) && !DENIED.has(name.toLowerCase());
}

/** The number in `asset:N`, or 0. */
export function assetIn(value: string): number {
  return Number(ASSET.exec(value)?.[1] ?? 0);
}

/** What stands in `url()` in a piece of CSS, as this browser may ask for it; "": nothing. */
export function addressInCss(name: string, picture: (asset: number) => string): string {
  return FRAGMENT.test(name) ? name : picture(assetIn(name));
}
