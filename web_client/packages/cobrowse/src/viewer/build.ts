/** Builds and changes the shown nodes: createElement only, attributes by the allow-list, never markup. */
import {
  ELEMENT,
  END,
  FLAG_BLOCKED,
  FLAG_FRAME,
  FLAG_MASKED,
  FLAG_MATHML,
  FLAG_QUIRKS,
  FLAG_SHADOW,
  FLAG_SVG,
  MAX_NODES,
  TEXT_NODE,
} from "@talknow/protocol";
import { BadFrame, type Reader } from "../reader.ts";
import { assetIn, mayHave, tagFor } from "./allow.ts";
import { type Frames, put } from "./frames.ts";
import type { Pictures } from "./pictures.ts";
import type { Stills } from "./stills.ts";
import type { Styles } from "./styles.ts";
import type { Shown, ShownTree } from "./tree.ts";

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";
const FIELDS = new Set(["input", "textarea", "select"]);

/** A list that is being read: the next node goes into `home` right after `last`. */
interface Level {
  home: Node;
  last: Node | null;
}

export interface Parts {
  tree: ShownTree;
  reader: Reader;
  styles: Styles;
  pictures: Pictures;
  stills: Stills;
  frames: Frames;
}

export class Builder {
  private readonly tree: ShownTree;
  private readonly reader: Reader;
  private readonly styles: Styles;
  private readonly pictures: Pictures;
  private readonly document: Document;

  constructor(
    private readonly view: Window & typeof globalThis,
    private readonly parts: Parts,
  ) {
    ({ tree: this.tree, reader: this.reader, styles: this.styles, pictures: this.pictures } = parts);
    this.document = view.document;
  }

