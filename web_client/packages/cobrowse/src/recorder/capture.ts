/**
 * The recorder's heart: takes the first snapshot, and decides what goes into a frame and in which order; where frames
 * go is `link.ts`. What comes after the snapshot is `live.ts`, loaded meanwhile: until it is there mutations are kept
 * and what is typed is learned, so that nothing is lost and no mask is late.
 * Source: docs/cobrowse_wire.md; README, "A shared page, from change to screen".
 */
import { OP_SNAP } from "@talknow/protocol";
import { NOTES } from "@talknow/protocol/words";
import { Writer } from "../writer.ts";
import type { Assets } from "./assets.ts";
import { Attributes } from "./attributes.ts";
import { Forms, isField } from "./forms.ts";
import { Hooks } from "./hooks.ts";
import type { Live } from "./live.ts";
import { BLOCK, type Masks, PLAIN, type Stand } from "./mask.ts";
import { native } from "./native.ts";
import { Page } from "./page.ts";
import { part } from "./part.ts";
import { Serializer } from "./serialize.ts";
import { Sheets } from "./sheets.ts";
import { ELEMENT_NODE, elementOf, isFrame, Tree } from "./tree.ts";

/** So long a frame may take to write; what is left comes in the next. */
const BUDGET_MS = 10;

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
  /** What goes on after the snapshot could not be loaded. */
  failed: () => void;
}

export class Capture {
  readonly tree = new Tree();
  seq = 0;
  private readonly writer = new Writer();
  private readonly hooks = new Hooks();
  private readonly attributes: Attributes;
  private readonly serializer: Serializer;
  private readonly sheets: Sheets;
  private readonly forms: Forms;
  private readonly page: Page;
  private readonly observer: MutationObserver;
  private live: Live | null = null;
  private readonly roots = new WeakMap<Node, Element | null>();
  private readonly realms = new WeakSet<object>();
  private readonly closed = new WeakMap<Element, ShadowRoot>();
  private readonly notes: [code: number, id: number][] = [];
  private readonly noted = new Set<string>();
  private snapshotDue = true;
  private running = false;
  private writing = false;
  private noticed = false;
  /** Until the rest is there: what it will need. */
  private records: MutationRecord[] = [];
  private readonly renewed = new Set<Element>();
  private readonly scrolled = new Set<Element | Document>();
  private late: readonly Node[] = [];
  private unload: (() => void) | undefined;

  constructor(private readonly options: CaptureOptions) {
    const { document: top, masks, assets } = options;
    const { tree, writer } = this;
    const attributes = new Attributes(masks, assets);
    this.attributes = attributes;
    this.serializer = new Serializer(tree, writer, masks, attributes, {
      shadowOf: (element) => this.shadowOf(element),
      documentOf: (frame) => this.documentOf(frame),
      added: (node, id, stand) => this.added(node, id, stand),
      placed: (node) => this.live?.differ.placed(node),
      restart: (node) => this.live?.differ.forget(node),
    });
    this.sheets = new Sheets({
      tree,
      writer,
      attributes,
      assets,
      scrub: (css) => masks.css(css),
      changed: () => this.changed(true),
    });
    this.forms = new Forms(tree, writer, masks, () => this.typed());
    this.page = new Page(top, masks);
    this.observer = new (native("MutationObserver"))((records) => {
      this.take(records);
      this.changed(true);
    });
  }

  start(): void {
    this.running = true;
    this.hookRealm(window as unknown as typeof globalThis);
    this.unload = part(
      () => import("./live.ts"),
      (live) => this.goOn(live.Live),
      this.options.failed,
    );
    this.restart();
  }

