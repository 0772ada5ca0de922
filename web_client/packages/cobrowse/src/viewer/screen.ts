/**
 * The window around the shown page: the inner frame in the visitor's own size, scaled to fit or not; the layer above
 * it that draws pointers and takes the agent's hand. Nothing of the agent's reaches the inner document.
 */
import { OVERLAY_STYLES, Overlay } from "../overlay.ts";
import { Editor } from "./editor.ts";
import type { Act, FromViewer, Tool } from "./messages.ts";
import { type Audience, Replay, type View } from "./replay.ts";

const POINT_MS = 40;
const SCROLL_MS = 80;
const APPLIED_MS = 100;
const WHO_VISITOR = 0;
const WHO_ME = -1;
const HELD = ["", "This page is private: the site does not show it.", "The customer has paused sharing.", ""];
const HOLD_PAUSED = 2;
const UNSEEN: Readonly<Record<string, string>> = {
  stale: "The customer is changing the page…",
  away: "The customer is on a page that is not shared, or offline. This is the last picture; it goes on when they are back.",
};

export class Screen implements Audience {
  readonly replay: Replay;
  readonly overlay: Overlay;
  private readonly layer: HTMLElement;
  private readonly cover: HTMLElement;
  private size: View = { width: 1280, height: 720, scale: 1, offsetX: 0, offsetY: 0 };
  private tool: Tool = "look";
  private fit = true;
  private stroke = 0;
  private drawing: { node: number; points: number[] } | null = null;
  private pointed = 0;
  private rolled = { x: 0, y: 0, at: 0 };
  private readonly editor: Editor;
  private state = "live";
  private holds = 0;
  private saidAt = 0;
  private saying: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly root: HTMLElement,
    private readonly sheet: HTMLElement,
    private readonly frame: HTMLIFrameElement,
    private readonly say: (message: FromViewer) => void,
  ) {
    const view = frame.contentWindow as Window & typeof globalThis;
    this.replay = new Replay(view, this);
    this.layer = document.createElement("div");
    this.layer.id = "layer";
    this.layer.tabIndex = 0;
    this.layer.setAttribute("role", "application");
    this.layer.setAttribute("aria-label", "Shared page: pointing and drawing");
    sheet.append(this.layer);
    this.cover = document.getElementById("cover") as HTMLElement;
    const styles = new CSSStyleSheet();
    styles.replaceSync(OVERLAY_STYLES);
    document.adoptedStyleSheets = [styles];
    this.overlay = new Overlay({ layer: this.layer, boxOf: (node) => this.boxOf(node) });
    this.editor = new Editor(this.layer, (node) => this.boxOf(node));
    this.listen();
    new ResizeObserver(() => this.layOut()).observe(root);
    this.layOut();
  }

  apply(bytes: ArrayBuffer): void {
    try {
      this.replay.apply(new Uint8Array(bytes));
    } catch {
      this.say({ kind: "need" });
      return;
    }
    this.applied();
  }

  /** Said at most every APPLIED_MS: a viewer's credit is many frames. */
  private applied(): void {
    if (this.saying !== undefined) return;
    const wait = this.saidAt + APPLIED_MS - performance.now();
    if (wait > 0) this.saying = setTimeout(() => this.sayApplied(), wait);
    else this.sayApplied();
  }

  private sayApplied(): void {
    this.saying = undefined;
    this.saidAt = performance.now();
    this.say({ kind: "applied", seq: this.replay.seq });
  }

  setTool(tool: Tool): void {
    this.tool = tool;
    this.layer.dataset.tool = tool;
    this.editor.close();
    if (tool !== "highlight") this.say({ kind: "mark", node: 0 });
  }

  setFit(fit: boolean): void {
    this.fit = fit;
    this.layOut();
  }

  setFollow(follow: boolean): void {
    this.replay.follows = follow;
    if (follow) this.replay.scrollBack();
  }

  setState(state: string): void {
    this.state = state;
    this.showCover();
  }

  // --- what the page says (Audience) -------------------------------------------------------------

  pointer(x: number, y: number, kind: number): void {
    this.overlay.pointAt(WHO_VISITOR, "Customer", x, y);
    if (kind === 1 || kind === 3) this.overlay.rippleAt(WHO_VISITOR, x, y);
  }

  view(view: View): void {
    this.size = view;
    this.layOut();
    this.say({ kind: "view", width: view.width, height: view.height, scale: view.scale });
  }

  page(url: string, title: string): void {
    this.say({ kind: "page", url, title });
  }

  note(what: string): void {
    this.say({ kind: "note", what });
  }

  held(reason: number): void {
    this.holds = reason;
    this.showCover();
    this.say({ kind: "held", reason });
  }

  scrolled(): void {}

  // --- layout -------------------------------------------------------------------------------------

  private get scale(): number {
    return this.fit ? Math.min(1, this.root.clientWidth / Math.max(1, this.size.width)) : 1;
  }

  private layOut(): void {
    const { width, height } = this.size;
    this.frame.style.width = `${width}px`;
    this.frame.style.height = `${height}px`;
    this.sheet.style.width = `${width}px`;
    this.sheet.style.height = `${height}px`;
    const free = Math.max(0, (this.root.clientWidth - width * this.scale) / 2);
    this.sheet.style.transform = `translate(${free}px, 0) scale(${this.scale})`;
  }

  private showCover(): void {
    const held = this.holds > 0 ? this.holds : this.state === "held" ? HOLD_PAUSED : 0;
    const text = held > 0 ? (HELD[held] ?? "") : (UNSEEN[this.state] ?? "");
    this.cover.textContent = text;
    if (text === "") delete this.cover.dataset.shown;
    else this.cover.dataset.shown = held > 0 ? "held" : "stale";
  }

  private boxOf(id: number): DOMRect | null {
    const node = this.replay.tree.get(id)?.node;
    if (node === undefined || !node.isConnected) return null;
    if (node.nodeType === 9) return new DOMRect(0, 0, this.size.width, this.size.height);
    if (node.nodeType === 1) return (node as Element).getBoundingClientRect();
    return node.parentElement?.getBoundingClientRect() ?? null;
  }

  // --- the agent's hand -----------------------------------------------------------------------------

  private listen(): void {
    const { layer } = this;
    layer.addEventListener("pointermove", (event) => this.moved(event));
    layer.addEventListener("pointerdown", (event) => this.pressed(event));
    layer.addEventListener("pointerup", () => this.lifted());
    layer.addEventListener("pointerleave", () => {
      this.lifted();
      if (this.tool === "point") this.say({ kind: "point", node: 1, x: 0, y: 0, what: 2 });
    });
    layer.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
  }

  /** The node under the pointer, and where in its box. */
  private at(event: MouseEvent): { node: number; x: number; y: number } {
    const box = this.layer.getBoundingClientRect();
    const [left, top] = [(event.clientX - box.left) / this.scale, (event.clientY - box.top) / this.scale];
    let hit = this.frame.contentDocument?.elementFromPoint(left, top) ?? null;
    while (hit?.shadowRoot) {
      const inner = hit.shadowRoot.elementFromPoint(left, top);
      if (inner === null || inner === hit) break;
      hit = inner;
    }
    const node = this.replay.tree.idOf(hit) || 1;
    const place = this.boxOf(node) ?? new DOMRect(0, 0, this.size.width, this.size.height);
    const part = (value: number, from: number, size: number) => (size === 0 ? 0 : (value - from) / size);
    return { node, x: part(left, place.x, place.width), y: part(top, place.y, place.height) };
  }

  private moved(event: PointerEvent): void {
    if (this.tool === "look" || this.tool === "control") return;
    if (event.timeStamp - this.pointed < POINT_MS) return;
    this.pointed = event.timeStamp;
    const { node, x, y } = this.at(event);
    if (this.tool === "point") this.say({ kind: "point", node, x, y, what: 0 });
    if (this.drawing !== null) this.ink(event);
  }

  private pressed(event: PointerEvent): void {
    const { node, x, y } = this.at(event);
    switch (this.tool) {
      case "point":
        this.say({ kind: "point", node, x, y, what: 1 });
        this.overlay.ripple(WHO_ME, node, x, y);
        break;
      case "highlight":
        this.say({ kind: "mark", node });
        this.overlay.mark(WHO_ME, node);
        break;
      case "draw":
        this.stroke += 1;
        this.drawing = { node, points: [] };
        this.layer.setPointerCapture(event.pointerId);
        this.ink(event);
        break;
      case "control":
        this.touch(event, node, x, y);
        break;
      default:
    }
  }

  /** Into a field the agent writes here first; the visitor's browser gets the whole of it at once. */
  private touch(event: Event, node: number, x: number, y: number): void {
    if (this.editor.holds(event.target)) return;
    event.preventDefault();
    const field = this.replay.tree.get(node)?.node ?? null;
    this.overlay.ripple(WHO_ME, node, x, y);
    const done = (text: string) => this.act("type", node, [text]);
    if (!this.editor.open(field, node, done)) this.act("click", node, [x, y]);
  }

  private act(kind: Act["kind"], node: number, values: Act["values"]): void {
    this.say({ kind: "act", act: { kind, node, seen: this.replay.seq, values } });
  }

  private ink(event: PointerEvent): void {
    if (this.drawing === null) return;
    const box = this.boxOf(this.drawing.node);
    const own = this.layer.getBoundingClientRect();
    if (box === null) return;
    const x = ((event.clientX - own.left) / this.scale - box.x) / Math.max(1, box.width);
    const y = ((event.clientY - own.top) / this.scale - box.y) / Math.max(1, box.height);
    this.send([x, y], false);
  }

  private send(points: number[], last: boolean): void {
    if (this.drawing === null) return;
    const { node } = this.drawing;
    this.overlay.draw(WHO_ME, this.stroke, node, points, last);
    this.say({ kind: "draw", stroke: this.stroke, node, points, last });
  }

  private lifted(): void {
    this.send([], true);
    this.drawing = null;
  }

  private wheeled(event: WheelEvent): void {
    event.preventDefault();
    const { node } = this.at(event);
    if (this.tool === "control") {
      this.roll(event, node);
      return;
    }
    this.replay.follows = false;
    scrollNear(this.replay.tree.get(node)?.node ?? null, event.deltaX, event.deltaY, this.frame);
  }

  /** Scroll the visitor's own page. */
  private roll(event: WheelEvent, node: number): void {
    const { rolled } = this;
    rolled.x += event.deltaX;
    rolled.y += event.deltaY;
    if (event.timeStamp - rolled.at < SCROLL_MS) return;
    this.act("scroll", node, [rolled.x, rolled.y]);
    this.rolled = { x: 0, y: 0, at: event.timeStamp };
  }
}

/** Scroll the nearest thing that scrolls, here only. */
function scrollNear(node: Node | null, x: number, y: number, frame: HTMLIFrameElement): void {
  for (let at = node; at !== null; at = at.parentNode ?? (at as ShadowRoot).host ?? null) {
    if (at.nodeType !== 1) continue;
    const element = at as Element;
    const before = element.scrollTop + element.scrollLeft;
    element.scrollBy(x, y);
    if (element.scrollTop + element.scrollLeft !== before) return;
  }
  frame.contentWindow?.scrollBy(x, y);
}