  /** Read a list of nodes into `home`, after `last` (null: first). keyed: ids are in the list (keyframes). */
  list(home: Node, last: Node | null, keyed: boolean): void {
    const { reader } = this;
    const levels: Level[] = [{ home, last }];
    let lastId = 1;
    const id = () => {
      if (!keyed) return this.tree.next;
      lastId += reader.int();
      return lastId;
    };
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const head = reader.int();
      if (head === END) levels.pop();
      else if ((head & 3) === ELEMENT) this.element(head >> 2, level, levels, id);
      else if (head === TEXT_NODE) this.text(id(), level);
      else if (head === 0) this.moved(level);
      else throw new BadFrame("head");
      if (this.tree.nodes.size > MAX_NODES) throw new BadFrame("nodes");
    }
  }

  known(id: number): Shown {
    const shown = this.tree.get(id);
    if (shown === undefined) throw new BadFrame("node");
    return shown;
  }

  private moved(level: Level): void {
    const { node } = this.known(this.reader.ref());
    if (this.parts.frames.any) {
      const next = level.last === null ? level.home.firstChild : level.last.nextSibling;
      if (next !== node) put(level.home, node, next);
      level.last = node;
    } else place(level, node);
  }

  private text(id: number, level: Level): void {
    const text = this.reader.slot();
    const node = this.document.createTextNode(text);
    this.tree.add(id, { node, text, attributes: null, tag: "", flags: 0 });
    place(level, node);
  }

  private element(flags: number, level: Level, levels: Level[], nextId: () => number): void {
    const { reader, tree } = this;
    const id = nextId();
    const tag = reader.slot();
    const node = this.create(tag, flags);
    const shown: Shown = { node, text: "", attributes: new Map(), tag, flags };
    tree.add(id, shown);
    for (let name = reader.slotOrEnd(); name !== null; name = reader.slotOrEnd())
      this.set(shown, name, reader.slot());
    if (flags & FLAG_MASKED) node.setAttribute("data-tn-masked", "");
    if (flags & FLAG_BLOCKED) {
      node.setAttribute("data-tn-blocked", "");
      const [width, height] = [reader.int(), reader.int()];
      if (width > 0) (node as HTMLElement).style.cssText = `width:${width}px;height:${height}px`;
    } else {
      if (tag === "canvas") this.parts.stills.blank(node as HTMLElement);
      levels.push({ home: node, last: null });
    }
    place(level, node);
    if (flags & (FLAG_SHADOW | FLAG_FRAME) && !(flags & FLAG_BLOCKED)) {
      const root = this.rootIn(node, flags);
      tree.add(nextId(), { node: root, text: "", attributes: null, tag: "", flags: 0 });
      levels.push({ home: root, last: null });
    }
  }

  private create(tag: string, flags: number): Element {
    const { document } = this;
    if (flags & FLAG_BLOCKED) return document.createElement("div");
    if (flags & FLAG_SVG) return document.createElementNS(SVG, tagFor(tag, "svg"));
    if (flags & FLAG_MATHML) return document.createElementNS(MATHML, tagFor(tag, "math"));
    const name = tagFor(tag, "html");
    if (name !== "") return document.createElement(name);
    const unknown = document.createElement(tag);
    return unknown instanceof this.view.HTMLUnknownElement ? unknown : document.createElement("span");
  }

  /** A shadow root, or a frame's document. */
  private rootIn(element: Element, flags: number): Node {
    const { frames } = this.parts;
    let root: Document | ShadowRoot;
    if (flags & FLAG_FRAME && element.localName === "iframe")
      root = frames.open(element as HTMLIFrameElement, (flags & FLAG_QUIRKS) !== 0);
    else {
      try {
        root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
      } catch {
        const inner = this.document.createElement("div");
        element.append(inner);
        return inner;
      }
    }
    this.styles.own(root);
    return root;
  }

  /** Set an attribute as recorded; what may not be here is remembered, for splices, but not set. */
  set(shown: Shown, name: string, value: string): void {
    shown.attributes?.set(name, value);
    this.draw(shown, name, value);
  }

  remove(shown: Shown, name: string): void {
    shown.attributes?.delete(name);
    if (mayHave(name) || name === "name") (shown.node as Element).removeAttribute(name);
    else if (isAddress(name)) (shown.node as Element).removeAttribute(name === "xlink:href" ? "href" : name);
    if (shown.tag === "canvas") this.parts.stills.fit(shown.node as HTMLElement, name);
  }

  private draw(shown: Shown, name: string, value: string): void {
    const element = shown.node as Element;
    if (isAddress(name)) {
      this.address(shown, element, name, value);
      return;
    }
    if (!mayHave(name) && !(name === "name" && shown.tag === "slot")) return;
    const inert = name === "type" && shown.tag === "input" && /^image$/i.test(value);
    const styled = name === "style" || (value.includes("(") && shown.flags & FLAG_SVG);
    // The recorder tells when it opens and closes; here nothing does so by itself.
    const shut = name === "popover" ? "manual" : inert ? "text" : value;
    const draw = () => {
      const said = name === "media" ? this.styles.media(value) : shut;
      try {
        element.setAttribute(name, styled ? this.styles.safe(value) : said);
      } catch {
        // A name that only a parser can make.
      }
      if (shown.tag === "canvas") this.parts.stills.fit(element as HTMLElement, name);
    };
    draw();
    if (styled && value.includes("asset:"))
      this.styles.again(value, shown, name, () => {
        if (shown.attributes?.get(name) === value) draw();
      });
  }

  private address(shown: Shown, element: Element, name: string, value: string): void {
    const svg = (shown.flags & FLAG_SVG) !== 0;
    if (svg && value.startsWith("#")) {
      element.setAttribute("href", value);
      return;
    }
    const asset = assetIn(value);
    if (asset === 0) {
      if (shown.tag === "a" && name === "href") element.setAttribute("href", "#");
      return;
    }
    const draw = () => {
      const address = this.pictures.address(asset);
      if (address === "" || shown.attributes?.get(name) !== value) return;
      if (shown.tag === "img" || shown.tag === "image") element.setAttribute(svg ? "href" : "src", address);
      else if (shown.tag === "video") element.setAttribute("poster", address);
      else if (name === "background") background(element, address);
      else if (shown.tag === "input") background(element, address);
    };
    draw();
    this.pictures.whenThere(asset, shown, name, draw);
  }

  /** A field's value, or a button's label. */
  value(shown: Shown, value: string): void {
    shown.text = value;
    if (!FIELDS.has(shown.tag)) return;
    const field = shown.node as HTMLInputElement;
    // A file's name is never told, and no script may write one.
    if (field.type !== "file") field.value = value;
    if (/^\u2022+$/.test(value)) field.setAttribute("data-tn-masked", "");
    else if (!(shown.flags & FLAG_MASKED)) field.removeAttribute("data-tn-masked");
  }

  check(shown: Shown, check: number): void {
    const node = shown.node as HTMLInputElement & HTMLOptionElement;
    if (shown.tag === "option") this.choose(shown, node, (check & 1) !== 0);
    else {
      node.checked = (check & 1) !== 0;
      node.indeterminate = (check & 2) !== 0;
    }
  }

  /** A list of which nothing is chosen chooses by itself, unless it is told so. */
  private choose(shown: Shown, option: HTMLOptionElement, chosen: boolean): void {
    shown.text = chosen ? "chosen" : "";
    const list = option.closest("select");
    if (chosen || list === null || list.multiple) option.selected = chosen;
    else if (![...list.options].some((other) => this.tree.get(this.tree.idOf(other))?.text === "chosen"))
      list.selectedIndex = -1;
  }
}

/** What is moved may have been the next sibling itself. */
function place(level: Level, node: Node): void {
  // Rules come as sheets, looked through; what stands in a style element would be one unseen.
  if (node.nodeType === 3 && (level.home as Element).localName === "style") return;
  const next = level.last === null ? level.home.firstChild : level.last.nextSibling;
  if (next !== node) level.home.insertBefore(node, next);
  level.last = node;
}

function isAddress(name: string): boolean {
  return (
    name === "src" || name === "href" || name === "xlink:href" || name === "poster" || name === "background"
  );
}

function background(element: Element, address: string): void {
  const { style } = element as HTMLElement;
  style.backgroundImage = `url("${address}")`;
  style.backgroundSize = "100% 100%";
}
