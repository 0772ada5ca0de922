/**
 * The recorder's heart: observes the page and writes frames. It decides what goes into a frame and in which order;
 * where frames go is `link.ts`, when they are written `rhythm.ts`.
 * Source: docs/cobrowse_wire.md; README, "A shared page, from click to screen".
 */
import { NOTES, OP_ASSET, OP_HASH, OP_NOTE, OP_SNAP } from "@talknow/protocol";
import { Writer } from "../writer.ts";
import type { Assets } from "./assets.ts";
import { Attributes } from "./attributes.ts";
import { Blocked } from "./blocked.ts";
import { Differ } from "./differ.ts";
import { Forms, isField } from "./forms.ts";
import { Frames, isFrame } from "./frames.ts";
import type { Hasher } from "./hash.ts";
import { Hooks } from "./hooks.ts";
import { BLOCK, MASK, type Masks, PLAIN, type Stand } from "./mask.ts";
import { Rhythm } from "./rhythm.ts";
import { Serializer } from "./serialize.ts";
import { Sheets } from "./sheets.ts";
import type { Source, Stills } from "./stills.ts";
import { Surroundings } from "./surroundings.ts";
import { ELEMENT_NODE, Tree } from "./tree.ts";

/** So long a frame may take to write; what is left comes in the next. */
const BUDGET_MS = 10;
const HASH_MS = 2_000;
/** One hash covers no more than there is this much time for. */
const HASH_BUDGET_MS = 2;
const POLL_MS = 1_000;

/** What the loader saw before the recorder was there. */
export interface Early {
  closedRoots: WeakMap<Element, ShadowRoot>;
  scrolled: Set<WeakRef<Element>>;
}

export interface CaptureOptions {
  document: Document;
  masks: Masks;
  assets: Assets;
  early: Early | undefined;
  send: (seq: number, frame: Uint8Array<ArrayBuffer>, isSnapshot: boolean) => void;
  /** Asked before each frame: whether the page has moved on to where nothing may be shown. */
  isElsewhere: () => boolean;
  /** Bytes that the socket has not taken yet. */
  queued: () => number;
}

export class Capture {
  readonly tree = new Tree();
  seq = 0;
  private readonly writer = new Writer();
  private readonly hooks = new Hooks();
  private readonly attributes: Attributes;
  private readonly differ: Differ;
  private readonly serializer: Serializer;
  private readonly sheets: Sheets;
  private readonly forms: Forms;
  private readonly around: Surroundings;
  /** Loaded when the first canvas or video comes. */
  private stills: Stills | null = null;
  private readonly moving = new Set<Source>();
  private hasher: Hasher | null = null;
  private readonly rhythm: Rhythm;
  private readonly observer: MutationObserver;
  private readonly blocked: Blocked;
  private readonly roots = new WeakMap<Node, Element | null>();
  private readonly realms = new WeakSet<object>();
  private readonly closed = new WeakMap<Element, ShadowRoot>();
  private readonly frames: Frames;
  private readonly notes: [code: number, id: number][] = [];
  private readonly noted = new Set<string>();
  private assetsTold = 0;
  private snapshotDue = true;
  private hashed = 1;
  private hashAt = 0;
  private poll: ReturnType<typeof setInterval> | undefined;
  private running = false;
  private writing = false;
  private noticed = false;

