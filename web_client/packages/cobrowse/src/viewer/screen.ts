/**
 * The window around the shown page: the inner frame in the visitor's own size, drawn as large as the agent likes; the
 * part of it that the visitor has zoomed in to; above it the layer for pointers and the agent's hand. Nothing of the
 * agent's reaches the inner document.
 */
import { boxIn } from "../boxes.ts";
import { OVERLAY_STYLES, Overlay } from "../overlay.ts";
import { Badges } from "./badges.ts";
import { Hand } from "./hand.ts";
import type { FromViewer, Tool, Zoom } from "./messages.ts";
import { type Audience, OtherMode, type Playing, Replay, type View } from "./replay.ts";

const APPLIED_MS = 100;
const WHO_VISITOR = 0;
const HELD = ["", "This page is private: the site does not show it.", "The customer has paused sharing.", ""];
const HOLD_PAUSED = 2;
const UNSEEN: Readonly<Record<string, string>> = {
  stale: "The customer is changing the page…",
  too_big: "This page is too large to be shown. It is tried again now and then.",
  away: "The customer is on a page that is not shared, or offline. This is the last picture; it goes on when they are back.",
};
/** Fingers are not seen between touches. */
const LIFTED_MS = 800;
const PAGES = { standard: "/inner.html", quirks: "/inner-quirks.html" } as const;

