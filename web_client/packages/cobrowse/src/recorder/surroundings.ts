/**
 * What is not in the tree and yet on the screen: scrolling, focus, selection, the pointer, the viewport, dialogs
 * and popovers on top, media that play. Listens passively; reads positions only after the browser told of them.
 * Loaded after the first snapshot: how things stand by then is read at the beginning.
 */
import {
  OP_FOC,
  OP_MEDIA,
  OP_PAGE,
  OP_PTR,
  OP_SCR,
  OP_SEL,
  OP_TOP,
  OP_VIEW,
  OP_VIS,
} from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import { isField } from "./forms.ts";
import type { Hooks } from "./hooks.ts";
import { MASK } from "./mask.ts";
import { native } from "./native.ts";
import { DEVICE, type Page } from "./page.ts";
import { OURS, type Tree } from "./tree.ts";

const MOVED = 0;
const PRESSED = 1;
const RELEASED = 2;
const TOUCHED = 3;
const POINTS = 64;
/** So often at most the page's address and title are looked at. */
const PAGE_MS = 200;

export class Surroundings {
  /** Where it is scrolled to: read when the browser tells of it, for later that would cost a layout. */
  private readonly scrolled = new Map<Element | Document, readonly [x: number, y: number]>();
  private readonly moving = new Set<Element | Document>();
  /** Elements that are scrolled: where they are rebuilt or come to another place, viewers have them at the top. */
  private readonly offset = new Set<Element | Document>();
  private readonly topped = new Set<HTMLElement>();
  private readonly media = new Set<HTMLMediaElement>();
  private readonly tops = new Map<number, number>();
  private points: number[] = [];
  private view = true;
  private focus = -1;
  private selection = "";
  private selecting = false;
  private visible = -1;
  private rawPage = "";
  private pageAt = 0;
  private focusing = true;
  private showing = true;

  constructor(
    private readonly top: Document,
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly page: Page,
    private readonly changed: (soon: boolean) => void,
    private readonly restart: () => void,
  ) {}

  stop(): void {
    this.moving.clear();
  }

  /** Listen in a document or shadow root; what composed events tell is heard at the top alone. */
  listen(hooks: Hooks, root: Document | ShadowRoot): void {
    hooks.listen(root, "scroll", (event: Event) => this.scrolls(event.target as Element | Document));
    hooks.listen(root, "toggle close", (event: Event) => this.maybeTop(event.target as HTMLElement));
    hooks.listen(root, "play pause seeked ratechange volumechange ended", (event: Event) => {
      this.media.add(event.target as HTMLMediaElement);
      this.changed(false);
    });
    if (root === this.top) this.listenTop(hooks);
    if (root.nodeType === 9) this.listenHand(hooks, root === this.top ? window : (root as Document));
  }

  hook(hooks: Hooks, realm: typeof globalThis): void {
    for (const name of ["show", "showModal", "close"])
      hooks.method(realm.HTMLDialogElement?.prototype, name, (self: HTMLElement) => this.maybeTop(self));
  }

  private listenTop(hooks: Hooks): void {
    const view = () => {
      this.view = true;
      this.changed(false);
    };
    hooks.listen(window, "resize", view);
    for (const query of DEVICE) hooks.listen(matchMedia(query), "change", this.restart);
    if (window.visualViewport) hooks.listen(window.visualViewport, "resize scroll", view);
    hooks.listen(this.top, "visibilitychange", () => {
      this.showing = true;
      this.changed(true);
    });
    hooks.listen(window, "popstate hashchange", () => {
      this.pageAt = 0;
      this.changed(false);
    });
  }

  /** Events of a frame's document are heard in it alone. */
  private listenHand(hooks: Hooks, target: EventTarget): void {
    hooks.listen(target, "focusin focusout", () => {
      this.focusing = true;
      this.changed(false);
    });
    hooks.listen(target, "selectionchange", () => {
      // The caret in a field moves with every letter and is not shown.
      if (this.selection === "" && isField(this.top.activeElement)) return;
      this.selecting = true;
      this.changed(false);
    });
    hooks.listen(target, "pointermove", (event: PointerEvent) => this.point(event, MOVED));
    hooks.listen(target, "pointerdown", (event: PointerEvent) =>
      this.point(event, event.pointerType === "touch" ? TOUCHED : PRESSED),
    );
    hooks.listen(target, "pointerup", (event: PointerEvent) => this.point(event, RELEASED));
    // What was chosen in it before anybody listened no event tells.
    this.focusing = true;
    this.selecting = true;
  }

