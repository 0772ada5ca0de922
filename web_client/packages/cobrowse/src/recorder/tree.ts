/** Which nodes are known to the viewers, by which number, how they stand, and in which frame they last changed. */
import { PLAIN, type Stand } from "./mask.ts";

const UNRECORDED = new Set(["script", "noscript", "base", "meta", "title", "template"]);
/** The server refuses these. */
const NO_TAG = /^(?:applet|frameset|param|portal)$|^[^a-z_]|[^\w.:-]/i;
/** Elements of our own. */
export const OURS = "talk-now";
/** Elements whose children are their own business: a default value, a fallback, rules. */
const CLOSED = new Set(
  "style textarea iframe canvas video audio object embed frame progress meter link img input".split(" "),
);

export const HTML = "http://www.w3.org/1999/xhtml";
export const SVG = "http://www.w3.org/2000/svg";
export const MATHML = "http://www.w3.org/1998/Math/MathML";
export const ELEMENT_NODE = 1;
export const TEXT = 3;
export const DOCUMENT = 9;
export const FRAGMENT = 11;
const STAND = 3;
const TRACKED = 4;
const ROOT = 8;

/** Whether viewers ever learn of the node. */
export function isRecorded(node: Node): boolean {
  if (node.nodeType === TEXT) return true;
  if (node.nodeType !== ELEMENT_NODE) return false;
  const name = (node as Element).localName;
  if (name === "link") return /\bstylesheet\b/i.test((node as Element).getAttribute("rel") ?? "");
  return !UNRECORDED.has(name) && !name.startsWith(OURS);
}

/** The name to send: what is no plain name, or no element of a page's body, is shown as a piece of text. */
export function tagOf(element: Element): string {
  const { localName } = element;
  return NO_TAG.test(localName) ? "span" : localName;
}

export function isFrame(element: Element): boolean {
  return element.localName === "iframe" || element.localName === "frame";
}

/** Where the page in a frame is; "" for what is no frame, or one of another site. */
export function addressIn(element: Element): string {
  if (!isFrame(element)) return "";
  try {
    return (element as HTMLIFrameElement).contentWindow?.location.href ?? "";
  } catch {
    return "";
  }
}

export function hasChildren(element: Element): boolean {
  return !CLOSED.has(element.localName);
}

export class Tree {
  readonly nodes: (Node | undefined)[] = [undefined];
  private readonly ids = new Map<Node, number>();
  /** How each stands, and above that whether somebody keeps something of it (TRACKED) and whether it is a root. */
  private stands = new Uint8Array(4_096);
  private seqs = new Uint32Array(4_096);
  /** What was sent instead of what stands in the page: `id` for a text, `id name` for an attribute. */
  readonly sent = new Map<number, Map<string, string>>();

  get next(): number {
    return this.nodes.length;
  }

  id(node: Node): number | undefined {
    return this.ids.get(node);
  }

  has(node: Node): boolean {
    return this.ids.has(node);
  }

  add(node: Node, stand: Stand, seq: number): number {
    const id = this.nodes.length;
    this.nodes.push(node);
    this.ids.set(node, id);
    if (id >= this.stands.length) this.grow();
    this.stands[id] = stand;
    this.seqs[id] = seq;
    return id;
  }

  /** A shadow root or a frame's document, right after what it lies in. */
  addRoot(root: Document | ShadowRoot, stand: Stand, seq: number): number {
    const id = this.add(root, stand, seq);
    this.stands[id] = stand | ROOT | TRACKED;
    return id;
  }

  /** Somebody keeps something of the node and is to be told when it is dropped. */
  track(id: number): void {
    this.stands[id] = (this.stands[id] as number) | TRACKED;
  }

  /** Of a root; it has the number after that of what it lies in. */
  isRoot(id: number): boolean {
    return this.nodes[id] !== undefined && ((this.stands[id] as number) & ROOT) !== 0;
  }

  isTracked(id: number): boolean {
    return ((this.stands[id] as number) & TRACKED) !== 0;
  }

  /** Another text node stands where a known one did: viewers need not know. */
  rebind(id: number, old: Node, now: Node): void {
    this.ids.delete(old);
    this.ids.set(now, id);
    this.nodes[id] = now;
  }

  stand(id: number): Stand {
    return ((this.stands[id] ?? PLAIN) & STAND) as Stand;
  }

  standOf(node: Node): Stand {
    const id = this.ids.get(node);
    return id === undefined ? PLAIN : this.stand(id);
  }

  changed(id: number, seq: number): void {
    this.seqs[id] = seq;
  }

  seq(id: number): number {
    return this.seqs[id] ?? 0;
  }

  /** What a viewer has instead of the page's own words. name "": the text of a text node. */
  alter(id: number, name: string, sent: string | null, raw: string): void {
    const known = this.sent.get(id);
    if (sent === null || sent === raw) {
      known?.delete(name);
    } else if (known === undefined) {
      this.sent.set(id, new Map([[name, sent]]));
    } else {
      known.set(name, sent);
    }
  }

  remove(node: Node, id: number): void {
    this.ids.delete(node);
    this.nodes[id] = undefined;
    if (this.sent.size > 0) this.sent.delete(id);
  }

  /** The name that viewers have. */
  tag(element: Element): string {
    return tagOf(element);
  }

  clear(): void {
    this.nodes.length = 1;
    this.ids.clear();
    this.sent.clear();
  }

  private grow(): void {
    const stands = new Uint8Array(this.stands.length * 2);
    stands.set(this.stands);
    this.stands = stands;
    const seqs = new Uint32Array(this.seqs.length * 2);
    seqs.set(this.seqs);
    this.seqs = seqs;
  }
}

/** Of a document its element: `document.open` leaves the document, and takes its element and all listeners. */
export function elementOf(root: Document | ShadowRoot): Element | null {
  return "documentElement" in root ? root.documentElement : null;
}

/** The parent as viewers see it: of a shadow root its host, of a frame's document the frame. */
export function parentOf(node: Node): Node | null {
  if (node.nodeType === FRAGMENT) return (node as ShadowRoot).host ?? null;
  if (node.nodeType === DOCUMENT) return (node as Document).defaultView?.frameElement ?? null;
  return node.parentNode;
}
