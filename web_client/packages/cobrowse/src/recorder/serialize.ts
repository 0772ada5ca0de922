/**
 * Writes nodes that viewers do not know yet, with all that is in them, into the open frame.
 *
 * It stops when its time is up: every open element is closed and what was left out of it is handed back, to
 * come as a run of its own. It reads no layout. Source: docs/cobrowse_wire.md, "Nodes".
 */
import {
  ELEMENT,
  END,
  FLAG_BLOCKED,
  FLAG_FRAME,
  FLAG_MASKED,
  FLAG_MATHML,
  FLAG_QUIRKS,
  FLAG_SHADOW,
  FLAG_SHOWN,
  FLAG_SVG,
  MOVED,
  TEXT_NODE,
} from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import { type Attributes, isChosen, saidBy } from "./attributes.ts";
import { BLOCK, type Masks, type Stand } from "./mask.ts";
import {
  ELEMENT_NODE,
  HTML,
  hasChildren,
  isRecorded,
  MATHML,
  parentOf,
  SVG,
  TEXT,
  type Tree,
  tagOf,
} from "./tree.ts";

const CHECK_EVERY = 64;
/** What viewers are told of an element that stands otherwise than its parent: plain, masked, shown, blocked. */
const FLAG_OF = [0, FLAG_MASKED, FLAG_SHOWN, FLAG_BLOCKED] as const;

/** An element whose children are being written. */
interface Level {
  next: Node | null;
  stand: Stand;
}

export interface Surroundings {
  shadowOf(element: Element): ShadowRoot | null;
  documentOf(frame: Element): Document | null;
  /** A node was written: listen to it, fetch what it shows. */
  added(node: Node, id: number, stand: Stand): void;
  /** A known node was written as moved. */
  placed(node: Node): void;
  /** A known node is written where it stands otherwise than before: viewers forget the old one. */
  restart(node: Node): void;
}

export class Serializer {
  seq = 0;
  private readonly marked = new Set<Element>();
  /** A snapshot was begun and its marks looked up for the whole page; what changes meanwhile is looked at again. */
  covering = false;
  private readonly levels: Level[] = [];
  private steps = 0;

  constructor(
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly masks: Masks,
    private readonly attributes: Attributes,
    private readonly around: Surroundings,
  ) {}

  /** Look once for marks in what is going to be written. */
  prepare(root: Element | Document | ShadowRoot): void {
    if (root.firstElementChild !== null)
      for (const element of root.querySelectorAll(this.masks.marks)) this.marked.add(element);
    const top = "documentElement" in root ? root.documentElement : root;
    if (top?.nodeType === ELEMENT_NODE && this.masks.isMarked(top as Element))
      this.marked.add(top as Element);
  }

  /** Nothing of what was looked at is left to be written. */
  finished(): void {
    this.marked.clear();
    this.covering = false;
  }

  /** One element: it is known already, or changed before it was written. */
  look(element: Element): void {
    if (this.masks.isMarked(element)) this.marked.add(element);
    else this.marked.delete(element);
  }

  /** How the element stands now. */
  standOf(element: Element): Stand {
    const parent = parentOf(element);
    const above = parent === null ? 0 : this.tree.standOf(parent);
    return this.masks.isMarked(element) ? this.masks.stand(element, above) : above;
  }

  /**
   * Write one node under a parent that stands so. Returns what there was no time for: siblings whose parents
   * are known by now.
   */
  node(node: Node, parent: Stand, deadline: number): Node[] {
    this.one(node, parent);
    return this.finish(deadline);
  }

  /** The children of the document, for SNAP. */
  children(root: Document, deadline: number): Node[] {
    this.levels.push({ next: root.firstChild, stand: this.tree.standOf(root) });
    return this.finish(deadline);
  }

