/**
 * The visitor's shared page: asks the engagement for access, starts and ends the recorder of this tab, follows what
 * the engagement says. The recorder's code is loaded when it is first needed. What leaves the page is its business.
 *
 * Each tab is a stream of its own: a pass that was copied with a tab is not used by the copy.
 */
import { type Connection, type EngagementState, nodeOf } from "@talknow/client";
import type { ControlGrant } from "@talknow/cobrowse/together/control";
import type { Together } from "@talknow/cobrowse/together/index";
import { remembered } from "./early.ts";
import { deviceOfPage, session } from "./page.ts";

export type { ControlKind } from "@talknow/cobrowse/together/control";

type Recorder = InstanceType<typeof import("@talknow/cobrowse/recorder/index")["Recorder"]>;

/** That this tab is shared, and with which pass the page after this one goes on. */
export const SHARED_KEY = "talknow:cobrowse";
const SOCKET_PATH = "/v1/cobrowse";
const AGAIN_MS = 2_000;
/** Close codes: the pass is too old; the visitor did not agree to show pages of this origin. */
const UNAUTHENTICATED = 4401;
const ANOTHER_ORIGIN = 4406;

export interface Kept {
  engagement: string;
  token: string;
  /** The tab it was given to. */
  device: string;
  /** Where the node is that the page lives on, when that has an address of its own. */
  url?: string;
}

export interface SharingOptions {
  server: string;
  changed: () => void;
  endControl: () => void;
  /** For the next page of this tab, also on another origin; null: nothing is shared any more. */
  keep: (kept: Kept | null) => void;
}

export class Sharing {
  recorder: Recorder | null = null;
  private starting = false;
  private paused = false;
  private wasConnected = false;
  /** Ended here; the engagement has yet to say so. */
  isOver = false;
  private together: Together | null = null;
  private mayPoint = false;
  private control: ControlGrant | undefined;
  /** Taken back here, whatever the engagement still says. */
  private takenBack = "";
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: SharingOptions) {
    addEventListener("pagehide", () => {
      const { recorder } = this;
      this.drop();
      recorder?.stop("navigating");
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) void this.resume();
    });
  }

  /** First thing on a page, or when it is shown again: go on with what was shared, without waiting for anybody. */
  async resume(): Promise<void> {
    const kept = readKept();
    if (kept === null) return;
    if (kept.device === (await deviceOfPage())) await this.record(kept);
    else session.removeItem(SHARED_KEY);
  }

  /** Go on with what another origin of the site was showing in this tab. */
  async adopt(pass: Omit<Kept, "device">): Promise<void> {
    this.isOver = false;
    await this.record({ ...pass, device: await deviceOfPage() });
  }

  /** The engagement's word. */
  follow(state: EngagementState | undefined, connection: Connection | null, skewMs = 0): void {
    const shared = state?.view.cobrowse.state;
    this.control = grantOf(state, skewMs);
    this.mayPoint =
      shared === "live" &&
      state?.view.cobrowse.grants.some(({ capability }) => capability === "point") === true;
    this.together?.changed();
    if (state === undefined || (shared !== "live" && shared !== "paused")) {
      if (this.recorder !== null && state !== undefined) this.end();
      this.isOver = false;
      return;
    }
    if (this.isOver) return;
    this.paused = shared === "paused";
    if (this.recorder !== null) this.pauseOrGoOn();
    else if (connection?.state === "online" && this.timer === undefined)
      void this.open(state.view.id, connection);
  }

  /** The chat's connection is there: again? Then a node may hang, whose socket here would not end. */
  connected(): void {
    if (this.wasConnected) this.recorder?.link.closed(0);
    this.wasConnected = true;
  }

  /** From this moment no agent changes anything on this page. */
  takeControlBack(): void {
    this.takenBack = this.control?.id ?? this.takenBack;
  }

  /** Let go at once: nothing more of this page leaves. */
  end(): void {
    this.keep(null);
    const { recorder } = this;
    this.isOver = true;
    this.drop();
    recorder?.stop("stopped");
    this.options.changed();
  }

  private keep(kept: Kept | null): void {
    if (kept === null) session.removeItem(SHARED_KEY);
    else session.setItem(SHARED_KEY, JSON.stringify(kept));
    this.options.keep(kept);
  }

  private drop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.together?.stop();
    this.together = null;
    this.recorder = null;
  }

  private async open(engagement: string, connection: Connection): Promise<void> {
    if (this.starting) return;
    this.starting = true;
    try {
      const { cobrowse } = await connection.tell("cobrowse.open", { engagement });
      if (!cobrowse) return;
      const { token, url } = cobrowse;
      await this.record({ engagement, token, device: connection.device, url });
    } catch {
      this.again(AGAIN_MS);
    } finally {
      this.starting = false;
    }
  }

  private again(waitMs: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.options.changed();
    }, waitMs);
    this.options.changed();
  }

  private async record(kept: Kept): Promise<void> {
    const [{ Recorder }, { startTogether }] = await Promise.all([
      import("@talknow/cobrowse/recorder/index"),
      import("@talknow/cobrowse/together/index"),
    ]);
    if (this.recorder !== null || this.isOver) return;
    const recorder = new Recorder({
      url: (attempt) => this.socketAt(attempt === 0 ? kept.url : undefined),
      token: kept.token,
      keepToken: (token) => this.keep({ ...kept, token }),
      early: remembered(),
      onEnd: (code) => this.refused(code),
    });
    this.recorder = recorder;
    recorder.subscribe(() => this.options.changed());
    this.together = startTogether(recorder, {
      point: () => this.mayPoint,
      control: () => (this.control?.id === this.takenBack ? undefined : this.control),
      endControl: this.options.endControl,
    });
    recorder.start();
    this.pauseOrGoOn();
  }

  /** Straight to the page's own node at first; any other one passes it on. */
  private socketAt(straight = SOCKET_PATH): string {
    return new URL(straight, nodeOf(this.options.server)).href.replace(/^http/, "ws");
  }

  /** The socket ended for good. */
  private refused(code: number): void {
    this.keep(null);
    this.drop();
    // The engagement still says that it is shared, but not on this origin: it stays with the other tabs.
    if (code === ANOTHER_ORIGIN) this.isOver = true;
    // Another socket may have taken over: coming back at once would only take over from it.
    this.again(code === UNAUTHENTICATED ? 0 : AGAIN_MS);
  }

  private pauseOrGoOn(): void {
    const { recorder } = this;
    if (recorder === null) return;
    if (this.paused && recorder.state !== "paused") recorder.pause();
    else if (!this.paused && recorder.state === "paused") recorder.resume();
  }
}

/** What agents may do, by this browser's clock. */
function grantOf(state: EngagementState | undefined, skewMs: number): ControlGrant | undefined {
  const grant = state?.view.cobrowse.grants.find(({ capability }) => capability === "control");
  if (grant === undefined) return undefined;
  const { id, kinds, origin, expires_ms } = grant;
  return { id, kinds, origin, expiresMs: expires_ms === 0 ? 0 : expires_ms - skewMs };
}

function readKept(): Kept | null {
  try {
    const kept = JSON.parse(session.getItem(SHARED_KEY) ?? "null") as Kept | null;
    return kept !== null && typeof kept.token === "string" ? kept : null;
  } catch {
    return null;
  }
}
