/**
 * Stylesheets on the viewer's side: rules of style elements and constructed sheets, edited rule by rule, each piece
 * of CSS made safe first. A sheet whose pictures were not there yet is written again when they come.
 */
import { assetIn, safeCss } from "./allow.ts";
import type { Pictures } from "./pictures.ts";

const ASSETS = /asset:(\d{1,6})/g;
/** Marks of ours and what recorded pages must not do to the frame they are shown in. */
const OWN_RULES =
  "[data-tn-masked]:not(option){background-image:repeating-linear-gradient(45deg,#0000 0 6px,#8883 6px 8px)!important}" +
  "[data-tn-blocked]{background:#8884 repeating-linear-gradient(45deg,#0000 0 8px,#8886 8px 10px)!important;" +
  "display:inline-block;min-width:8px;min-height:8px}" +
  "[data-tn-focus]{outline:2px solid #2563eb!important;outline-offset:1px!important}" +
  "[data-tn-still]{background-size:100% 100%;background-repeat:no-repeat;display:inline-block;overflow:hidden}" +
  // Where it is scrolled to, the recorder tells; the browser here keeps nothing in sight by itself.
  "*{pointer-events:auto;overflow-anchor:none!important}";

interface Sheet {
  element: HTMLStyleElement | null;
  sheet: CSSStyleSheet | null;
  rules: string[] | null;
}

export class Styles {
  private readonly sheets = new Map<number, Sheet>();

  constructor(
    private readonly view: Window & typeof globalThis,
    private readonly pictures: Pictures,
  ) {}

  clear(): void {
    this.sheets.clear();
    const own = new this.view.CSSStyleSheet();
    own.replaceSync(OWN_RULES);
    this.view.document.adoptedStyleSheets = [own];
  }

  /** The whole of a sheet. owner: the style element, null for a constructed one. */
  set(number: number, owner: Element | null, disabled: boolean, text: string): void {
    const known = this.sheets.get(number);
    const element = owner?.localName === "style" ? (owner as HTMLStyleElement) : null;
    const draw = () => {
      const css = safeCss(text, (asset) => this.pictures.address(asset));
      if (element !== null) {
        element.textContent = css;
        this.sheets.set(number, { element, sheet: null, rules: null });
      } else {
        const sheet = known?.sheet ?? new this.view.CSSStyleSheet();
        sheet.replaceSync(css);
        this.sheets.set(number, { element: null, sheet, rules: null });
      }
      this.disable(number, disabled);
    };
    draw();
    this.again(text, draw);
  }

  insert(number: number, index: number, text: string): void {
    const sheet = this.of(number);
    if (sheet === null) return;
    try {
      sheet.insertRule(this.safe(text), Math.min(index, sheet.cssRules.length));
    } catch {
      // A rule that this browser does not know keeps its place, so that the indexes of others stay right.
      sheet.insertRule(".tn-unknown{}", Math.min(index, sheet.cssRules.length));
    }
  }

  remove(number: number, index: number): void {
    const sheet = this.of(number);
    if (sheet !== null && index < sheet.cssRules.length) sheet.deleteRule(index);
  }

  replace(number: number, index: number, text: string): void {
    this.remove(number, index);
    this.insert(number, index, text);
  }

  disable(number: number, disabled: boolean): void {
    const sheet = this.of(number);
    if (sheet !== null) sheet.disabled = disabled;
  }

  adopt(root: Document | ShadowRoot, numbers: readonly number[]): void {
    const adopted = numbers.flatMap((number) => this.sheets.get(number)?.sheet ?? []);
    const own = root === this.view.document ? root.adoptedStyleSheets.slice(0, 1) : [];
    // A sheet may only be adopted by roots of the document that made it.
    if (root.ownerDocument === this.view.document || root === this.view.document)
      root.adoptedStyleSheets = [...own, ...adopted];
  }

  /** A style attribute or SVG presentation attribute. */
  safe(text: string): string {
    return safeCss(text, (asset) => this.pictures.address(asset));
  }

  /** Draw again when a picture named in the text comes. */
  again(text: string, draw: () => void): void {
    for (const [name] of text.matchAll(ASSETS)) this.pictures.whenThere(assetIn(name), draw);
  }

  private of(number: number): CSSStyleSheet | null {
    const known = this.sheets.get(number);
    return known?.sheet ?? known?.element?.sheet ?? null;
  }
}
