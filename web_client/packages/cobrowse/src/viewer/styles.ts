/**
 * Stylesheets on the viewer's side: rules of style elements and constructed sheets, edited rule by rule, each piece
 * of CSS made safe first. Of a sheet whose pictures were not there yet, the rules that name them are written again
 * when they come; every other rule, and every edit, stays.
 */
import { addressInCss, assetIn } from "./allow.ts";
import { DESK, type Device, mediaFor, safeCss } from "./css.ts";
import type { Pictures } from "./pictures.ts";

const ASSETS = /asset:(\d{1,6})/g;
/** In place of a picture's number while rules are told apart: a fragment is kept as it is. */
const MARK = "#tn-asset-";
/** Marks of ours, and what a frame without scripts would show otherwise than the visitor's. */
const OWN_RULES =
  "[data-tn-masked]:not(option){background-image:repeating-linear-gradient(45deg,#0000 0 6px,#8883 6px 8px)!important}" +
  "[data-tn-blocked]{background:#8884 repeating-linear-gradient(45deg,#0000 0 8px,#8886 8px 10px)!important;" +
  "display:inline-block;min-width:8px;min-height:8px}" +
  "[data-tn-focus]{outline:2px solid #2563eb!important;outline-offset:1px!important}" +
  "video:not([controls])::-webkit-media-controls{display:none!important}" +
  // Where it is scrolled to, the recorder tells; the browser here keeps nothing in sight by itself.
  "*{overflow-anchor:none!important}";

/** Scroll bars of touch screens lie above the page. */
const TOUCH_RULES = "*:not(textarea){scrollbar-width:none}";

interface Sheet {
  element: HTMLStyleElement | null;
  sheet: CSSStyleSheet | null;
  /** The document that made a constructed sheet: only its roots may adopt it. */
  maker: Document;
  /** Rule by rule what still waits for a picture, as recorded; "": nothing. null: no rule does. */
  waiting: string[] | null;
}

type Root = Document | ShadowRoot;
type Realm = Window & typeof globalThis;

export class Styles {
  device: Device = DESK;
  private readonly sheets = new Map<number, Sheet>();
  private byOwner = new WeakMap<Node, number>();
  private readonly owns = new WeakMap<Document, CSSStyleSheet>();

  constructor(
    private readonly view: Realm,
    private readonly pictures: Pictures,
  ) {}

  clear(): void {
    this.sheets.clear();
    this.byOwner = new WeakMap();
    this.own(this.view.document);
  }

  /** A node left the page: of what it owned nothing more is told. */
  drop(owner: Node): void {
    const number = this.byOwner.get(owner);
    if (number === undefined) return;
    this.sheets.delete(number);
    this.byOwner.delete(owner);
  }

  /** How many sheets are kept. */
  get size(): number {
    return this.sheets.size;
  }

  /** A document or shadow root of the shown page gets our own rules. */
  own(root: Root): void {
    const document = documentOf(root);
    let own = this.owns.get(document);
    if (own === undefined) {
      own = newSheet(document, this.ownRules);
      this.owns.set(document, own);
    }
    root.adoptedStyleSheets = [own];
  }

  /** Ours for every root of this device. */
  private get ownRules(): string {
    return this.device.touch ? `${OWN_RULES}${TOUCH_RULES}` : OWN_RULES;
  }

  /** The page says by its head alone that it is dark where the visitor wants that. */
  ownScheme(dark: boolean): void {
    const own = this.owns.get(this.view.document);
    own?.replaceSync(`${this.ownRules}:where(:root){color-scheme:${dark ? "dark" : "normal"}}`);
  }

  /** The whole of a sheet. owner: the style element, null for a constructed one. */
  set(number: number, owner: Element | null, disabled: boolean, text: string): void {
    const element = owner?.localName === "style" ? (owner as HTMLStyleElement) : null;
    const maker = this.view.document;
    const css = this.safe(text);
    const before = this.sheets.get(number)?.sheet;
    const known: Sheet = { element, sheet: null, maker, waiting: null };
    if (element !== null) element.textContent = css;
    else if (before) {
      before.replaceSync(css);
      known.sheet = before;
      known.maker = this.sheets.get(number)?.maker ?? maker;
    } else known.sheet = newSheet(maker, css);
    if (owner !== null) {
      // An element that came to another place has another sheet since then.
      if (this.byOwner.get(owner) !== number) this.drop(owner);
      this.byOwner.set(owner, number);
    }
    this.sheets.set(number, known);
    this.disable(number, disabled);
    if (this.lacks(text)) {
      known.waiting = this.ruleByRule(text);
      this.again(text, known, "", (asset) => this.redraw(number, known, asset));
    }
  }