  private point(event: PointerEvent, kind: number): void {
    if (!event.isTrusted || isOurs(event.target)) return;
    const { points } = this;
    // Of a frame: where the frame itself lies; the browser has just looked for what is under the pointer.
    const home = (event.target as Node | null)?.ownerDocument ?? this.top;
    const [left, top] = placeOf(home, this.top);
    if (kind === MOVED && points.at(-1) === MOVED) points.length -= 3;
    if (points.length < POINTS * 3) points.push(event.clientX + left, event.clientY + top, kind);
    this.changed(kind !== MOVED);
  }

  /** It may lie in the top layer now, or no more. */
  maybeTop(element: HTMLElement): void {
    const id = this.tree.id(element);
    if (id === undefined) return;
    this.tree.track(id);
    this.topped.add(element);
    this.changed(false);
  }

  /** A node became known. Returns whether it is one that may lie in the top layer. */
  add(element: Element): boolean {
    const may = element.localName === "dialog" || element.hasAttribute("popover");
    if (may) this.topped.add(element as HTMLElement);
    return may;
  }

  /** Known nodes came to other places, where layers are closed and everything is at the top. */
  moved(nodes: readonly Node[]): void {
    for (const [id, layer] of this.tops) {
      const element = this.tree.nodes[id];
      if (layer === 0 || !element || !nodes.some((node) => node.contains(element))) continue;
      this.tops.set(id, -1);
      this.topped.add(element as HTMLElement);
    }
    if (this.offset.size > 0) this.readSoon([...this.offset]);
  }

  addMedia(element: HTMLMediaElement): void {
    this.media.add(element);
  }

  drop(node: Node, id: number): void {
    this.scrolled.delete(node as Element);
    // It may come back at once, as another node: it is looked at once more then.
    const inner = (node.ownerDocument ?? (node as Document)).defaultView;
    if (this.offset.delete(node as Element) && inner !== null) this.readSoon([node as Element]);
    this.topped.delete(node as HTMLElement);
    this.media.delete(node as HTMLMediaElement);
    this.tops.delete(id);
  }

  /** After SNAP: everything again. `scrolled`: what was scrolled before anybody watched. */
  begin(scrolled: Iterable<Element | Document>): void {
    this.tops.clear();
    this.view = true;
    this.focus = -1;
    this.focusing = true;
    this.selection = "";
    this.selecting = true;
    this.visible = -1;
    this.showing = true;
    // At the beginning of a picture there is a layout, and reading costs nothing.
    this.readSoon([this.top, ...scrolled, ...this.offset]);
  }

  private readSoon(targets: readonly (Element | Document)[]): void {
    native("requestAnimationFrame")(() => {
      for (const target of targets) this.readScroll(target);
    });
  }

  /** Scrolling is told before the frame's layout, which reading now would bring about: read once it is there. */
  private scrolls(target: Element | Document): void {
    if (this.moving.size === 0) native("setTimeout")(() => this.readScrolls());
    this.moving.add(target);
  }

  private readScrolls(): void {
    for (const target of this.moving) this.readScroll(target);
    this.moving.clear();
  }

  private readScroll(target: Element | Document): void {
    const element = target.nodeType === 9 ? (target as Document).scrollingElement : (target as Element);
    if (element === null || isOurs(target)) return;
    const place = [element.scrollLeft, element.scrollTop] as const;
    if (place[0] === 0 && place[1] === 0) this.offset.delete(target);
    else this.offset.add(target);
    this.scrolled.set(target, place);
    this.changed(false);
  }

  write(now: number): void {
    const { writer } = this;
    if (now - this.pageAt > PAGE_MS) this.writePage(now);
    if (this.view) this.writeView();
    if (this.scrolled.size > 0) this.writeScrolls();
    if (this.topped.size > 0) this.writeTops();
    if (this.focusing) this.writeFocus();
    if (this.selecting) this.writeSelection();
    if (this.media.size > 0) this.writeMedia();
    if (this.showing) this.writeVisible();
    const { points } = this;
    for (let index = 0; index < points.length; index += 3) {
      writer.int(OP_PTR);
      writer.whole(points[index] as number);
      writer.whole(points[index + 1] as number);
      writer.int(points[index + 2] as number);
    }
    points.length = 0;
  }

  private writeVisible(): void {
    this.showing = false;
    const visible = this.top.visibilityState === "visible" ? 1 : 0;
    if (visible === this.visible) return;
    this.visible = visible;
    this.writer.int(OP_VIS);
    this.writer.int(visible);
  }

  private writePage(now: number): void {
    this.pageAt = now;
    const raw = `${location.href}\n${this.top.title}`;
    if (raw === this.rawPage) return;
    this.rawPage = raw;
    const { page } = this;
    const before = page.told;
    const [url, title] = page.tell();
    if (page.told === before) return;
    this.writer.int(OP_PAGE);
    this.writer.text(url);
    this.writer.text(title);
  }

