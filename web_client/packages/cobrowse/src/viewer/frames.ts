/**
 * Frames of the shown page: real ones without an address, in the sandbox and under the policy of the document around
 * them, so that rules, units and positions mean in them what they mean to the visitor.
 *
 * A frame that is taken out loses its document, like every frame: then the picture must come again.
 */
import { BadFrame } from "../reader.ts";

/** More of them would only be there to hurt. */
const MOST = 64;

export class Frames {
  private readonly inside = new Map<HTMLIFrameElement, Document>();

  clear(): void {
    this.inside.clear();
  }

  get any(): boolean {
    return this.inside.size > 0;
  }

  /** The empty document in a frame that has just been put into the page. Raises: BadFrame. */
  open(frame: HTMLIFrameElement, quirks: boolean): Document {
    const inner = frame.contentDocument;
    if (inner === null || this.inside.size >= MOST) throw new BadFrame("frame");
    if (!quirks) {
      // What a browser begins a frame with is in quirks mode; only its parser makes another.
      inner.open();
      inner.write("<!doctype html>");
      inner.close();
    }
    inner.replaceChildren();
    this.inside.set(frame, inner);
    return inner;
  }

  /** After nodes moved. Raises: BadFrame when a frame is not what it was. */
  check(): void {
    for (const [frame, inner] of this.inside) {
      if (!frame.isConnected) this.inside.delete(frame);
      else if (frame.contentDocument !== inner) throw new BadFrame("frame");
    }
  }
}

/** Put a node somewhere; what is in its frames stays where the browser can do that. */
export function put(home: Node, node: Node, next: Node | null): void {
  const mover = home as Node & { moveBefore?: (node: Node, next: Node | null) => void };
  if (node.isConnected && home.isConnected && node.ownerDocument === (home.ownerDocument ?? home)) {
    try {
      mover.moveBefore?.(node, next);
      if (node.parentNode === home && node.nextSibling === next) return;
    } catch {
      // Not between these two.
    }
  }
  home.insertBefore(node, next);
}
