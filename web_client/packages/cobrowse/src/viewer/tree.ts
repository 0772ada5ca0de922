/** The viewer's nodes by id, how they were recorded, and what was recorded of them that is not in the document. */
export interface Shown {
  node: Node;
  /** Text or attribute values as recorded: splices need them whole. */
  text: string;
  attributes: Map<string, string> | null;
  /** Where children go: a shadow root's or frame's stand-in, else the node. */
  tag: string;
  flags: number;
}

export class ShownTree {
  readonly nodes = new Map<number, Shown>();
  private readonly ids = new WeakMap<Node, number>();
  next = 1;

  clear(): void {
    this.nodes.clear();
    this.next = 1;
  }

  add(id: number, shown: Shown): void {
    this.nodes.set(id, shown);
    this.ids.set(shown.node, id);
    if (id >= this.next) this.next = id + 1;
  }

  get(id: number): Shown | undefined {
    return this.nodes.get(id);
  }

  idOf(node: Node | null): number {
    for (let at: Node | null = node; at !== null; at = around(at)) {
      const id = this.ids.get(at);
      if (id !== undefined && this.nodes.get(id)?.node === at) return id;
    }
    return 0;
  }

  /**
   * Forget a node and all that is in it, while it is still in its place: a frame that is taken out is empty. `each` is
   * told of every one.
   */
  drop(id: number, each: (node: Node) => void): void {
    const top = this.nodes.get(id);
    if (top === undefined) return;
    const open: Node[] = [top.node];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const known = this.ids.get(node);
      if (known !== undefined) this.nodes.delete(known);
      each(node);
      const inner = (node as Element).shadowRoot ?? (node as HTMLIFrameElement).contentDocument;
      if (inner) open.push(inner);
      for (let child = node.lastChild; child !== null; child = child.previousSibling) open.push(child);
    }
  }
}

/** What a node lies in; a shadow root in its host, a frame's document in the frame. */
function around(node: Node): Node | null {
  return node.parentNode ?? (node as ShadowRoot).host ?? (node as Document).defaultView?.frameElement ?? null;
}