  private writeView(): void {
    this.view = false;
    const { writer } = this;
    const visual = window.visualViewport;
    writer.int(OP_VIEW);
    writer.whole(window.innerWidth);
    writer.whole(window.innerHeight);
    // Of the page, not of what the browser calls 1: a page wider than the screen begins smaller.
    writer.float(visual && visual.scale !== 1 ? window.innerWidth / visual.width : 1);
    writer.float(visual?.offsetLeft ?? 0);
    writer.float(visual?.offsetTop ?? 0);
  }

  private writeScrolls(): void {
    for (const [target, [x, y]] of this.scrolled) {
      const id = this.tree.id(target);
      // Scrolled before it was written: told with it.
      if (id === undefined && target.isConnected) continue;
      this.scrolled.delete(target);
      if (id === undefined) continue;
      this.tree.track(id);
      this.writer.int(OP_SCR);
      this.writer.ref(id);
      this.writer.whole(x);
      this.writer.whole(y);
    }
  }

  private writeTops(): void {
    for (const element of this.topped) {
      const id = this.tree.id(element);
      if (id === undefined) continue;
      const now = layerOf(element);
      if ((this.tops.get(id) ?? 0) === now) continue;
      this.tops.set(id, now);
      this.writer.int(OP_TOP);
      this.writer.ref(id);
      this.writer.int(now);
    }
    this.topped.clear();
  }

  private writeFocus(): void {
    this.focusing = false;
    const active = this.active();
    const id =
      active === null || active === this.top.body || isOurs(active) ? 0 : (this.tree.id(active) ?? 0);
    if (id === this.focus) return;
    this.focus = id;
    this.writer.int(OP_FOC);
    this.writer.int(id);
  }

  /** What has the focus, also in a frame or a shadow root. */
  private active(): Element | null {
    let active = this.top.activeElement;
    for (let inner = active; inner; inner = focusedIn(inner)) active = inner;
    return active;
  }

  private writeSelection(): void {
    this.selecting = false;
    const active = this.active() as HTMLIFrameElement | null;
    const selection = (active?.contentDocument ?? active?.ownerDocument ?? this.top).getSelection();
    const from = this.selected(selection?.anchorNode ?? null);
    const to = this.selected(selection?.focusNode ?? null);
    const shown = from > 0 && to > 0 && !selection?.isCollapsed;
    const now = shown ? [from, selection?.anchorOffset ?? 0, to, selection?.focusOffset ?? 0] : [0, 0, 0, 0];
    if (now.join() === this.selection || (!shown && this.selection === "")) return;
    this.selection = shown ? now.join() : "";
    this.writer.int(OP_SEL);
    for (const value of now) this.writer.int(value);
  }

  /** Positions inside a masked text would tell its length. */
  private selected(node: Node | null): number {
    const id = node === null || node.nodeType !== 3 ? 0 : (this.tree.id(node) ?? 0);
    return id > 0 && (this.tree.stand(id) === MASK || this.tree.sent.has(id)) ? 0 : id;
  }

  private writeMedia(): void {
    for (const element of this.media) {
      const id = this.tree.id(element);
      if (id === undefined || !("paused" in element)) continue;
      this.writer.int(OP_MEDIA);
      this.writer.ref(id);
      this.writer.int((element.paused ? 1 : 0) | (element.muted ? 2 : 0));
      this.writer.float(element.currentTime);
      this.writer.float(element.playbackRate);
    }
    this.media.clear();
  }
}

function layerOf(element: HTMLElement): number {
  if (element.localName === "dialog" && (element as HTMLDialogElement).open)
    return element.matches(":modal") ? 2 : 1;
  return element.hasAttribute("popover") && element.matches(":popover-open") ? 3 : 0;
}

/** What has the focus inside an element that has it: in its open shadow root, or the frame's document. */
function focusedIn(element: Element): Element | null {
  if (element.shadowRoot) return element.shadowRoot.activeElement;
  if (element.localName !== "iframe") return null;
  const inner = (element as HTMLIFrameElement).contentDocument;
  return inner?.activeElement && inner.activeElement !== inner.body ? inner.activeElement : null;
}

/** Where a frame's document begins, in the page's own pixels. */
function placeOf(inner: Document, top: Document): readonly [x: number, y: number] {
  let [x, y] = [0, 0];
  for (let frame = inner === top ? null : inner.defaultView?.frameElement; frame; ) {
    const box = frame.getBoundingClientRect();
    x += box.x + frame.clientLeft;
    y += box.y + frame.clientTop;
    frame = frame.ownerDocument === top ? null : frame.ownerDocument.defaultView?.frameElement;
  }
  return [x, y];
}

/** Whether a node is of our own: inside their shadow roots events and focus stand at the host. */
function isOurs(target: EventTarget | null): boolean {
  return target instanceof Element && target.localName.startsWith(OURS);
}
