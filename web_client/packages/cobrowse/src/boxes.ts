/** Where a node is drawn, in the pixels of the top document, through frames of the same origin; on both sides. */
export function boxIn(node: Node | undefined, top: Document): DOMRect | null {
  if (node === undefined || !node.isConnected) return null;
  if (node.nodeType === 9) return documentBox(node as Document, top);
  const element = node.nodeType === 1 ? (node as Element) : (node.parentElement ?? (node as ShadowRoot).host);
  if (!element) return null;
  const box = element.getBoundingClientRect();
  if (element.ownerDocument === top) return box;
  const around = documentBox(element.ownerDocument, top);
  return around === null ? null : new DOMRect(box.x + around.x, box.y + around.y, box.width, box.height);
}

/** The part of the top document in which another one is seen. */
function documentBox(inner: Document, top: Document): DOMRect | null {
  const view = inner.defaultView;
  if (view === null) return null;
  if (inner === top) return new DOMRect(0, 0, view.innerWidth, view.innerHeight);
  const frame = view.frameElement;
  const box = frame === null ? null : boxIn(frame, top);
  if (frame === null || box === null) return null;
  return new DOMRect(
    box.x + frame.clientLeft,
    box.y + frame.clientTop,
    frame.clientWidth,
    frame.clientHeight,
  );
}

/** What lies at a place of the top document, also in open shadow roots and in frames of the same origin. */
export function nodeAt(top: Document, x: number, y: number): Element | null {
  let root: Document | ShadowRoot = top;
  let found: Element | null = null;
  for (let [left, top] = [x, y]; ; ) {
    const hit: Element | null = root.elementFromPoint(left, top);
    if (hit === null || hit === found) return found;
    found = hit;
    const inner: Document | null =
      hit.localName === "iframe" ? (hit as HTMLIFrameElement).contentDocument : null;
    if (inner !== null) {
      const box = hit.getBoundingClientRect();
      left -= box.x + hit.clientLeft;
      top -= box.y + hit.clientTop;
    }
    const next: Document | ShadowRoot | null = inner ?? hit.shadowRoot;
    if (next === null) return found;
    root = next;
  }
}
