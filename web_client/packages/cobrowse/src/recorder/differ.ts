/**
 * Turns what the MutationObserver reports into ops: what was touched is collected as it happens and compared
 * with the page once per frame, so that the last state wins and a moved subtree costs two bytes.
 *
 * Every touched node that is still there belongs to exactly one run of neighbours after an untouched sibling.
 * What left the page is forgotten in the same microtask: it is not observed any more.
 * Source: docs/cobrowse_wire.md, "Order in a frame".
 */
import {
  END,
  MOVED,
  OP_ADEL,
  OP_ASPL,
  OP_ATTR,
  OP_DET,
  OP_REM,
  OP_RUN,
  OP_TEXT,
  OP_TSPL,
} from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import { type Attributes, saidBy } from "./attributes.ts";
import { BLOCK, type Masks, type Stand } from "./mask.ts";
import type { Serializer } from "./serialize.ts";
import { common } from "./splice.ts";
import { DOCUMENT, ELEMENT_NODE, hasChildren, isRecorded, parentOf, TEXT, type Tree } from "./tree.ts";

/** Shorter than this a splice saves nothing. */
const SPLICE_CHARS = 12;
/** When more than so many nodes come to one place, all that is there is looked at. */
const LOOKED_AT_ONCE = 8;
/** Attributes that may change what is in a field, or chosen. */
const CHOICES = new Set(["value", "checked", "selected", "type", "multiple"]);
/** Attributes by which selectors may tell how an element stands; a style never does. */
const NEVER_MARKS = new Set(["style", "d", "transform", "points", "width", "height"]);

export interface Forgotten {
  /** A node left the page. */
  dropped(node: Node, id: number): void;
  /** The children of a style element, the value of a field changed. */
  contentChanged(element: Element): void;
  /** A node came that is not known yet: what is in it must be, before anything is written. */
  arrived(element: Element): void;
}

export class Differ {
  /** In which frame the ops are written. */
  seq = 0;
  /** What viewers know and what came to another place in this frame. */
  readonly moved: Node[] = [];
  private touched = new Set<Node>();
  private runs = new Set<Node>();
  private readonly gone: number[] = [];
  private readonly leaving: Node[] = [];
  /** Element -> name, old value, name, old value… */
  private readonly attributed = new Map<Element, (string | null)[]>();
  /** What viewers have, or null where that is not known. */
  private readonly texts = new Map<Node, string | null>();
  private readonly spare: (string | null)[][] = [];

  constructor(
    private readonly top: Document,
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly masks: Masks,
    private readonly attributes: Attributes,
    private readonly serializer: Serializer,
    private readonly forgotten: Forgotten,
  ) {}

  get idle(): boolean {
    return (
      this.touched.size === 0 && this.gone.length === 0 && this.attributed.size === 0 && this.texts.size === 0
    );
  }

  clear(): void {
    this.touched.clear();
    this.gone.length = 0;
    this.attributed.clear();
    this.texts.clear();
  }

  /** Nodes whose parents are known and who are not: they come as runs. */
  touch(nodes: readonly Node[]): void {
    for (const node of nodes) this.touched.add(node);
  }

  /** The node comes again from the beginning: it stands otherwise, or has another document inside. */
  restart(node: Node): void {
    this.forget(node);
    this.touched.add(node);
  }

  take(records: readonly MutationRecord[]): void {
    for (const record of records) {
      if (record.type === "attributes") this.attribute(record);
      else if (record.type === "characterData") this.text(record);
      else this.children(record);
    }
    // Only now is every node touched that was moved into one of these before it left.
    for (const node of this.leaving) if (!node.isConnected) this.forget(node);
    this.leaving.length = 0;
  }

  /** A picture came, maybe in another size. */
  chosen(element: Element): void {
    this.attribute({ target: element, attributeName: "src", oldValue: null });
  }

  private attribute(record: Pick<MutationRecord, "target" | "attributeName" | "oldValue">): void {
    const element = record.target as Element;
    const name = record.attributeName as string;
    if (this.serializer.covering && !NEVER_MARKS.has(name)) this.serializer.look(element);
    if (CHOICES.has(name)) this.forgotten.contentChanged(element);
    let changes = this.attributed.get(element);
    if (changes === undefined) {
      changes = this.spare.pop() ?? [];
      this.attributed.set(element, changes);
    }
    for (let index = 0; index < changes.length; index += 2) if (changes[index] === name) return;
    changes.push(name, record.oldValue);
  }

