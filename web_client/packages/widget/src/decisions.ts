/**
 * What the person decides about the shared page: show it, to whom, what else agents may do, pause, end. What is taken
 * back holds here first; then it is said.
 */
import { consentTo } from "./consent.ts";
import type { ControlKind } from "./sharing.ts";
import { fillsScreen, type Talk } from "./talk.ts";
import { viewWording } from "./text.ts";

/** What agents ask for beside looking. */
export type Asked = "point" | "control" | "record";

export class Decisions {
  constructor(private readonly talk: Talk) {}

  /** The words beside "show my page". */
  get viewWording(): string {
    return viewWording(this.talk.config?.continue_on_origins ?? []);
  }

  /** Show this site's pages to the agents of the engagement. */
  async share(): Promise<void> {
    const { engagement } = this.talk.target();
    if (!engagement) return;
    const consent = await consentTo("view", this.viewWording);
    await this.talk.tell((connection) => connection.send("cobrowse.start", { engagement, consent }));
    // What is shown now is the page, so it is what the person should see.
    if (fillsScreen()) this.talk.close();
  }

  /** Show this site's pages to the agent on the phone, who is told a code. */
  async shareByCode(): Promise<void> {
    const consent = await consentTo("view", this.viewWording);
    await this.talk.tell((c) => c.send("cobrowse.code", { ...this.talk.target(), consent }));
    if (fillsScreen()) this.talk.close();
  }

  async decline(capability: "view" | Asked): Promise<void> {
    const { engagement } = this.talk.target();
    if (engagement) await this.talk.tell((c) => c.send("cobrowse.decline", { engagement, capability }));
  }

  /** kinds: what of controlling the page. */
  async grant(capability: Asked, kinds: ControlKind[] = []): Promise<void> {
    const { engagement } = this.talk.target();
    if (!engagement) return;
    const consent = await consentTo(capability);
    const origin = capability === "control" ? location.origin : "";
    await this.talk.tell((c) => c.send("cobrowse.grant", { engagement, consent, kinds, origin }));
  }

  async revoke(capability: Asked): Promise<void> {
    if (capability === "control") this.talk.sharing.takeControlBack();
    const { engagement } = this.talk.target();
    if (engagement) await this.talk.tell((c) => c.send("cobrowse.revoke", { engagement, capability }));
  }

  async pause(paused: boolean): Promise<void> {
    const { engagement } = this.talk.target();
    if (paused) this.talk.sharing.recorder?.pause();
    const name = paused ? "cobrowse.pause" : "cobrowse.resume";
    if (engagement) await this.talk.tell((c) => c.send(name, { engagement }));
  }

  /** Nothing more leaves from here on; then it is said. */
  async stop(): Promise<void> {
    const { engagement } = this.talk.target();
    this.talk.sharing.end();
    if (engagement) await this.talk.tell((c) => c.send("cobrowse.stop", { engagement }));
  }
}
