/**
 * The agent's hand: what mouse, finger and keyboard do on the layer above the shown page, by the tool that is chosen.
 * It says what was meant (node and fractions of its box) and touches nothing of the page itself.
 */
import { nodeAt } from "../boxes.ts";
import type { Overlay } from "../overlay.ts";
import { Editor } from "./editor.ts";
import type { Act, FromViewer, Tool } from "./messages.ts";
import type { Replay } from "./replay.ts";

const POINT_MS = 40;
const SCROLL_MS = 80;
/** Of the arrow keys; with Shift. */
const STEP = 12;
const STRIDE = 60;
const ARROWS: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const YOU = -1;

interface Place {
  node: number;
  x: number;
  y: number;
}

export interface Board {
  layer: HTMLElement;
  overlay: Overlay;
  replay(): Replay;
  document(): Document;
  boxOf(node: number): DOMRect | null;
  /** Screen pixels for one of the page's. */
  scale(): number;
  say(message: FromViewer): void;
}

export class Hand {
  /** As others know this agent: so that the colours are the same on all sides. */
  me = 1;
  private tool: Tool = "look";
  private stroke = 0;
  private drawing: { node: number } | null = null;
  private pointed = 0;
  private rolled = { x: 0, y: 0, at: 0 };
  private cursor: readonly [x: number, y: number] | null = null;
  private readonly editor: Editor;

  constructor(private readonly board: Board) {
    const { layer } = board;
    this.editor = new Editor(layer, board.boxOf);
    layer.addEventListener("pointermove", (event) => this.moved(event));
    layer.addEventListener("pointerdown", (event) => this.pressed(event));
    layer.addEventListener("pointerup", () => this.lifted());
    layer.addEventListener("pointercancel", () => this.lifted());
    layer.addEventListener("pointerleave", () => {
      this.lifted();
      if (this.tool === "point") this.away();
    });
    layer.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    layer.addEventListener("keydown", (event) => this.key(event));
    layer.addEventListener("blur", () => this.hideCursor());
  }

  use(tool: Tool): void {
    if (tool !== "draw") this.lifted();
    if (tool !== "point" && this.tool === "point") this.away();
    this.tool = tool;
    this.board.layer.dataset.tool = tool;
    this.editor.close();
    if (tool === "look") this.hideCursor();
    if (tool !== "highlight") {
      this.board.say({ kind: "mark", node: 0 });
      this.board.overlay.mark(this.me, 0);
    }
  }

  // --- where ---------------------------------------------------------------------------------------

  private placeOf(event: MouseEvent): readonly [x: number, y: number] {
    const box = this.board.layer.getBoundingClientRect();
    const scale = this.board.scale();
    return [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale];
  }

  /** The node there, and where in its box. */
  private at([left, top]: readonly [x: number, y: number]): Place {
    const { board } = this;
    const hit = nodeAt(board.document(), left, top);
    const node = board.replay().tree.idOf(hit) || 1;
    const place = board.boxOf(node) ?? new DOMRect();
    const part = (value: number, from: number, size: number) => (size === 0 ? 0 : (value - from) / size);
    return { node, x: part(left, place.x, place.width), y: part(top, place.y, place.height) };
  }

  // --- mouse and finger ------------------------------------------------------------------------------

  private moved(event: PointerEvent): void {
    if (this.tool === "look" || this.tool === "control") return;
    if (event.timeStamp - this.pointed < POINT_MS) return;
    this.pointed = event.timeStamp;
    if (this.tool === "point") this.point(this.placeOf(event), 0);
    if (this.drawing !== null) this.ink(this.placeOf(event));
  }

  private pressed(event: PointerEvent): void {
    if (this.editor.holds(event.target)) return;
    if (this.tool === "control") event.preventDefault();
    if (this.tool === "draw") this.board.layer.setPointerCapture(event.pointerId);
    this.press(this.placeOf(event));
  }

  private press(where: readonly [x: number, y: number]): void {
    const { overlay, say } = this.board;
    const place = this.at(where);
    switch (this.tool) {
      case "point":
        this.point(where, 1);
        overlay.ripple(this.me, place.node, place.x, place.y);
        break;
      case "highlight":
        say({ kind: "mark", node: place.node });
        overlay.mark(this.me, place.node);
        break;
      case "draw":
        this.stroke += 1;
        this.drawing = { node: place.node };
        this.ink(where);
        break;
      case "control":
        this.touch(place);
        break;
      default:
    }
  }

  /** Nobody else sees this agent's pointer any more. */
  private away(): void {
    this.board.say({ kind: "point", node: 1, x: 0, y: 0, what: 2 });
  }

  private point(where: readonly [x: number, y: number], what: number): void {
    this.board.say({ kind: "point", ...this.at(where), what });
  }