  constructor(private readonly options: CaptureOptions) {
    const { document: top, masks, assets } = options;
    const { tree, writer } = this;
    const changed = (soon: boolean) => this.changed(soon);
    const attributes = new Attributes(masks, assets);
    this.attributes = attributes;
    this.serializer = new Serializer(tree, writer, masks, attributes, {
      shadowOf: (element) => this.shadowOf(element),
      documentOf: (frame) => this.documentOf(frame),
      added: (node, id, stand) => this.added(node, id, stand),
      placed: (node) => this.differ.placed(node),
      restart: (node) => this.differ.forget(node),
    });
    this.differ = new Differ(top, tree, writer, masks, attributes, this.serializer, {
      dropped: (node, id) => this.dropped(node, id),
      contentChanged: (element) => this.contentChanged(element),
      arrived: (element) => this.forms.learn(element),
    });
    const opaque = (owner: number) => this.note("stylesheet", owner);
    const scrub = (css: string) => masks.css(css);
    this.sheets = new Sheets({
      tree,
      writer,
      attributes,
      assets,
      scrub,
      changed: () => changed(true),
      opaque,
    });
    this.forms = new Forms(tree, writer, masks, () => this.running && this.rhythm.told());
    this.around = new Surroundings(top, tree, writer, masks, changed, () => this.restart());
    this.rhythm = new Rhythm((now) => this.write(now), options.queued);
    this.observer = new MutationObserver((records) => {
      this.differ.take(records);
      this.changed(true);
    });
    this.blocked = new Blocked(tree, writer, () => changed(false));
    this.frames = new Frames(masks, (frame) => this.again(frame));
  }

  start(): void {
    this.running = true;
    const realm = window as unknown as typeof globalThis;
    this.hookRealm(realm);
    this.poll = setInterval(() => {
      if (this.sheets.poll()) this.changed(false);
      this.frames.look();
    }, POLL_MS);
    this.restart();
    void import("./hash.ts").then(({ Hasher }) => {
      this.hasher = new Hasher(this.tree, this.attributes);
    });
  }

  stop(): void {
    this.running = false;
    clearInterval(this.poll);
    this.observer.disconnect();
    this.rhythm.stop();
    this.around.stop();
    this.stills?.stop();
    this.hooks.stop();
    this.forget();
  }

  /** Everything again from the beginning. */
  restart(): void {
    this.snapshotDue = true;
    this.changed(true);
  }

  /** The server had to mask these: from now on this side does. */
  maskToo(ids: readonly number[]): void {
    for (const id of ids) {
      const node = this.tree.nodes[id];
      const element = node?.nodeType === ELEMENT_NODE ? (node as Element) : node?.parentElement;
      if (!element || this.options.masks.isForced(element)) continue;
      this.options.masks.force(element);
      this.again(element);
    }
  }

  assetReady(): void {
    this.changed(false);
  }

  address(): readonly [url: string, title: string] {
    return this.around.address();
  }

  note(what: (typeof NOTES)[number], id: number): void {
    const key = `${what} ${id}`;
    if (this.noted.has(key)) return;
    this.noted.add(key);
    this.notes.push([NOTES.indexOf(what), id]);
    this.changed(false);
  }

  hiding(): { fields: number; texts: number; blocked: number } {
    let texts = 0;
    for (const changes of this.tree.sent.values()) if (changes.get("")?.includes("\u2022")) texts += 1;
    return { fields: this.forms.hiding.size, texts, blocked: this.blocked.count };
  }

  private changed(soon: boolean): void {
    // What is noticed while a frame is written goes into it, or into the next one: never into a second one inside.
    if (this.writing) this.noticed = true;
    else if (this.running) this.rhythm.changed(soon);
  }

  // --- one frame ----------------------------------------------------------------------------------

  private write(now: number): void {
    if (!this.running) return;
    this.writing = true;
    try {
      if (!this.options.isElsewhere()) this.frame(now);
    } finally {
      this.writing = false;
    }
    if (this.noticed) this.changed(false);
    this.noticed = false;
  }

