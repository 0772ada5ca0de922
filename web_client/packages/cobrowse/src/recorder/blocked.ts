/** Blocked elements are drawn as empty boxes in their size, which the browser tells without a layout of ours. */
import { OP_ATTR } from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import type { Tree } from "./tree.ts";

export class Blocked {
  /** The style of each box, "" until its size is known. */
  private readonly boxes = new Map<Element, string>();
  private readonly sizes: ResizeObserver;

  constructor(
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly changed: () => void,
  ) {
    this.sizes = new ResizeObserver((entries) => this.resized(entries));
  }

  get count(): number {
    return this.boxes.size;
  }

  add(element: Element): void {
    this.boxes.set(element, "");
    this.sizes.observe(element);
  }

  drop(node: Node): void {
    if (this.boxes.delete(node as Element)) this.sizes.unobserve(node as Element);
  }

  clear(): void {
    this.sizes.disconnect();
    this.boxes.clear();
  }

  write(): void {
    for (const [element, style] of this.boxes) {
      const id = this.tree.id(element);
      if (id === undefined || style === "" || this.tree.sent.get(id)?.get("style") === style) continue;
      this.tree.alter(id, "style", style, "");
      this.writer.int(OP_ATTR);
      this.writer.ref(id);
      this.writer.slot("style");
      this.writer.slot(style);
    }
  }

  private resized(entries: readonly ResizeObserverEntry[]): void {
    for (const { borderBoxSize, target } of entries) {
      const box = borderBoxSize[0];
      if (box === undefined || !this.boxes.has(target)) continue;
      this.boxes.set(target, `width:${Math.round(box.inlineSize)}px;height:${Math.round(box.blockSize)}px`);
    }
    this.changed();
  }
}
