/**
 * Pointers, ripples, marks and ink above a page: the same on both sides. Places are a node and fractions of its box,
 * so they hold whatever the width, the zoom or the fonts; a mark follows its node while it is shown.
 */
import type { Pointing } from "./pointing.ts";

export interface OverlayOptions {
  /** Takes the drawings; as large as what it lies above. */
  layer: HTMLElement;
  /** Where the node is now, in the layer's own pixels; null when it is gone. */
  boxOf: (node: number) => DOMRect | null;
}

/** How it looks, for a constructed sheet of the document or shadow root that the layer is in. */
export const OVERLAY_STYLES = `
.pointer { position: absolute; width: 0; height: 0; pointer-events: none; transition: transform 60ms linear; }
.pointer svg { position: absolute; width: 22px; height: 22px; }
.pointer b { position: absolute; top: 18px; left: 14px; padding: 1px 7px; border-radius: 9px; color: #fff;
  font: 600 12px/1.4 system-ui, sans-serif; white-space: nowrap; }
.ripple { position: absolute; width: 40px; height: 40px; margin: -20px; box-sizing: border-box; border: 3px solid;
  border-radius: 50%; pointer-events: none; animation: ripple .6s ease-out forwards; }
@keyframes ripple { from { transform: scale(.2); opacity: 1 } to { transform: scale(1.2); opacity: 0 } }
.touched .pointer[data-who="0"] svg { display: none; }
.touched .ripple[data-who="0"] { background: #dc262655; }
.mark { position: absolute; box-sizing: border-box; border: 3px solid; border-radius: 6px; pointer-events: none; }
.ink .fading { opacity: 0; transition: opacity 1s; }
.ink { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
@media (prefers-reduced-motion: reduce) { .ripple { animation-duration: 1ms } }
`;

const FADE_MS = 5_000;
/** A stroke that nobody goes on with, nor ends, fades too. */
const HELD_MS = 10_000;
/** Of one person, and points of one stroke: the oldest give way. */
const MOST_STROKES = 32;
const MOST_POINTS = 1_000;
const CLICKED = 1;
const LEFT = 2;
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#7c3aed", "#0e7490", "#b45309", "#be185d", "#15803d"];

interface Mark {
  box: HTMLElement;
  node: number;
}

interface Stroke {
  line: SVGPolylineElement;
  node: number;
  points: number[];
  who: number;
  fading: ReturnType<typeof setTimeout> | undefined;
}

export class Overlay {
  private readonly pointers = new Map<number, HTMLElement>();
  private readonly marks = new Map<number, Mark>();
  private readonly strokes = new Map<string, Stroke>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private ink: SVGSVGElement | null = null;
  private frame = 0;

  constructor(private readonly options: OverlayOptions) {}

  stop(): void {
    cancelAnimationFrame(this.frame);
    for (const timer of this.timers) clearTimeout(timer);
    for (const pointer of this.pointers.values()) pointer.remove();
    this.forget();
    this.ink?.remove();
    this.pointers.clear();
  }

  /** What is marked and drawn is gone: nodes have other numbers now. Returns whether anything was marked. */
  forget(): boolean {
    const marked = this.marks.size > 0;
    for (const { box } of this.marks.values()) box.remove();
    this.marks.clear();
    for (const key of this.strokes.keys()) this.erase(key);
    return marked;
  }

  /** All of one who looks no more, or may not point any more. */
  gone(who: number): void {
    this.leave(who);
    this.mark(who, 0);
    for (const [key, stroke] of this.strokes) if (stroke.who === who) this.erase(key);
  }

  /** All that anybody but the visitor has here. */
  clear(): void {
    for (const who of this.pointers.keys()) if (who !== 0) this.leave(who);
    this.forget();
  }

  /** What somebody of that name does. */
  show(said: Pointing, name: string): void {
    const { who, node } = said;
    if (said.kind === "mark") this.mark(who, node);
    else if (said.kind === "draw") this.draw(who, said.stroke, node, said.points, said.last);
    else if (said.what === LEFT) this.leave(who);
    else {
      this.point(who, name, node, said.x, said.y);
      if (said.what === CLICKED) this.ripple(who, node, said.x, said.y);
    }
  }

  /** x, y: fractions of the node's box. */
  point(who: number, name: string, node: number, x: number, y: number): void {
    const box = this.options.boxOf(node);
    if (box === null) return;
    this.pointAt(who, name, box.x + x * box.width, box.y + y * box.height);
  }

  pointAt(who: number, name: string, x: number, y: number): void {
    let pointer = this.pointers.get(who);
    if (pointer === undefined) {
      pointer = this.newPointer(who, name);
      this.pointers.set(who, pointer);
    }
    pointer.style.transform = `translate(${x}px, ${y}px)`;
  }

  leave(who: number): void {
    this.pointers.get(who)?.remove();
    this.pointers.delete(who);
  }