  private frame(now: number): void {
    const deadline = now + BUDGET_MS;
    this.differ.take(this.observer.takeRecords());
    this.frames.look();
    const seq = this.seq + 1;
    this.differ.seq = seq;
    this.serializer.seq = seq;
    const isSnapshot = this.snapshotDue;
    if (isSnapshot) this.forget();
    this.differ.firstNew = isSnapshot ? 1 : this.tree.next;
    this.writer.begin(seq);
    let left = false;
    if (isSnapshot) this.snapshot(deadline);
    else {
      this.forms.learnDirty();
      left = this.differ.write(deadline);
      if (this.differ.moved.length > 0) this.moved(this.differ.moved.splice(0));
    }
    left ||= !this.differ.idle;
    this.sheets.write();
    this.forms.write();
    this.around.write(now);
    this.stills?.write();
    this.writeRest();
    if (!left && now >= this.hashAt) this.writeHash();
    if (this.writer.count > 1) {
      this.seq = seq;
      this.options.send(seq, this.writer.end(), isSnapshot);
    }
    if (left) this.rhythm.goOn();
  }

  /** What a place takes away from an element, or gives to it, no event tells. */
  private moved(nodes: readonly Node[]): void {
    this.sheets.moved();
    this.forms.moved();
    this.around.moved(nodes);
  }

  private snapshot(deadline: number): void {
    const { writer, tree, around, options } = this;
    const top = options.document;
    this.snapshotDue = false;
    writer.forgetTable();
    const [url, title] = around.address();
    around.told(url, title);
    this.forms.learn(top);
    writer.int(OP_SNAP);
    writer.int(this.around.flags());
    writer.text(url);
    writer.text(title);
    writer.whole(window.innerWidth);
    writer.whole(window.innerHeight);
    this.added(top, tree.add(top, PLAIN, this.seq + 1), PLAIN);
    this.serializer.prepare(top);
    const late = this.serializer.children(top, deadline);
    this.differ.touch(late);
    if (late.length === 0) this.serializer.finished();
    else this.serializer.covering = true;
    around.begin(this.scrolledEarly());
    this.hashAt = performance.now() + HASH_MS;
  }

  private writeRest(): void {
    const { writer } = this;
    this.blocked.write();
    const { known } = this.options.assets;
    for (; this.assetsTold < known.length; this.assetsTold += 1) {
      const asset = known[this.assetsTold];
      if (asset === undefined) continue;
      writer.int(OP_ASSET);
      writer.int(asset.number);
      writer.text(asset.hash);
      writer.text(asset.type);
    }
    for (const [code, id] of this.notes) {
      writer.int(OP_NOTE);
      writer.int(code);
      writer.int(id);
    }
    this.notes.length = 0;
  }

  private writeHash(): void {
    if (this.writer.count === 1 || this.hasher === null) return;
    const lo = this.hashed < this.tree.next ? this.hashed : 1;
    const [hi, crc] = this.hasher.part(lo, performance.now() + HASH_BUDGET_MS);
    this.hashed = hi;
    this.hashAt = performance.now() + HASH_MS;
    this.writer.int(OP_HASH);
    this.writer.int(lo);
    this.writer.int(hi);
    this.writer.int(crc);
  }

  private forget(): void {
    this.differ.clear();
    this.tree.clear();
    this.sheets.clear();
    this.forms.clear();
    this.stills?.clear();
    this.moving.clear();
    this.blocked.clear();
    this.frames.clear();
    this.noted.clear();
    this.notes.length = 0;
    this.assetsTold = 0;
    this.hashed = 1;
  }

  // --- nodes that come and go ---------------------------------------------------------------------

  private added(node: Node, id: number, stand: Stand): void {
    if (node.nodeType !== ELEMENT_NODE) {
      this.watch(node as Document | ShadowRoot);
      return;
    }
    const element = node as Element;
    this.frames.add(element);
    if (stand === BLOCK) {
      this.blocked.add(element);
      return;
    }
    switch (element.localName) {
      case "style":
      case "link":
        this.sheets.add(element);
        break;
      case "input":
      case "textarea":
      case "select":
        if (isField(element)) this.forms.add(element);
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
        this.note("plugin", id);
        break;
      case "iframe":
        if (stand !== MASK && this.documentOf(element) === null) this.note("foreign_frame", id);
        break;
      default:
        this.around.add(element);
    }
  }

