/**
 * What a shared page does after its first snapshot: changes of the tree and of rules, what is around the tree,
 * pictures, hashes, and when a frame is written. The first snapshot does not wait for it.
 *
 * It begins with how things stand by then: mutations since the snapshot were kept, everything else is read anew.
 * Source: docs/cobrowse_wire.md; docs/cobrowse.md, "what is loaded when".
 */
import { OP_ASSET, OP_HASH, OP_NOTE } from "@talknow/protocol";
import type { NOTES } from "@talknow/protocol/words";
import type { Writer } from "../writer.ts";
import { type Attributes, isChosen } from "./attributes.ts";
import { Blocked } from "./blocked.ts";
import type { CaptureOptions } from "./capture.ts";
import { Differ } from "./differ.ts";
import { type Forms, isField } from "./forms.ts";
import { Frames } from "./frames.ts";
import type { Hasher } from "./hash.ts";
import type { Hooks } from "./hooks.ts";
import { BLOCK, MASK, type Stand } from "./mask.ts";
import type { Page } from "./page.ts";
import { part } from "./part.ts";
import { Rhythm } from "./rhythm.ts";
import { Rules } from "./rules.ts";
import type { Serializer } from "./serialize.ts";
import type { Sheets } from "./sheets.ts";
import type { Source, Stills } from "./stills.ts";
import { Surroundings } from "./surroundings.ts";
import { ELEMENT_NODE, elementOf, TEXT, type Tree } from "./tree.ts";

const HASH_MS = 2_000;
/** One hash covers no more than there is this much time for. */
const HASH_BUDGET_MS = 2;
const POLL_MS = 1_000;

/** The capture, as those who go on with it know it. */
export interface Inside {
  options: CaptureOptions;
  tree: Tree;
  writer: Writer;
  hooks: Hooks;
  attributes: Attributes;
  serializer: Serializer;
  sheets: Sheets;
  forms: Forms;
  page: Page;
  /** What is not shown and why, until it is written. */
  notes: [code: number, id: number][];
  changed(soon: boolean): void;
  restart(): void;
  note(what: (typeof NOTES)[number], id: number): void;
  documentOf(frame: Element): Document | null;
  /** A shadow root or a frame's document is no longer in the page. */
  left(root: Node): void;
  /** The element comes again whole. */
  again(element: Element): void;
  /** What was scrolled before anybody watched. */
  scrolledEarly(): Iterable<Element | Document>;
  write(now: number): void;
}

export class Live {
  readonly differ: Differ;
  readonly rhythm: Rhythm;
  readonly blocked: Blocked;
  private readonly rules: Rules;
  private readonly frames: Frames;
  private readonly around: Surroundings;
  private readonly roots = new WeakMap<Node, Element | null>();
  private readonly realms = new WeakSet<object>();
  /** Loaded when the first canvas or video comes. */
  private stills: Stills | null = null;
  private readonly moving = new Set<Source>();
  private hasher: Hasher | null = null;
  private readonly ends: (() => void)[] = [];
  private assetsTold = 0;
  private hashed = 1;
  private hashAt = 0;
  private left = false;
  private readonly poll: ReturnType<typeof setInterval>;

  constructor(private readonly inside: Inside) {
    const { options, tree, writer, attributes, serializer, sheets, forms, changed } = inside;
    const { document: top, masks } = options;
    this.differ = new Differ(top, tree, writer, masks, attributes, serializer, {
      dropped: (node, id) => this.dropped(node, id),
      contentChanged: (element) => this.contentChanged(element),
      arrived: (element) => forms.learn(element),
    });
    this.rules = new Rules(tree, writer, sheets, (owner) => inside.note("stylesheet", owner));
    this.around = new Surroundings(top, tree, writer, inside.page, changed, inside.restart);
    this.rhythm = new Rhythm(inside.write, options.queued);
    this.blocked = new Blocked(tree, writer, () => changed(false));
    this.frames = new Frames(masks, inside.again);
    this.poll = setInterval(() => {
      if (this.rules.poll()) changed(false);
      this.frames.look();
    }, POLL_MS);
    for (const [id, node] of tree.nodes.entries()) if (node) this.added(node, id, tree.stand(id));
    this.ends.push(
      part(
        () => import("./hash.ts"),
        (hash) => {
          this.hasher = new hash.Hasher(tree, attributes);
        },
      ),
    );
  }

  stop(): void {
    for (const end of this.ends) end();
    clearInterval(this.poll);
    this.rhythm.stop();
    this.around.stop();
    this.stills?.stop();
    this.blocked.clear();
  }

  // --- one frame ----------------------------------------------------------------------------------

  /** A frame begins. fresh: ids from here on are given in it. */
  begin(seq: number, fresh: number): void {
    this.differ.seq = seq;
    this.differ.firstNew = fresh;
    this.left = false;
    this.frames.look();
  }

  /** A snapshot was written, but for these nodes. */
  follow(late: readonly Node[]): void {
    this.differ.touch(late);
    this.around.begin(this.inside.scrolledEarly());
    this.hashAt = performance.now() + HASH_MS;
  }

  /** What changed in the tree. */
  changes(deadline: number): void {
    const { differ } = this;
    this.inside.forms.learnDirty();
    this.left = differ.write(deadline);
    const moved = differ.moved.splice(0);
    if (moved.length === 0) return;
    // What a place takes away from an element, or gives to it, no event tells.
    this.rules.moved();
    this.inside.forms.moved();
    this.around.moved(moved);
  }

