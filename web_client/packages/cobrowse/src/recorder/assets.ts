/**
 * Pictures and fonts: viewers never fetch the page's addresses, so the visitor's own browser sends what they mean.
 *
 * An address becomes a number at once; its bytes are read from the browser's cache when there is time, named by
 * their SHA-256 and sent only if the server lacks them. Source: docs/cobrowse_wire.md; docs/cobrowse.md, "pictures".
 */
import { MAX_ASSET_BYTES, MAX_ASSETS, SIDE_HAVE, SIDE_WANT } from "@talknow/protocol";
import type { Policy } from "./policy.ts";

const URL_IN_CSS = /url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)/g;
const TYPES =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|svg\+xml|x-icon|vnd\.microsoft\.icon|bmp)|font\/|application\/(?:font|x-font|vnd\.ms-fontobject))/;
const AT_ONCE = 4;

interface Asset {
  number: number;
  address: string;
  hash: string;
  type: string;
}

export interface AssetsOptions {
  policy: Policy;
  /** Where bytes are PUT: `${base}/SHA256`. */
  base: string;
  token: () => string;
  send: (code: number, ...values: unknown[]) => void;
  on: (code: number, fn: (values: unknown[]) => void) => void;
  /** The bytes of `asset:number` are with the server. */
  ready: (number: number, hash: string, type: string) => void;
  missing: () => void;
}

export class Assets {
  /** What viewers can have by now. */
  readonly known: Asset[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly waiting: Asset[] = [];
  private readonly asked = new Map<string, { asset: Asset; bytes: ArrayBuffer }[]>();
  /** What each HAVE named that has no answer yet, oldest first: answers come in order. */
  private questions: string[][] = [];
  private active = 0;
  private stopped = false;

  constructor(private readonly options: AssetsOptions) {
    options.on(SIDE_WANT, (values) => this.answered(new Set(values[0] as string[])));
  }

  stop(): void {
    this.stopped = true;
    this.waiting.length = 0;
    this.asked.clear();
    this.questions = [];
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
    while (this.active < AT_ONCE && !this.stopped) {
      const asset = this.waiting.shift();
      if (asset === undefined) return;
      this.active += 1;
      void this.read(asset).finally(() => {
        this.active -= 1;
        this.more();
      });
    }
  }

  private async read(asset: Asset): Promise<void> {
    try {
      const blob = await bytesOf(asset.address);
      const type = blob.type.split(";")[0] ?? "";
      if (blob.size > MAX_ASSET_BYTES || !TYPES.test(type)) throw new Error("not a picture");
      const bytes = await blob.arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      asset.hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      asset.type = type;
      const same = this.asked.get(asset.hash);
      if (same !== undefined) {
        same.push({ asset, bytes });
        return;
      }
      this.asked.set(asset.hash, [{ asset, bytes }]);
      this.ask([asset.hash]);
    } catch {
      this.options.missing();
    }
  }

  /** The socket was lost: ask again for what was not answered. */
  askAgain(): void {
    this.questions = [];
    if (this.asked.size > 0) this.ask([...this.asked.keys()]);
  }

  private ask(hashes: string[]): void {
    this.questions.push(hashes);
    this.options.send(SIDE_HAVE, hashes);
  }

  /** WANT answers the oldest HAVE: what is not wanted is there already. */
  private answered(wanted: ReadonlySet<string>): void {
    for (const hash of this.questions.shift() ?? []) {
      const list = this.asked.get(hash);
      this.asked.delete(hash);
      if (list === undefined) continue;
      if (wanted.has(hash)) void this.upload(hash, list);
      else this.settled(list);
    }
  }

  private async upload(hash: string, list: { asset: Asset; bytes: ArrayBuffer }[]): Promise<void> {
    const [first] = list;
    if (first === undefined || this.stopped) return;
    try {
      const response = await fetch(`${this.options.base}/${hash}`, {
        method: "PUT",
        headers: { Authorization: `Bearer ${this.options.token()}`, "Content-Type": first.asset.type },
        body: first.bytes,
        credentials: "omit",
      });
      if (!response.ok) throw new Error("refused");
      this.settled(list);
    } catch {
      this.options.missing();
    }
  }

  private settled(list: readonly { asset: Asset }[]): void {
    for (const { asset } of list) {
      this.known.push(asset);
      this.options.ready(asset.number, asset.hash, asset.type);
    }
  }
}

/** From the browser's cache, or by the other ways of drawn.ts where the page's policy forbids that. */
async function bytesOf(address: string): Promise<Blob> {
  const draw = async () => (await import("./drawn.ts")).drawn(address);
  if (address.startsWith("data:")) return draw();
  const foreign = /^http/.test(address) && new URL(address).origin !== location.origin;
  const response = await fetch(address, { credentials: foreign ? "omit" : "same-origin" }).catch(() => null);
  if (response === null) return draw();
  if (!response.ok) throw new Error("refused");
  return response.blob();
}