  private dropped(node: Node, id: number): void {
    if (node.nodeType !== ELEMENT_NODE) {
      this.sheets.drop(node);
      return;
    }
    this.blocked.drop(node);
    this.frames.drop(node);
    const { localName } = node as Element;
    if (localName === "style" || localName === "link") this.sheets.drop(node);
    else if (isField(node) || localName === "option") this.forms.drop(node, id);
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
    if (this.moving.size === 1) void import("./stills.ts").then(({ Stills }) => this.begin(Stills));
  }

  private begin(Kind: typeof Stills): void {
    if (!this.running) return;
    const { tree, writer, options } = this;
    this.stills ??= new Kind(tree, writer, {
      changed: () => this.changed(false),
      refused: (source) => this.note("canvas", tree.id(source) ?? 0),
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
    if (element.localName === "style") this.sheets.reload(element);
    else if (isField(element)) this.forms.mark(element);
    else {
      const select = element.closest("select");
      if (select !== null) this.forms.mark(select);
    }
  }

  /** A root whose inside nobody else observes. */
  private watch(root: Document | ShadowRoot): void {
    this.forms.learn(root);
    if (root !== this.options.document) this.sheets.add(root);
    else if ("adoptedStyleSheets" in root) this.sheets.add(root);
    // `document.open` leaves the document, and takes its element and all listeners.
    const element = "documentElement" in root ? root.documentElement : null;
    if (this.roots.get(root) === element) return;
    this.roots.set(root, element);
    this.observer.observe(root, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeOldValue: true,
      characterData: true,
      characterDataOldValue: true,
    });
    this.forms.listen(this.hooks, root);
    this.around.listen(this.hooks, root);
    this.hooks.listen(root, "load", (event: Event) => this.loaded(event.target as Element));
    const realm = "defaultView" in root ? root.defaultView : null;
    if (realm !== null && realm !== window) this.hookRealm(realm as unknown as typeof globalThis);
  }

  /** Once for each window: the first document of a frame may leave its window to the next one. */
  private hookRealm(realm: typeof globalThis): void {
    const { prototype } = realm.Element;
    if (this.realms.has(prototype)) return;
    this.realms.add(prototype);
    this.sheets.hook(this.hooks, realm);
    this.forms.hook(this.hooks, realm);
    this.around.hook(this.hooks, realm);
    this.hooks.setter(realm.Document.prototype, "designMode", () => this.restart());
    this.hooks.method(prototype, "attachShadow", (self: Element, _, root: ShadowRoot) =>
      this.rooted(self, root),
    );
  }

  /** Rules of a link arrived, or a frame has another document. */
  private loaded(element: Element): void {
    if (!this.tree.has(element)) return;
    if (element.localName === "link") this.sheets.reload(element);
    else if (element.localName === "style") this.sheets.reload(element);
    else if (element.localName === "iframe") this.again(element);
  }

  /** A known element got a shadow root. */
  private rooted(host: Element, root: ShadowRoot): void {
    if (root.mode === "closed") this.closed.set(host, root);
    if (this.tree.has(host)) this.again(host);
  }

  /** The element comes again whole. What the observer has not told yet must be known first. */
  private again(element: Element): void {
    this.differ.take(this.observer.takeRecords());
    this.differ.restart(element);
    this.changed(true);
  }

  private shadowOf(host: Element): ShadowRoot | null {
    return host.shadowRoot ?? this.closed.get(host) ?? this.options.early?.closedRoots.get(host) ?? null;
  }

  private documentOf(frame: Element): Document | null {
    if (!isFrame(frame)) return null;
    try {
      const inner = (frame as HTMLIFrameElement).contentDocument;
      return inner?.documentElement ? inner : null;
    } catch {
      return null;
    }
  }

  private *scrolledEarly(): Iterable<Element> {
    for (const weak of this.options.early?.scrolled ?? []) {
      const element = weak.deref();
      if (element !== undefined) yield element;
    }
  }
}