  ripple(who: number, node: number, x: number, y: number): void {
    const box = this.options.boxOf(node);
    if (box !== null) this.rippleAt(who, box.x + x * box.width, box.y + y * box.height);
  }

  rippleAt(who: number, x: number, y: number): void {
    const ring = this.make("div", "ripple");
    ring.dataset.who = String(who);
    ring.style.left = `${x}px`;
    ring.style.top = `${y}px`;
    ring.style.borderColor = colourOf(who);
    this.later(700, () => ring.remove());
  }

  /** Mark an element, 0: no longer. */
  mark(who: number, node: number): void {
    this.marks.get(who)?.box.remove();
    this.marks.delete(who);
    if (node === 0 || this.options.boxOf(node) === null) return;
    const box = this.make("div", "mark");
    box.style.borderColor = colourOf(who);
    this.marks.set(who, { box, node });
    this.follow();
  }

  /** A part of a stroke; it fades some seconds after its last. */
  draw(who: number, stroke: number, node: number, points: readonly number[], last: boolean): void {
    const key = `${who}/${stroke}`;
    const known = this.strokes.get(key) ?? (points.length > 0 ? this.begin(key, who, node) : undefined);
    if (known === undefined) return;
    known.points.push(...points.slice(-2 * MOST_POINTS));
    known.points.splice(0, known.points.length - 2 * MOST_POINTS);
    known.line.classList.remove("fading");
    this.place(known);
    this.follow();
    clearTimeout(known.fading);
    known.fading = setTimeout(
      () => {
        known.line.classList.add("fading");
        known.fading = setTimeout(() => this.erase(key), 1_000);
      },
      (last ? FADE_MS : HELD_MS) - 1_000,
    );
  }

  private begin(key: string, who: number, node: number): Stroke {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("fill", "none");
    line.setAttribute("stroke", colourOf(who));
    line.setAttribute("stroke-width", "4");
    line.setAttribute("stroke-linecap", "round");
    line.setAttribute("stroke-linejoin", "round");
    this.paper().append(line);
    const theirs = [...this.strokes].filter(([, stroke]) => stroke.who === who);
    if (theirs.length >= MOST_STROKES) this.erase(theirs[0]?.[0] ?? "");
    const known = { line, node, points: [], who, fading: undefined };
    this.strokes.set(key, known);
    return known;
  }

  private erase(key: string): void {
    const stroke = this.strokes.get(key);
    clearTimeout(stroke?.fading);
    stroke?.line.remove();
    this.strokes.delete(key);
  }

  private newPointer(who: number, name: string): HTMLElement {
    const pointer = this.make("div", "pointer");
    pointer.dataset.who = String(who);
    const arrow = document.createElementNS(SVG, "svg");
    arrow.setAttribute("viewBox", "0 0 22 22");
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", "M2 2l7 17 2.5-7 7-2.5z");
    shape.setAttribute("fill", colourOf(who));
    shape.setAttribute("stroke", "#fff");
    arrow.append(shape);
    pointer.append(arrow);
    if (name !== "") {
      const label = document.createElement("b");
      label.textContent = name;
      label.style.background = colourOf(who);
      pointer.append(label);
    }
    return pointer;
  }

  private make(tag: string, className: string): HTMLElement {
    const element = document.createElement(tag);
    element.className = className;
    this.options.layer.append(element);
    return element;
  }

  private paper(): SVGSVGElement {
    if (this.ink === null) {
      this.ink = document.createElementNS(SVG, "svg");
      this.ink.setAttribute("class", "ink");
      this.options.layer.append(this.ink);
    }
    return this.ink;
  }

  /** Keep marks and ink at their nodes, only while there are any. */
  private follow(): void {
    cancelAnimationFrame(this.frame);
    for (const [who, mark] of this.marks) {
      const box = this.options.boxOf(mark.node);
      if (box === null) {
        mark.box.remove();
        this.marks.delete(who);
        continue;
      }
      const { style } = mark.box;
      style.left = `${box.x - 4}px`;
      style.top = `${box.y - 4}px`;
      style.width = `${box.width + 8}px`;
      style.height = `${box.height + 8}px`;
    }
    for (const [key, stroke] of this.strokes) if (!this.place(stroke)) this.erase(key);
    if (this.marks.size + this.strokes.size > 0) this.frame = requestAnimationFrame(() => this.follow());
  }

  /** Whether its node is still there. */
  private place({ line, node, points }: Stroke): boolean {
    const box = this.options.boxOf(node);
    if (box === null) return false;
    const places: string[] = [];
    for (let at = 0; at + 1 < points.length; at += 2)
      places.push(
        `${box.x + (points[at] as number) * box.width},${box.y + (points[at + 1] as number) * box.height}`,
      );
    line.setAttribute("points", places.join(" "));
    return true;
  }

  private later(ms: number, fn: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      fn();
    }, ms);
    this.timers.add(timer);
  }
}

export function colourOf(who: number): string {
  return who === 0 ? "#dc2626" : (COLOURS[Math.abs(who - 1) % COLOURS.length] as string);
}
