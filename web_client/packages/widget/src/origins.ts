/**
 * Sharing over the origins of one site: leaves for the next page of this tab what it needs to go on, and takes it on an
 * origin the site lists. A page that says it is another customer's takes nothing.
 */
import type { WidgetConfig } from "@talknow/protocol";
import { Bridge } from "./bridge.ts";
import { visitorOf } from "./page.ts";
import type { Settings } from "./settings.ts";
import type { Kept } from "./sharing.ts";

export class Origins {
  private bridge: Bridge | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly config: Promise<WidgetConfig>,
  ) {}

  async leave(kept: Kept | null): Promise<void> {
    const { continue_on_origins } = await this.config;
    const { known, subject } = visitorOf(this.settings);
    if (continue_on_origins.length === 0 || (kept === null && this.bridge === null)) return;
    const carried = kept !== null && known !== null ? { subject, visitor: known, ...passOf(kept) } : null;
    await this.open().keep(carried);
  }

  /** The pass that another origin left for this one, once this browser is its visitor here too. */
  async arrive(): Promise<Omit<Kept, "device"> | null> {
    const { continue_on_origins } = await this.config;
    if (!continue_on_origins.includes(location.origin)) return null;
    const carried = await this.open().take();
    if (carried === null || !visitorOf(this.settings).adopt(carried.subject, carried.visitor)) return null;
    return passOf(carried);
  }

  private open(): Bridge {
    this.bridge ??= new Bridge(this.settings.server, this.settings.site);
    return this.bridge;
  }
}

function passOf({ engagement, token }: Omit<Kept, "device">): Omit<Kept, "device"> {
  return { engagement, token };
}