  /** Whether a picture that it names is not there yet. */
  private lacks(text: string): boolean {
    return [...text.matchAll(ASSETS)].some(([name]) => this.pictures.address(assetIn(name)) === "");
  }

  /** The rules of a whole text that name pictures, "" for all others: as this browser reads it, with marks. */
  private ruleByRule(text: string): string[] {
    const marked = safeCss(
      text,
      (name) => (assetIn(name) > 0 ? `${MARK}${assetIn(name)}` : this.address(name)),
      this.device,
    );
    return [...newSheet(this.view.document, marked).cssRules].map(({ cssText }) =>
      cssText.includes(MARK) ? cssText.replaceAll(MARK, "asset:") : "",
    );
  }

  private redraw(number: number, known: Sheet, asset: number): void {
    const sheet = this.of(number);
    if (this.sheets.get(number) !== known || known.waiting === null || sheet === null) return;
    const named = new RegExp(`asset:${asset}(?!\\d)`);
    for (const [index, text] of known.waiting.entries()) {
      if (index >= sheet.cssRules.length || !named.test(text)) continue;
      sheet.deleteRule(index);
      this.put(sheet, index, text);
      if (!this.lacks(text)) known.waiting[index] = "";
    }
  }

  insert(number: number, index: number, text: string): void {
    const sheet = this.of(number);
    const known = this.sheets.get(number);
    if (sheet === null || known === undefined) return;
    const at = Math.min(index, sheet.cssRules.length);
    const lacks = this.lacks(text);
    if (lacks) {
      known.waiting ??= new Array<string>(sheet.cssRules.length).fill("");
      this.again(text, known, "", (asset) => this.redraw(number, known, asset));
    }
    known.waiting?.splice(at, 0, lacks ? text : "");
    this.put(sheet, at, text);
  }

  private put(sheet: CSSStyleSheet, at: number, text: string): void {
    try {
      sheet.insertRule(this.safe(text), at);
    } catch {
      // A rule that this browser does not know keeps its place, so that the indexes of others stay right.
      sheet.insertRule(".tn-unknown{}", at);
    }
  }

  remove(number: number, index: number): void {
    const sheet = this.of(number);
    if (sheet === null || index >= sheet.cssRules.length) return;
    sheet.deleteRule(index);
    this.sheets.get(number)?.waiting?.splice(index, 1);
  }

  replace(number: number, index: number, text: string): void {
    this.remove(number, index);
    this.insert(number, index, text);
  }

  disable(number: number, disabled: boolean): void {
    const sheet = this.of(number);
    if (sheet !== null) sheet.disabled = disabled;
  }

  adopt(root: Root, numbers: readonly number[]): void {
    if (!("adoptedStyleSheets" in root)) return;
    const adopted = numbers.flatMap((number) => this.fit(number, documentOf(root)) ?? []);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets.slice(0, 1), ...adopted];
  }

  /** A style attribute, SVG presentation attribute or rule. */
  safe(text: string): string {
    return safeCss(text, this.address, this.device);
  }

  /** What a `media` attribute asks, as the visitor's browser answers it. */
  media(query: string): string {
    return mediaFor(query, this.device);
  }

  /** Draw again when a picture named in the text comes. */
  again(text: string, who: object, what: string, draw: (asset: number) => void): void {
    for (const [name] of text.matchAll(ASSETS)) {
      const asset = assetIn(name);
      this.pictures.whenThere(asset, who, what, () => draw(asset));
    }
  }

  private readonly address = (name: string): string =>
    addressInCss(name, (asset) => this.pictures.address(asset));

  private of(number: number): CSSStyleSheet | null {
    const known = this.sheets.get(number);
    return known?.sheet ?? known?.element?.sheet ?? null;
  }

  /** Made again if another document made it. */
  private fit(number: number, document: Document): CSSStyleSheet | null {
    const known = this.sheets.get(number);
    if (!known?.sheet) return null;
    if (known.maker !== document) {
      const rules = [...known.sheet.cssRules].map(({ cssText }) => cssText).join("\n");
      const { disabled } = known.sheet;
      known.sheet = newSheet(document, rules);
      known.maker = document;
      known.sheet.disabled = disabled;
    }
    return known.sheet;
  }
}

function documentOf(root: Root): Document {
  return root.nodeType === 9 ? (root as Document) : (root.ownerDocument as Document);
}

function newSheet(document: Document, css: string): CSSStyleSheet {
  const sheet = new (document.defaultView as Realm).CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}
