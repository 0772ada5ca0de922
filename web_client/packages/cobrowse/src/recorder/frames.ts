/** Frames of the page's own site: where each one is now, and whether the site's rules keep it private. */
import type { Masks } from "./mask.ts";
import { isFrame } from "./tree.ts";

export class Frames {
  /** Whether what is in it is private, as it was when the frame was written. */
  private readonly known = new Map<Element, boolean>();

  constructor(
    private readonly masks: Masks,
    private readonly again: (frame: Element) => void,
  ) {}

  add(element: Element): void {
    if (isFrame(element)) this.known.set(element, this.masks.isPrivateFrame(element));
  }

  drop(node: Node): void {
    this.known.delete(node as Element);
  }

  clear(): void {
    this.known.clear();
  }

  /** One may have come to a page that nobody may see, or left one, without a load. */
  look(): void {
    for (const [frame, isPrivate] of this.known)
      if (this.masks.isPrivateFrame(frame) !== isPrivate) this.again(frame);
  }
}
