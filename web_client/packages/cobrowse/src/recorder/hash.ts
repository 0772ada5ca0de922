/** What viewers should have, as one number: CRC-32 over a line per node. Source: docs/cobrowse_wire.md, "HASH". */
import { MAX_HASHED } from "@talknow/protocol";
import type { Attributes } from "./attributes.ts";
import type { Tree } from "./tree.ts";

const POLYNOMIAL = 0xedb88320;
const ELEMENT = 1;
const TEXT = 3;
const DOCUMENT = 9;
const FRAGMENT = 11;

export class Hasher {
  private readonly table = new Uint32Array(256);
  private readonly utf8 = new TextEncoder();

  constructor(
    private readonly tree: Tree,
    private readonly attributes: Attributes,
  ) {
    for (let index = 0; index < 256; index += 1) {
      let value = index;
      for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
      this.table[index] = value;
    }
  }

  /** The nodes from `lo` on, as many as there is time for: [hi, crc]. */
  part(lo: number, deadline: number): readonly [hi: number, crc: number] {
    const { nodes } = this.tree;
    const lines: string[] = [];
    let id = lo;
    for (; id < nodes.length; id += 1) {
      if (lines.length === MAX_HASHED || (id % 64 === 0 && performance.now() > deadline)) break;
      const node = nodes[id];
      if (node !== undefined) lines.push(this.line(node, id));
    }
    return [id, this.crc(lines.join("\n"))];
  }

  private line(node: Node, id: number): string {
    const { tree } = this;
    const place = `${id},${placeOf(tree, node, id).join()}`;
    if (node.nodeType === TEXT)
      return `${place},2,${tree.sent.get(id)?.get("") ?? wellFormed((node as Text).data)}`;
    if (node.nodeType !== ELEMENT) return `${place},3`;
    return `${place},1,${tree.tag(node as Element)}${this.attributesOf(node as Element, id)}`;
  }

  private attributesOf(element: Element, id: number): string {
    const { tree, attributes } = this;
    const altered = tree.sent.get(id);
    const parts: string[] = [];
    for (const name of element.getAttributeNames()) {
      const value = element.getAttribute(name) ?? "";
      // As it was sent: what is hidden since then comes with the next change.
      const sent = altered?.get(name);
      if (sent !== undefined || attributes.value(element, name, value, tree.stand(id)) !== null)
        parts.push(`${name}=${wellFormed(sent ?? value)}`);
    }
    // What stands in no page: the size of a blocked box.
    for (const [name, sent] of altered ?? []) if (!element.hasAttribute(name)) parts.push(`${name}=${sent}`);
    return parts.length === 0 ? "" : `,${parts.sort(byName).join(",")}`;
  }

  private crc(text: string): number {
    const { table } = this;
    let crc = 0xffffffff;
    for (const byte of this.utf8.encode(text)) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 255] as number);
    return (crc ^ 0xffffffff) >>> 0;
  }
}

/** Lone surrogates travel as U+FFFD. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** By the name before the first `=`, in UTF-16 order. */
function byName(a: string, b: string): number {
  const left = a.slice(0, a.indexOf("="));
  const right = b.slice(0, b.indexOf("="));
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The ids of the parent and of the sibling before, as viewers know them; 0 for none. */
function placeOf(tree: Tree, node: Node, id: number): readonly [parent: number, before: number] {
  // A root hangs where it was written, also when its frame has another document by now.
  const isRoot = node.nodeType === DOCUMENT || node.nodeType === FRAGMENT;
  const parent = isRoot ? tree.nodes[id - 1] : node.parentNode;
  const home = (parent && tree.id(parent)) || 0;
  if (isRoot) return [home, 0];
  let before = node.previousSibling;
  while (before !== null && !tree.has(before)) before = before.previousSibling;
  return [home, (before && tree.id(before)) || 0];
}
