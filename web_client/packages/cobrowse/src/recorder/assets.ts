/**
 * Addresses of pictures and fonts become numbers: viewers never fetch the page's addresses. What a number means is
 * read and sent by `uploads.ts`, which is loaded when the first one is given.
 * Source: docs/cobrowse_wire.md; docs/cobrowse.md, "pictures".
 */
import { MAX_ASSETS } from "@talknow/protocol";
import type { Policy } from "./policy.ts";
import type { Asset, Uploads } from "./uploads.ts";

const URL_IN_CSS = /url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)/gi;

export interface AssetsOptions {
  policy: Policy;
  /** The cobrowse socket; bytes are PUT at `/assets/SHA256` below it. */
  base: () => string;
  token: () => string;
  send: (code: number, ...values: unknown[]) => void;
  on: (code: number, fn: (values: unknown[]) => void) => () => void;
  /** The bytes of `asset:number` are with the server. */
  ready: (number: number, hash: string, type: string) => void;
  missing: () => void;
}

export class Assets {
  /** What viewers can have by now. */
  readonly known: Asset[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly waiting: Asset[] = [];
  private uploads: Promise<Uploads> | undefined;
  private stopped = false;

  constructor(private readonly options: AssetsOptions) {}

  stop(): void {
    this.stopped = true;
    this.waiting.length = 0;
    void this.uploads?.then((uploads) => uploads.stop());
  }

  /** The socket was lost: ask again for what was not answered. */
  askAgain(): void {
    void this.uploads?.then((uploads) => uploads.askAgain());
  }

  name(raw: string, base: string): string {
    const address = this.allowed(raw, base);
    return address === null ? "" : `asset:${this.number(address)}`;
  }

  inCss(text: string, base: string): string {
    return text.replace(URL_IN_CSS, (whole, a?: string, b?: string, c?: string) => {
      const raw = a ?? b ?? c ?? "";
      if (raw.startsWith("#")) return whole;
      const name = this.name(raw, base);
      return name === "" ? "none" : `url(${name})`;
    });
  }

  private allowed(raw: string, base: string): string | null {
    const { assets } = this.options.policy;
    if (raw === "" || assets === "none" || globalThis.crypto?.subtle === undefined) return null;
    try {
      const url = new URL(raw, base);
      if (url.protocol === "data:" || url.protocol === "blob:") return url.href;
      if (!url.protocol.startsWith("http")) return null;
      url.hash = "";
      return assets === "all" || url.origin === location.origin ? url.href : null;
    } catch {
      return null;
    }
  }

  private number(address: string): number {
    const known = this.numbers.get(address);
    if (known !== undefined) return known;
    const number = this.numbers.size + 1;
    this.numbers.set(address, number);
    if (number <= MAX_ASSETS) {
      this.waiting.push({ number, address, hash: "", type: "" });
      this.more();
    }
    return number;
  }

  private more(): void {
    if (this.stopped) return;
    this.uploads ??= import("./uploads.ts").then(({ Uploads }) => new Uploads(this.options, this.known));
    void this.uploads
      .then((uploads) => {
        for (const asset of this.waiting.splice(0)) uploads.add(asset);
      })
      .catch(this.options.missing);
  }
}