  private finish(deadline: number): Node[] {
    const { levels } = this;
    const late: Node[] = [];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const next = level.next;
      if (next === null) {
        this.writer.int(END);
        levels.pop();
        continue;
      }
      this.steps += 1;
      if (this.steps % CHECK_EVERY === 0 && performance.now() > deadline) {
        this.cut(late);
        break;
      }
      level.next = next.nextSibling;
      if (isRecorded(next)) this.one(next, level.stand);
    }
    return late;
  }

  private cut(late: Node[]): void {
    for (let level = this.levels.pop(); level !== undefined; level = this.levels.pop()) {
      this.writer.int(END);
      for (let node = level.next; node !== null; node = node.nextSibling)
        if (isRecorded(node)) late.push(node);
    }
  }

  private one(node: Node, parent: Stand): void {
    const known = this.tree.id(node);
    if (known !== undefined) {
      if (!this.changesStand(node, known, parent)) {
        this.writer.int(MOVED);
        this.writer.ref(known);
        this.around.placed(node);
        return;
      }
      this.around.restart(node);
      if (node.nodeType === ELEMENT_NODE) this.prepare(node as Element);
    }
    if (node.nodeType === TEXT) this.textNode(node as Text, parent);
    else this.element(node as Element, parent);
  }

  private changesStand(node: Node, id: number, parent: Stand): boolean {
    if (node.nodeType === TEXT) return parent !== this.tree.stand(id);
    return this.stand(node as Element, parent) !== this.tree.stand(id);
  }

  private stand(element: Element, parent: Stand): Stand {
    const marked = this.marked.has(element) || this.masks.isForced(element);
    return marked ? this.masks.stand(element, parent) : parent;
  }

  private textNode(node: Text, parent: Stand): void {
    const id = this.tree.add(node, parent, this.seq);
    const raw = node.data;
    const text = this.masks.text(raw, parent);
    if (text !== raw) this.tree.alter(id, "", text, raw);
    this.writer.int(TEXT_NODE);
    this.writer.slot(text);
  }

  private element(element: Element, parent: Stand): void {
    const { writer, tree, around } = this;
    const stand = this.stand(element, parent);
    const id = tree.add(element, stand, this.seq);
    const shadow = stand === BLOCK ? null : around.shadowOf(element);
    const inner = stand === BLOCK ? null : around.documentOf(element);
    let flags = stand === parent ? 0 : FLAG_OF[stand];
    if (element.namespaceURI !== HTML) flags |= namespaceFlag(element);
    if (shadow !== null) flags |= FLAG_SHADOW;
    if (inner !== null) flags |= frameFlags(inner);
    writer.int(ELEMENT | (flags << 2));
    writer.slot(tagOf(element));
    this.attributesOf(element, id, stand);
    writer.int(0);
    if (stand === BLOCK) {
      writer.int(0);
      writer.int(0);
    } else {
      this.levels.push({ next: hasChildren(element) ? element.firstChild : null, stand });
      if (inner !== null) this.root(inner, stand);
      if (shadow !== null) this.root(shadow, stand);
    }
    around.added(element, id, stand);
  }

  /** A shadow root or a frame's document: a node of its own, right after its host. */
  private root(root: Document | ShadowRoot, stand: Stand): void {
    const id = this.tree.addRoot(root, stand, this.seq);
    this.prepare(root);
    this.levels.push({ next: root.firstChild, stand: stand });
    this.around.added(root, id, stand);
  }

  private attributesOf(element: Element, id: number, stand: Stand): void {
    const { writer, tree, attributes } = this;
    if (!element.hasAttributes()) return;
    // Names and values, not `attributes`: that makes an object for each.
    const names = element.getAttributeNames();
    if (isChosen(element) && element.currentSrc && !element.hasAttribute("src")) names.push("src");
    for (const name of names) {
      const value = saidBy(element, name) ?? "";
      const sent = attributes.value(element, name, value, stand);
      if (sent === null) continue;
      writer.slot(name);
      writer.slot(sent);
      if (sent !== value) tree.alter(id, name, sent, value);
    }
  }
}

function namespaceFlag(element: Element): number {
  if (element.namespaceURI === SVG) return FLAG_SVG;
  return element.namespaceURI === MATHML ? FLAG_MATHML : 0;
}

function frameFlags(inner: Document): number {
  return inner.compatMode === "BackCompat" ? FLAG_FRAME | FLAG_QUIRKS : FLAG_FRAME;
}