  private text(record: MutationRecord): void {
    const node = record.target;
    if (node.nodeType !== TEXT || this.texts.has(node)) return;
    const parent = node.parentNode;
    if (parent?.nodeType === 1 && !hasChildren(parent as Element))
      this.forgotten.contentChanged(parent as Element);
    else this.texts.set(node, record.oldValue ?? "");
  }

  private children(record: MutationRecord): void {
    const { target, addedNodes, removedNodes } = record;
    if (target.nodeType === 1 && !hasChildren(target as Element)) {
      this.forgotten.contentChanged(target as Element);
      return;
    }
    if (/^opt|^sel/i.test(target.nodeName)) this.forgotten.contentChanged(target as Element);
    const [came, went] = [addedNodes.length, removedNodes.length];
    if (came === 1 && went === 1 && this.isNewText(removedNodes[0] as Node, addedNodes[0] as Node)) return;
    // One look into all of them costs less than one into each.
    const learned = came > LOOKED_AT_ONCE;
    if (learned) this.forgotten.arrived(target as Element);
    for (let index = 0; index < came; index += 1) {
      const node = addedNodes[index] as Node;
      this.came(node, learned && node.parentNode === target);
    }
    for (let index = 0; index < went; index += 1) {
      const node = removedNodes[index] as Node;
      if (this.tree.has(node)) this.touched.add(node);
      // It was never written, and what was in it may be shown elsewhere.
      else if (node.nodeType === 1) this.forgotten.arrived(node as Element);
      if (!node.isConnected) this.leaving.push(node);
    }
  }

  /** `textContent = …`: a text took the place of another. It goes on under the same number. */
  private isNewText(old: Node, now: Node): boolean {
    const { tree, touched, texts } = this;
    const id = tree.id(old);
    if (id === undefined || old.nodeType !== TEXT || now.nodeType !== TEXT || tree.has(now)) return false;
    if (touched.has(old) || touched.has(now)) return false;
    tree.rebind(id, old, now);
    // The old one may have changed since it was taken out.
    texts.delete(old);
    texts.set(now, null);
    return true;
  }

  private came(node: Node, learned: boolean): void {
    if (!isRecorded(node)) return;
    this.touched.add(node);
    if (node.nodeType !== 1) return;
    if (!learned && !this.tree.has(node)) this.forgotten.arrived(node as Element);
    if (this.serializer.covering) this.serializer.prepare(node as Element);
  }

  /** It was written where it is now. */
  placed(node: Node): void {
    if (node.nodeType === 1) this.moved.push(node);
    this.runs.delete(node);
    this.touched.delete(node);
  }

  /** Viewers lose the node and all that is in it. */
  forget(top: Node): void {
    this.touched.delete(top);
    const id = this.tree.id(top);
    if (id !== undefined) this.gone.push(id);
    dropAll(this.tree, top, (node, dropped) => {
      // What was taken out of it for viewers, to be moved, does not go with it.
      const waited = this.touched.delete(node);
      const runs = this.runs.delete(node);
      if (node !== top && (waited || runs)) this.gone.push(dropped);
      if (this.tree.isTracked(dropped)) this.forgotten.dropped(node, dropped);
    });
  }

  /** Write what there is time for. True when something is left for another frame. */
  write(deadline: number): boolean {
    if (this.touched.size > 0) this.structure(deadline);
    // What is moved in a later frame must not go with what is removed in this one.
    if (this.gone.length > 0) this.detach(this.touched);
    for (const id of this.gone) {
      this.writer.int(OP_REM);
      this.writer.ref(id);
    }
    this.gone.length = 0;
    if (this.attributed.size > 0) this.writeAttributes();
    if (this.texts.size > 0) this.writeTexts();
    return this.touched.size > 0;
  }

  private structure(deadline: number): void {
    this.detachNested();
    // What is touched from here on is for another frame.
    [this.runs, this.touched] = [this.touched, this.runs];
    for (const node of this.runs) if (this.run(node, deadline)) break;
    // The few join the many: of a big page thousands wait, frame after frame.
    for (const node of this.touched) this.runs.add(node);
    this.touched.clear();
    [this.runs, this.touched] = [this.touched, this.runs];
    // What waited for its parent may have come with it.
    for (const node of this.touched) if (this.isFresh(this.tree.id(node) ?? 0)) this.touched.delete(node);
    if (this.touched.size === 0 || !this.serializer.covering) this.serializer.finished();
  }

