/**
 * Canvases and videos as pictures: a video's is its poster, so that it keeps its size and fit; a canvas, which a frame
 * without scripts draws as text, shows it as its content and has the size its attributes say until it comes.
 */
/** The recorder makes no larger ones. Source: recorder/stills.ts. */
const MAX_SIDE = 960;
const KEEP_MS = 1_000;

export class Stills {
  private readonly addresses = new Map<Element, string>();

  clear(): void {
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
    this.addresses.clear();
  }

  show(element: HTMLElement, type: string, bytes: Uint8Array): void {
    if (!/^image\/(?:webp|png|jpeg)$/.test(type)) return;
    const before = this.addresses.get(element);
    const address = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
    this.addresses.set(element, address);
    if (element.localName === "video") element.setAttribute("poster", address);
    else this.draw(element);
    if (before !== undefined) setTimeout(() => URL.revokeObjectURL(before), KEEP_MS);
  }

  /** A canvas of which there is no picture yet. */
  blank(element: HTMLElement): void {
    this.draw(element);
  }

  /** An attribute of a canvas changed. */
  fit(element: HTMLElement, name: string): void {
    if (name === "style" || name === "width" || name === "height") this.draw(element);
  }

  private draw(element: HTMLElement): void {
    if (element.localName !== "canvas") return;
    const [width, height] = [lengthOf(element, "width", 300), lengthOf(element, "height", 150)];
    const address = this.addresses.get(element);
    const scale = Math.min(1, MAX_SIDE / Math.max(1, width, height));
    const svg = `<svg xmlns='http://www.w3.org/2000/svg' width='${width}' height='${height}'/>`;
    const content =
      address === undefined
        ? `url("data:image/svg+xml,${encodeURIComponent(svg)}")`
        : `image-set(url("${address}") ${scale}x)`;
    element.style.setProperty("content", content);
  }
}

function lengthOf(element: Element, name: string, otherwise: number): number {
  const value = Number.parseInt(element.getAttribute(name) ?? "", 10);
  return Number.isNaN(value) || value < 0 ? otherwise : value;
}