  stop(): void {
    this.running = false;
    this.unload?.();
    this.observer.disconnect();
    this.hooks.stop();
    this.forget();
    this.live?.stop();
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

  /** Whether changes are followed; until then nobody knows what changed. */
  get isLive(): boolean {
    return this.live !== null;
  }

  address(): readonly [url: string, title: string] {
    return this.page.address();
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
    return { fields: this.forms.hiding.size, texts, blocked: this.live?.blocked.count ?? 0 };
  }

  private changed(soon: boolean): void {
    // What is noticed while a frame is written goes into it, or into the next one: never into a second one inside.
    if (this.writing) this.noticed = true;
    else if (this.running) {
      if (this.live !== null) this.live.rhythm.changed(soon);
      else if (this.snapshotDue) this.write(performance.now());
    }
  }

  /** A value may have changed: what is typed is learned at once where no frame comes soon. */
  private typed(): void {
    if (this.live === null) this.forms.learnDirty();
    else if (this.running) this.live.rhythm.told();
  }

  // --- what goes on after the first snapshot ----------------------------------------------------------

  private goOn(Kind: typeof Live): void {
    const { options, tree, writer, hooks, attributes, serializer, sheets, forms, page } = this;
    const live = new Kind({
      options,
      tree,
      writer,
      hooks,
      attributes,
      serializer,
      sheets,
      forms,
      page,
      notes: this.notes,
      changed: (soon) => this.changed(soon),
      restart: () => this.restart(),
      note: (what, id) => this.note(what, id),
      documentOf: (frame) => this.documentOf(frame),
      left: (root) => this.left(root),
      again: (element) => this.again(element),
      scrolledEarly: () => this.scrolledEarly(),
      write: (now) => this.write(now),
    });
    this.live = live;
    live.follow(this.late);
    this.late = [];
    this.scrolled.clear();
    this.take(this.records.splice(0));
    for (const element of this.renewed) if (tree.has(element)) this.again(element);
    this.renewed.clear();
    this.changed(true);
  }

  private take(records: MutationRecord[]): void {
    if (this.live !== null) {
      this.live.differ.take(records);
      return;
    }
    for (const record of records) {
      this.records.push(record);
      // It may be gone again when the record is read.
      for (const node of record.addedNodes)
        if (node.nodeType === ELEMENT_NODE) this.forms.learn(node as Element);
    }
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
    const { live, writer } = this;
    const deadline = now + BUDGET_MS;
    this.take(this.observer.takeRecords());
    const seq = this.seq + 1;
    this.serializer.seq = seq;
    const isSnapshot = this.snapshotDue;
    if (isSnapshot) this.forget();
    live?.begin(seq, isSnapshot ? 1 : this.tree.next);
    writer.begin(seq);
    if (isSnapshot) this.snapshot(deadline);
    else live?.changes(deadline);
    this.sheets.write();
    this.forms.write();
    const left = live?.rest(now);
    if (writer.count > 1) {
      this.seq = seq;
      this.options.send(seq, writer.end(), isSnapshot);
    }
    if (left) live?.rhythm.goOn();
  }

  private snapshot(deadline: number): void {
    const { writer, tree, page, options } = this;
    const top = options.document;
    this.snapshotDue = false;
    writer.forgetTable();
    const [url, title] = page.tell();
    this.forms.learn(top);
    writer.int(OP_SNAP);
    writer.int(page.flags());
    writer.text(url);
    writer.text(title);
    writer.whole(window.innerWidth);
    writer.whole(window.innerHeight);
    this.added(top, tree.add(top, PLAIN, this.seq + 1), PLAIN);
    this.serializer.prepare(top);
    const late = this.serializer.children(top, deadline);
    if (late.length === 0) this.serializer.finished();
    else this.serializer.covering = true;
    if (this.live === null) this.late = late;
    else this.live.follow(late);
  }

  private forget(): void {
    this.tree.clear();
    this.sheets.clear();
    this.forms.clear();
    this.noted.clear();
    this.notes.length = 0;
    this.records.length = 0;
    this.renewed.clear();
    this.late = [];
    this.live?.forget();
  }

  // --- nodes that come and go ---------------------------------------------------------------------

  private added(node: Node, id: number, stand: Stand): void {
    if (node.nodeType !== ELEMENT_NODE) {
      this.watch(node as Document | ShadowRoot);
      return;
    }
    const { localName } = node as Element;
    if (stand !== BLOCK) {
      if (localName === "style" || localName === "link") this.sheets.add(node);
      else if (isField(node)) this.forms.add(node);
    }
    this.live?.added(node, id, stand);
  }

  /** A root whose inside nobody else observes. */
  private watch(root: Document | ShadowRoot): void {
    this.forms.learn(root);
    if (root !== this.options.document || "adoptedStyleSheets" in root) this.sheets.add(root);
    const element = elementOf(root);
    if (this.roots.get(root) !== element) {
      this.roots.set(root, element);
      this.begin(root);
    }
    this.live?.attach(root);
  }

  private begin(root: Document | ShadowRoot): void {
    this.hooks.forget(root);
    this.hooks.home = root;
    // Who asks for old values is told of attributes and texts.
    this.observer.observe(root, {
      subtree: true,
      childList: true,
      attributeOldValue: true,
      characterDataOldValue: true,
    });
    this.forms.listen(this.hooks, root);
    this.hooks.listen(root, "scroll", ({ target }: Event) => {
      if (this.live === null) this.scrolled.add(target as Element | Document);
    });
    this.hooks.listen(root, "load", (event: Event) => this.loaded(event.target as Element));
    const realm = "defaultView" in root ? root.defaultView : null;
    if (realm !== null && realm !== window) this.hookRealm(realm as unknown as typeof globalThis);
  }

  private left(root: Node): void {
    this.hooks.forget(root);
    this.roots.delete(root);
  }

  /** Once for each window: the first document of a frame may leave its window to the next one. */
  private hookRealm(realm: typeof globalThis): void {
    const { prototype } = realm.Element;
    if (this.realms.has(prototype)) return;
    this.realms.add(prototype);
    this.hooks.later(() => this.realms.delete(prototype));
    this.forms.hook(this.hooks, realm);
    this.hooks.setter(realm.Document.prototype, "designMode", () => this.restart());
    this.hooks.method(prototype, "attachShadow", (self: Element, _, root: ShadowRoot) =>
      this.rooted(self, root),
    );
  }

  /** Rules of a link arrived, or a frame has another document. */
  private loaded(element: Element): void {
    const { localName } = element;
    if (!this.tree.has(element)) return;
    if (localName === "link" || localName === "style") this.sheets.reload(element);
    else if (localName === "iframe") this.again(element);
    else this.live?.loaded(element);
  }

  /** A known element got a shadow root. */
  private rooted(host: Element, root: ShadowRoot): void {
    if (root.mode === "closed") this.closed.set(host, root);
    if (this.tree.has(host)) this.again(host);
  }

  /** The element comes again whole. What the observer has not told yet must be known first. */
  private again(element: Element): void {
    this.take(this.observer.takeRecords());
    if (this.live === null) this.renewed.add(element);
    else this.live.differ.restart(element);
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

  private *scrolledEarly(): Iterable<Element | Document> {
    yield* this.scrolled;
    for (const weak of this.options.early?.scrolled ?? []) {
      const element = weak.deref();
      if (element !== undefined) yield element;
    }
  }
}