  /** The run that the node is in. True when time is up; what is left of it is touched again. */
  private run(node: Node, deadline: number): boolean {
    if ((this.tree.id(node) ?? 0) >= this.firstNew) {
      this.runs.delete(node);
      return false;
    }
    const parent = node.parentNode;
    const home = parent === null || isClosed(parent) ? undefined : this.tree.id(parent);
    const stand = home === undefined ? BLOCK : this.tree.stand(home);
    if (parent === null || home === undefined || stand === BLOCK || !isShown(node, this.top)) {
      this.runs.delete(node);
      this.unless(node);
      return false;
    }
    let first = node;
    let before = previous(first);
    while (before !== null && this.runs.has(before)) {
      first = before;
      before = previous(before);
    }
    const anchor = anchorOf(this.tree, this.runs, first);
    this.writer.int(OP_RUN);
    this.writer.ref(home);
    this.writer.ref(anchor === null ? home : (this.tree.id(anchor) as number));
    this.tree.changed(home, this.seq);
    const late = this.along(first, stand, deadline);
    this.writer.int(END);
    this.touch(late);
    return late.length > 0 || performance.now() > deadline;
  }

  /** Write neighbours from `first` on while they belong to the run. */
  private along(first: Node, stand: Stand, deadline: number): readonly Node[] {
    for (let node: Node | null = first; node !== null; node = node.nextSibling) {
      if (!isRecorded(node)) continue;
      if (!this.runs.delete(node)) break;
      const known = this.tree.id(node);
      if (known !== undefined && node.nodeType === TEXT && this.tree.stand(known) === stand) {
        this.writer.int(MOVED);
        this.writer.ref(known);
        continue;
      }
      if (node.nodeType === 1) this.lookAt(node as Element, known !== undefined);
      const late = this.serializer.node(node, stand, deadline);
      if (late.length > 0) return late;
      if (performance.now() > deadline) break;
    }
    return [];
  }

  private lookAt(element: Element, known: boolean): void {
    if (known) this.serializer.look(element);
    else if (!this.serializer.covering) this.serializer.prepare(element);
  }

  /** A touched node that is shown nowhere (any more). */
  private unless(node: Node): void {
    const parent = node.parentNode;
    const waits = parent !== null && !this.tree.has(parent) && this.isComing(parent);
    if (waits) this.touched.add(node);
    else if (this.tree.has(node)) this.forget(node);
  }

  /** Whether an ancestor that nobody knows yet is written in this frame or the next. */
  private isComing(node: Node): boolean {
    for (let above: Node | null = node; above !== null; above = parentOf(above)) {
      if (this.runs.has(above) || this.touched.has(above)) return isShown(node, this.top);
      if (this.tree.has(above)) return false;
    }
    return false;
  }

  /** Moved nodes below moved nodes, and those above them, leave their places first: no parent goes into its own child. */
  private detachNested(): void {
    const verdicts = new Map<Node, Node | null>();
    const leaving = new Set<Node>();
    for (const node of this.touched) {
      const parent = node.parentNode;
      if (parent === null || !this.tree.has(node)) continue;
      let above = verdicts.get(parent);
      if (above === undefined) {
        above = this.movedAbove(parent);
        verdicts.set(parent, above);
      }
      if (above !== null) leaving.add(node).add(above);
    }
    this.detach(leaving);
  }

  private detach(nodes: Iterable<Node>): void {
    for (const node of nodes) {
      const id = this.tree.id(node);
      if (id === undefined) continue;
      this.writer.int(OP_DET);
      this.writer.ref(id);
    }
  }

  private movedAbove(parent: Node): Node | null {
    for (let above: Node | null = parent; above !== null; above = parentOf(above)) {
      if (this.touched.has(above) && this.tree.has(above)) return above;
    }
    return null;
  }

  private writeAttributes(): void {
    for (const [element, changes] of this.attributed) {
      const id = this.tree.id(element);
      if (id !== undefined && !this.isFresh(id)) this.attributesOf(element, id, changes);
      changes.length = 0;
      this.spare.push(changes);
    }
    this.attributed.clear();
  }

  /** It was written whole in this frame. */
  private isFresh(id: number): boolean {
    return id >= this.firstNew;
  }

  /** Ids from here on were given in this frame. */
  firstNew = 0;

