/**
 * What pictures and fonts consist of: the visitor's own browser sends it, for viewers never fetch the page's addresses.
 *
 * Bytes are read from the browser's cache when there is time, named by their SHA-256 and sent only if the server lacks
 * them. Loaded when the first picture comes. Source: docs/cobrowse_wire.md; docs/cobrowse.md, "pictures".
 */
import { MAX_ASSET_BYTES, SIDE_HAVE, SIDE_WANT } from "@talknow/protocol";
import type { AssetsOptions } from "./assets.ts";

const TYPES =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|svg\+xml|x-icon|vnd\.microsoft\.icon|bmp)|font\/|application\/(?:font|x-font|vnd\.ms-fontobject))/;
const AT_ONCE = 4;

export interface Asset {
  number: number;
  address: string;
  hash: string;
  type: string;
}

export class Uploads {
  private readonly waiting: Asset[] = [];
  private readonly asked = new Map<string, { asset: Asset; bytes: ArrayBuffer }[]>();
  /** What each HAVE named that has no answer yet, oldest first: answers come in order. */
  private questions: string[][] = [];
  private active = 0;
  private stopped = false;
  private readonly unlisten: () => void;

  /** known: what viewers can have, in the order in which it came to the server. */
  constructor(
    private readonly options: AssetsOptions,
    private readonly known: Asset[],
  ) {
    this.unlisten = options.on(SIDE_WANT, (values) => this.answered(new Set(values[0] as string[])));
  }

  stop(): void {
    this.stopped = true;
    this.unlisten();
    this.waiting.length = 0;
    this.asked.clear();
    this.questions = [];
  }

  add(asset: Asset): void {
    this.waiting.push(asset);
    this.more();
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
      const response = await fetch(`${this.options.base().replace(/^ws/, "http")}/assets/${hash}`, {
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
  const response = await fetch(address, {
    cache: "force-cache",
    credentials: foreign ? "omit" : "same-origin",
  }).catch(() => null);
  if (response === null) return draw();
  if (!response.ok) throw new Error("refused");
  return response.blob();
}
