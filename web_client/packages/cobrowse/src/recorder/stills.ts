/**
 * Canvases and videos as still pictures: what can be seen, at most once in STILL_MS each, and only when it changed.
 *
 * Drawing needs a frame of the page, so pictures are taken inside requestAnimationFrame. A picture that the browser
 * does not let us read is told as a note once. Source: docs/cobrowse.md, "canvas and video".
 */
import { MAX_IMAGE_BYTES, OP_IMG } from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import { native } from "./native.ts";
import type { Tree } from "./tree.ts";

const STILL_MS = 1_000;
const MAX_SIDE = 960;
const TYPE = "image/webp";

export type Source = HTMLCanvasElement | HTMLVideoElement;

export interface StillsOptions {
  changed: () => void;
  /** The browser lets nobody read it. */
  refused: (source: Element) => void;
  /** Viewers know it, and it is not masked. */
  isShown: (source: Element) => boolean;
  /** Whether there is room for pictures now. */
  calm: () => boolean;
}

export class Stills {
  private readonly sources = new Set<Source>();
  private readonly seen = new Set<Source>();
  private readonly taken = new Map<Source, Uint8Array>();
  private readonly last = new Map<Source, string>();
  private readonly refused = new WeakSet<Source>();
  private readonly watcher: IntersectionObserver;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly options: StillsOptions,
  ) {
    this.watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) this.seen.add(entry.target as Source);
        else this.seen.delete(entry.target as Source);
      }
    });
  }

  add(source: Source): void {
    this.sources.add(source);
    this.watcher.observe(source);
    this.timer ??= native("setTimeout")(this.look, 100);
  }

  drop(node: Node): void {
    const source = node as Source;
    if (!this.sources.delete(source)) return;
    this.watcher.unobserve(source);
    for (const kept of [this.seen, this.taken, this.last]) kept.delete(source);
  }

  clear(): void {
    for (const source of [...this.sources]) this.drop(source);
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  stop(): void {
    this.clear();
    this.watcher.disconnect();
  }

  write(): void {
    for (const [source, bytes] of this.taken) {
      const id = this.tree.id(source);
      if (id === undefined) continue;
      this.writer.int(OP_IMG);
      this.writer.ref(id);
      this.writer.text(TYPE);
      this.writer.binary(bytes);
    }
    this.taken.clear();
  }

  private readonly look = (): void => {
    this.timer = undefined;
    if (this.sources.size === 0) return;
    this.timer = native("setTimeout")(this.look, STILL_MS);
    if (document.visibilityState !== "visible" || !this.options.calm()) return;
    native("requestAnimationFrame")(() => {
      for (const source of this.seen) this.take(source);
    });
  };

  private take(source: Source): void {
    if (this.refused.has(source) || !this.options.isShown(source)) return;
    const width = "videoWidth" in source ? source.videoWidth : source.width;
    const height = "videoHeight" in source ? source.videoHeight : source.height;
    if (width === 0 || height === 0) return;
    const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
    const copy = new OffscreenCanvas(Math.ceil(width * scale), Math.ceil(height * scale));
    try {
      copy.getContext("2d")?.drawImage(source, 0, 0, copy.width, copy.height);
    } catch {
      this.refuse(source);
      return;
    }
    copy.convertToBlob({ type: TYPE, quality: 0.6 }).then(
      async (blob) => this.took(source, new Uint8Array(await blob.arrayBuffer())),
      () => this.refuse(source),
    );
  }

  private took(source: Source, bytes: Uint8Array): void {
    const print = `${bytes.length}:${bytes.subarray(0, 512).join()}:${bytes.subarray(-512).join()}`;
    if (!this.sources.has(source) || bytes.length > MAX_IMAGE_BYTES || this.last.get(source) === print)
      return;
    this.last.set(source, print);
    this.taken.set(source, bytes);
    this.options.changed();
  }

  private refuse(source: Source): void {
    this.refused.add(source);
    this.options.refused(source);
  }
}