  private attributesOf(element: Element, id: number, changes: readonly (string | null)[]): void {
    const stand = this.tree.stand(id);
    for (let index = 0; index < changes.length; index += 2) {
      const name = changes[index] as string;
      if (!NEVER_MARKS.has(name) && this.serializer.standOf(element) !== stand) {
        this.restart(element);
        return;
      }
      this.oneAttribute(element, id, name, changes[index + 1] ?? null);
    }
    this.tree.changed(id, this.seq);
  }

  private oneAttribute(element: Element, id: number, name: string, old: string | null): void {
    const { writer, tree } = this;
    const raw = saidBy(element, name);
    const altered = tree.sent.get(id)?.get(name);
    const before = altered ?? old;
    const sent = raw === null ? null : this.attributes.value(element, name, raw, tree.stand(id));
    if (sent === before) return;
    tree.alter(id, name, sent, raw ?? "");
    if (sent === null) {
      if (before === null) return;
      writer.int(OP_ADEL);
      writer.ref(id);
      writer.slot(name);
      return;
    }
    const wasSent = altered !== undefined || this.wasSent(element, id, name, old);
    if (wasSent && before !== null && sent.length > SPLICE_CHARS) {
      const [head, tail] = common(before, sent);
      if (head + tail > SPLICE_CHARS) {
        writer.int(OP_ASPL);
        writer.ref(id);
        writer.slot(name);
        writer.int(head);
        writer.int(tail);
        writer.text(sent.slice(head, sent.length - tail));
        return;
      }
    }
    writer.int(OP_ATTR);
    writer.ref(id);
    writer.slot(name);
    writer.slot(sent);
  }

  /** Whether viewers have the old value as it stood in the page. */
  private wasSent(element: Element, id: number, name: string, old: string | null): boolean {
    if (old === null) return false;
    return (
      name === "style" ||
      name === "class" ||
      this.attributes.value(element, name, old, this.tree.stand(id)) === old
    );
  }

  private writeTexts(): void {
    const { writer, tree } = this;
    for (const [node, old] of this.texts) {
      const id = tree.id(node);
      if (id === undefined || this.isFresh(id)) continue;
      const raw = (node as Text).data;
      const before = tree.sent.get(id)?.get("") ?? old;
      const sent = this.masks.text(raw, tree.stand(id));
      tree.alter(id, "", sent, raw);
      if (sent === before) continue;
      tree.changed(id, this.seq);
      tree.changed(tree.id(node.parentNode as Node) ?? id, this.seq);
      const [head, tail] = before === null ? [0, 0] : common(before, sent);
      if (head + tail > SPLICE_CHARS) {
        writer.int(OP_TSPL);
        writer.ref(id);
        writer.int(head);
        writer.int(tail);
        writer.text(sent.slice(head, sent.length - tail));
      } else {
        writer.int(OP_TEXT);
        writer.ref(id);
        writer.text(sent);
      }
    }
    this.texts.clear();
  }
}

/** Whether viewers see nothing of the node's children, though they may know the node. */
function isClosed(node: Node): boolean {
  return node.nodeType === 1 && !hasChildren(node as Element);
}

function previous(node: Node): Node | null {
  let before = node.previousSibling;
  while (before !== null && !isRecorded(before)) before = before.previousSibling;
  return before;
}

/** The nearest sibling before that viewers know and that stays where it is. */
function anchorOf(tree: Tree, runs: ReadonlySet<Node>, first: Node): Node | null {
  let before = first.previousSibling;
  while (before !== null && (!tree.has(before) || runs.has(before))) before = before.previousSibling;
  return before;
}

/** Whether the node is in a page that is shown: also through shadow roots and same-origin frames. */
function isShown(node: Node, top: Document): boolean {
  let inner: Node = node;
  for (let depth = 0; depth < 16; depth += 1) {
    const home = inner.nodeType === DOCUMENT ? (inner as Document) : inner.ownerDocument;
    if (!inner.isConnected || home === null) return false;
    if (home === top) return true;
    const frame = parentOf(home);
    if (frame === null) return false;
    inner = frame;
  }
  return false;
}

/** Forget a node and all that viewers forget with it. `each` is told of every one. */
function dropAll(tree: Tree, top: Node, each: (node: Node, id: number) => void): void {
  const open: Node[] = [top];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const id = tree.id(node);
    if (id === undefined && node.nodeType !== ELEMENT_NODE) continue;
    if (id !== undefined) {
      tree.remove(node, id);
      each(node, id);
      if (tree.isRoot(id + 1)) open.push(tree.nodes[id + 1] as Node);
    }
    for (let child = node.lastChild; child !== null; child = child.previousSibling) open.push(child);
  }
}