  /** What comes last in a frame. True when something is left for another one. */
  rest(now: number): boolean {
    this.around.write(now);
    this.stills?.write();
    this.blocked.write();
    this.writeAssets();
    this.writeNotes();
    const left = this.left || !this.differ.idle;
    if (!left && now >= this.hashAt) this.writeHash();
    return left;
  }

  private writeAssets(): void {
    const { writer, options } = this.inside;
    const { known } = options.assets;
    for (; this.assetsTold < known.length; this.assetsTold += 1) {
      const asset = known[this.assetsTold];
      if (asset === undefined) continue;
      writer.int(OP_ASSET);
      writer.int(asset.number);
      writer.text(asset.hash);
      writer.text(asset.type);
    }
  }

  private writeNotes(): void {
    const { writer, notes } = this.inside;
    for (const [code, id] of notes.splice(0)) {
      writer.int(OP_NOTE);
      writer.int(code);
      writer.int(id);
    }
  }

  private writeHash(): void {
    const { writer, tree } = this.inside;
    if (writer.count === 1 || this.hasher === null) return;
    const lo = this.hashed < tree.next ? this.hashed : 1;
    const [hi, crc] = this.hasher.part(lo, performance.now() + HASH_BUDGET_MS);
    this.hashed = hi;
    this.hashAt = performance.now() + HASH_MS;
    writer.int(OP_HASH);
    writer.int(lo);
    writer.int(hi);
    writer.int(crc);
  }

  forget(): void {
    this.differ.clear();
    this.rules.clear();
    this.stills?.clear();
    this.moving.clear();
    this.blocked.clear();
    this.frames.clear();
    this.assetsTold = 0;
    this.hashed = 1;
  }

  // --- nodes that come and go ---------------------------------------------------------------------

  added(node: Node, id: number, stand: Stand): void {
    if (node.nodeType !== ELEMENT_NODE) {
      if (node.nodeType !== TEXT) this.attach(node as Document | ShadowRoot);
      return;
    }
    const element = node as Element;
    if (this.keeps(element, id, stand)) this.inside.tree.track(id);
  }

  /** Whether something is kept of the element as long as it is known. */
  private keeps(element: Element, id: number, stand: Stand): boolean {
    this.frames.add(element);
    if (stand === BLOCK) {
      this.blocked.add(element);
      return true;
    }
    switch (element.localName) {
      case "style":
      case "link":
      case "input":
      case "textarea":
      case "select":
      case "option":
        break;
      case "canvas":
        this.moves(element as HTMLCanvasElement);
        break;
      case "video":
        this.moves(element as HTMLVideoElement);
        this.around.addMedia(element as HTMLMediaElement);
        break;
      case "audio":
        this.around.addMedia(element as HTMLMediaElement);
        break;
      case "object":
      case "embed":
        this.inside.note("plugin", id);
        return false;
      case "iframe":
        if (stand !== MASK && this.inside.documentOf(element) === null) this.inside.note("foreign_frame", id);
        break;
      default:
        return this.around.add(element);
    }
    return true;
  }

  /** Listen in a root, and once for each window: its first document may leave the window to the next one. */
  attach(root: Document | ShadowRoot): void {
    const { hooks } = this.inside;
    const element = elementOf(root);
    if (this.roots.get(root) === element) return;
    this.roots.set(root, element);
    hooks.home = root;
    this.around.listen(hooks, root);
    const realm = ("defaultView" in root ? root.defaultView : null) as typeof globalThis | null;
    if (realm === null || this.realms.has(realm.Element.prototype)) return;
    const { prototype } = realm.Element;
    this.realms.add(prototype);
    hooks.later(() => this.realms.delete(prototype));
    this.rules.hook(hooks, realm);
    this.around.hook(hooks, realm);
  }

  /** A picture came, maybe in another size than before. */
  loaded(element: Element): void {
    if (!isChosen(element)) return;
    this.differ.chosen(element);
    this.inside.changed(false);
  }

  private dropped(node: Node, id: number): void {
    const { sheets, forms } = this.inside;
    if (node.nodeType !== ELEMENT_NODE) {
      sheets.drop(node);
      this.inside.left(node);
      this.roots.delete(node);
      this.around.drop(node, id);
      return;
    }
    this.blocked.drop(node);
    this.frames.drop(node);
    const { localName } = node as Element;
    if (localName === "style" || localName === "link") sheets.drop(node);
    else if (isField(node) || localName === "option") forms.drop(node, id);
    else if (localName === "canvas" || localName === "video") this.rests(node);
    this.around.drop(node, id);
  }

  /** Shown by still pictures. */
  private moves(source: Source): void {
    if (this.stills !== null) {
      this.stills.add(source);
      return;
    }
    this.moving.add(source);
    if (this.moving.size > 1) return;
    this.ends.push(
      part(
        () => import("./stills.ts"),
        (stills) => this.show(stills.Stills),
      ),
    );
  }

  private show(Kind: typeof Stills): void {
    const { tree, writer, options, note, changed } = this.inside;
    this.stills ??= new Kind(tree, writer, {
      changed: () => changed(false),
      refused: (source) => note("canvas", tree.id(source) ?? 0),
      isShown: (source) => tree.has(source) && !options.masks.isSilent(tree.standOf(source)),
      calm: () => options.queued() === 0,
    });
    for (const source of this.moving) this.stills.add(source);
    this.moving.clear();
  }

  private rests(node: Node): void {
    this.moving.delete(node as Source);
    this.stills?.drop(node);
  }

  private contentChanged(element: Element): void {
    const { sheets, forms } = this.inside;
    if (element.localName === "style") sheets.reload(element);
    else if (isField(element)) forms.mark(element);
    else {
      const select = element.closest("select");
      if (select !== null) forms.mark(select);
    }
  }
}