export class Screen implements Audience {
  replay: Replay;
  readonly overlay: Overlay;
  private readonly layer: HTMLElement;
  private readonly lens: HTMLElement;
  private readonly cover: HTMLElement;
  private readonly hand: Hand;
  private readonly badges: Badges;
  private size: View = { width: 1280, height: 720, scale: 1, offsetX: 0, offsetY: 0 };
  private zoom: Zoom = "whole";
  private touch = false;
  private follows = true;
  private base = "";
  private state = "live";
  private holds = 0;
  private saidAt = 0;
  private saying: ReturnType<typeof setTimeout> | undefined;
  private lifting: ReturnType<typeof setTimeout> | undefined;
  /** Frames that came while the inner page of the other mode is being loaded. */
  private waiting: ArrayBuffer[] | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly sheet: HTMLElement,
    private readonly frame: HTMLIFrameElement,
    private readonly say: (message: FromViewer) => void,
  ) {
    this.layer = document.createElement("div");
    this.layer.id = "layer";
    this.layer.tabIndex = 0;
    this.layer.setAttribute("role", "application");
    this.layer.setAttribute(
      "aria-label",
      "Shared page. Arrow keys look around, or move the tool; Enter uses it; Escape leaves it.",
    );
    this.lens = document.createElement("div");
    this.lens.id = "lens";
    this.layer.append(this.lens);
    sheet.append(this.layer);
    this.cover = document.getElementById("cover") as HTMLElement;
    const styles = new CSSStyleSheet();
    styles.replaceSync(OVERLAY_STYLES);
    document.adoptedStyleSheets = [styles];
    const boxOf = (node: number) => this.boxOf(node);
    this.overlay = new Overlay({ layer: this.layer, boxOf });
    this.badges = new Badges(this.layer, boxOf);
    this.hand = new Hand({
      layer: this.layer,
      overlay: this.overlay,
      replay: () => this.replay,
      document: () => this.inner.document,
      boxOf,
      scale: () => this.scale,
      say,
    });
    this.replay = this.newReplay();
    new ResizeObserver(() => this.layOut()).observe(root);
    this.layOut();
  }

  apply(bytes: ArrayBuffer): void {
    if (this.waiting !== null) {
      this.waiting.push(bytes);
      return;
    }
    try {
      this.replay.apply(new Uint8Array(bytes));
    } catch (error) {
      if (error instanceof OtherMode) this.reload(error.quirks, bytes);
      else this.say({ kind: "need" });
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

  welcome(base: string, who: number): void {
    this.base = base;
    this.replay.pictures.base = base;
    this.hand.me = who;
  }

  setTool(tool: Tool): void {
    this.hand.use(tool);
  }

  setZoom(zoom: Zoom): void {
    this.zoom = zoom;
    this.layOut();
  }

  setFollow(follow: boolean): void {
    this.follows = follow;
    this.replay.follows = follow;
    if (!follow) return;
    this.replay.scrollBack();
    this.showLens();
  }

  setState(state: string): void {
    if (state === this.state) return;
    this.state = state;
    this.showCover();
  }

  // --- what the page says (Audience) -------------------------------------------------------------

  pointer(x: number, y: number, kind: number): void {
    clearTimeout(this.lifting);
    this.overlay.pointAt(WHO_VISITOR, "Customer", x, y);
    if (kind === 1 || kind === 3) this.overlay.rippleAt(WHO_VISITOR, x, y);
    if (this.touch && kind !== 0) this.lifting = setTimeout(() => this.overlay.leave(WHO_VISITOR), LIFTED_MS);
  }

  view(view: View): void {
    this.size = view;
    this.layOut();
    this.tellView();
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

  begun(touch: boolean, anew: boolean): void {
    this.touch = touch;
    if (anew && this.overlay.forget()) this.say({ kind: "mark", node: 0 });
    this.layer.classList.toggle("touched", touch);
    this.badges.clear();
  }

  media(node: number, playing: Playing): void {
    this.badges.set(node, playing);
  }

  // --- the inner page ------------------------------------------------------------------------------

  private get inner(): Window & typeof globalThis {
    return this.frame.contentWindow as Window & typeof globalThis;
  }

  private newReplay(): Replay {
    const replay = new Replay(this.inner, this);
    replay.pictures.base = this.base;
    replay.follows = this.follows;
    this.inner.document.addEventListener("scroll", () => this.badges.soon(), {
      capture: true,
      passive: true,
    });
    return replay;
  }

  /** Only a document without a doctype is in quirks mode, so it must be another one. */
  private reload(quirks: boolean, bytes: ArrayBuffer): void {
    this.waiting = [bytes];
    this.frame.addEventListener("load", () => this.reloaded(quirks), { once: true });
    this.frame.src = PAGES[quirks ? "quirks" : "standard"];
  }

  private reloaded(quirks: boolean): void {
    const waiting = this.waiting ?? [];
    this.waiting = null;
    this.replay = this.newReplay();
    // A browser that shows neither page: rather in the wrong mode than never.
    this.replay.anyMode = quirks !== (this.inner.document.compatMode === "BackCompat");
    for (const bytes of waiting) this.apply(bytes);
  }

  // --- layout -------------------------------------------------------------------------------------

  private get scale(): number {
    if (this.zoom === "actual") return 1;
    const wide = this.root.clientWidth / Math.max(1, this.size.width);
    const high = this.root.clientHeight / Math.max(1, this.size.height);
    return Math.min(1, this.zoom === "width" ? wide : Math.min(wide, high));
  }

  private layOut(): void {
    const { width, height } = this.size;
    const { scale } = this;
    for (const { style } of [this.frame, this.sheet]) {
      style.width = `${width}px`;
      style.height = `${height}px`;
    }
    const free = Math.max(0, (this.root.clientWidth - width * scale) / 2);
    this.sheet.style.transform = `translate(${free}px, 0) scale(${scale})`;
    this.showLens();
    this.badges.soon();
  }

  /** What of its page the visitor's screen shows, when it is less than the window. */
  private showLens(): void {
    const { width, height, scale, offsetX, offsetY } = this.size;
    this.lens.hidden = scale < 1.02;
    if (this.lens.hidden) return;
    const { style } = this.lens;
    style.left = `${offsetX}px`;
    style.top = `${offsetY}px`;
    style.width = `${width / scale}px`;
    style.height = `${height / scale}px`;
    this.lens.dataset.zoom = `${Math.round(scale * 100)} %`;
    const near = { block: "nearest", inline: "nearest" } as const;
    if (this.follows) requestAnimationFrame(() => this.lens.scrollIntoView(near));
  }

  private tellView(): void {
    const { width, height, scale } = this.size;
    this.say({ kind: "view", width, height, scale, touch: this.touch });
  }

  private showCover(): void {
    const held = this.holds > 0 ? this.holds : this.state === "held" ? HOLD_PAUSED : 0;
    const text = held > 0 ? (HELD[held] ?? "") : (UNSEEN[this.state] ?? "");
    this.cover.textContent = text;
    if (text === "") delete this.cover.dataset.shown;
    else this.cover.dataset.shown = held > 0 ? "held" : "stale";
  }

  private boxOf(id: number): DOMRect | null {
    return boxIn(this.replay.tree.get(id)?.node, this.inner.document);
  }
}
