/** The page as a snapshot begins with it: where it is, what it is called, and what style sheets ask about the device. */
import { type Masks, PLAIN } from "./mask.ts";

/** What of the device style sheets ask for besides the size. */
export const DEVICE = [
  "(prefers-color-scheme: dark)",
  "(pointer: coarse)",
  "(prefers-reduced-motion: reduce)",
];

export class Page {
  /** Address and title that viewers have. */
  told = "";

  constructor(
    private readonly top: Document,
    private readonly masks: Masks,
  ) {}

  /** SNAP's flags: what style sheets ask about this device, and the page's mode. */
  flags(): number {
    const scheme = this.top.querySelector<HTMLMetaElement>("meta[name=color-scheme]")?.content ?? "";
    const [dark, touch, calm] = DEVICE.map((query) => matchMedia(query).matches);
    const darkPage = dark === true && /\bdark\b/.test(scheme);
    const said = [this.top.compatMode === "BackCompat", dark, touch, calm, darkPage];
    return said.reduce((flags, yes, bit) => flags | (yes ? 1 << bit : 0), 0);
  }

  /** Where the page is and what it is called, as viewers may know it. */
  address(): readonly [url: string, title: string] {
    const path = location.pathname
      .split("/")
      .map((part) => (part.length > 40 || /\d{5,}/.test(part) ? "\u2026" : this.masks.scrub(part, PLAIN)))
      .join("/");
    return [location.origin + path, this.masks.text(this.top.title, PLAIN).slice(0, 300)];
  }

  /** The same, on its way to viewers. */
  tell(): readonly [url: string, title: string] {
    const address = this.address();
    this.told = address.join("\n");
    return address;
  }
}