  /** Into a field the agent writes here first; the visitor's browser gets the whole of it at once. */
  private touch({ node, x, y }: Place): void {
    const field = this.board.replay().tree.get(node)?.node ?? null;
    this.board.overlay.ripple(this.me, node, x, y);
    const done = (text: string) => this.act("type", node, [text]);
    if (!this.editor.open(field, node, done)) this.act("click", node, [x, y]);
  }

  private act(kind: Act["kind"], node: number, values: Act["values"]): void {
    this.board.say({ kind: "act", act: { kind, node, seen: this.board.replay().seq, values } });
  }

  private ink([left, top]: readonly [x: number, y: number]): void {
    const box = this.drawing === null ? null : this.board.boxOf(this.drawing.node);
    if (box === null) return;
    this.send([(left - box.x) / Math.max(1, box.width), (top - box.y) / Math.max(1, box.height)], false);
  }

  private send(points: number[], last: boolean): void {
    if (this.drawing === null) return;
    const { node } = this.drawing;
    this.board.overlay.draw(this.me, this.stroke, node, points, last);
    this.board.say({ kind: "draw", stroke: this.stroke, node, points, last });
  }

  private lifted(): void {
    this.send([], true);
    this.drawing = null;
  }

  // --- wheel and keyboard -----------------------------------------------------------------------------

  private wheeled(event: WheelEvent): void {
    event.preventDefault();
    const { node } = this.at(this.placeOf(event));
    if (this.tool !== "control") this.look(node, event.deltaX, event.deltaY);
    else this.roll(event, node);
  }

  /** Look around here, without the visitor. */
  private look(node: number, x: number, y: number): void {
    const replay = this.board.replay();
    if (replay.follows) {
      replay.follows = false;
      this.board.say({ kind: "follow", follow: false });
    }
    scrollNear(replay.tree.get(node)?.node ?? null, x, y, this.board.document());
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

  private key(event: KeyboardEvent): void {
    if (event.target !== this.board.layer) return;
    const arrow = ARROWS[event.key];
    if (event.key === "Escape") this.board.say({ kind: "tool", tool: "look" });
    else if (arrow !== undefined) this.step(arrow, event.shiftKey ? STRIDE : STEP);
    else if (event.key === "PageDown" || event.key === "PageUp")
      this.scroll(0, (event.key === "PageDown" ? 0.8 : -0.8) * this.board.layer.clientHeight);
    else if (event.key === "Enter" || event.key === " ") {
      if (this.cursor !== null && this.tool !== "draw") this.press(this.cursor);
    } else return;
    event.preventDefault();
  }

  private scroll(x: number, y: number): void {
    const { node } = this.at(this.cursor ?? this.middle());
    if (this.tool === "control") this.act("scroll", node, [x, y]);
    else this.look(node, x, y);
  }

  private middle(): readonly [x: number, y: number] {
    const { clientWidth, clientHeight } = this.board.layer;
    return [clientWidth / 2, clientHeight / 2];
  }

  private step([x, y]: readonly [x: number, y: number], size: number): void {
    if (this.tool === "look") {
      this.look(this.at(this.middle()).node, x * size * 4, y * size * 4);
      return;
    }
    const { clientWidth, clientHeight } = this.board.layer;
    const [left, top] = this.cursor ?? this.middle();
    const within = (value: number, most: number) => Math.min(Math.max(0, value), Math.max(0, most - 1));
    this.cursor = [within(left + x * size, clientWidth), within(top + y * size, clientHeight)];
    this.board.overlay.pointAt(YOU, "You", ...this.cursor);
    if (this.tool === "point") this.point(this.cursor, 0);
  }

  private hideCursor(): void {
    if (this.cursor === null) return;
    this.cursor = null;
    this.board.overlay.leave(YOU);
    if (this.tool === "point") this.away();
  }
}

/** Scroll the nearest thing that scrolls, here only. */
function scrollNear(node: Node | null, x: number, y: number, top: Document): void {
  for (let at = node; at !== null; at = outOf(at)) {
    if (at.nodeType === 9) {
      const view = (at as Document).defaultView;
      const before = (view?.scrollX ?? 0) + (view?.scrollY ?? 0);
      view?.scrollBy(x, y);
      if ((view?.scrollX ?? 0) + (view?.scrollY ?? 0) !== before) return;
    }
    if (at.nodeType !== 1) continue;
    const element = at as Element;
    const before = element.scrollTop + element.scrollLeft;
    element.scrollBy(x, y);
    if (element.scrollTop + element.scrollLeft !== before) return;
  }
  top.defaultView?.scrollBy(x, y);
}

function outOf(node: Node): Node | null {
  return node.parentNode ?? (node as ShadowRoot).host ?? (node as Document).defaultView?.frameElement ?? null;
}
