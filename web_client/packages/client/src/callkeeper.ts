/**
 * Joins the calls of a tab's engagements with their legs: creates a leg when the server offers a path to
 * this device, takes it back after a page load, closes it when the call is over or moved.
 *
 * It sends the call commands; what the call's state is, only the server's view says.
 */
import type { Consent, EngagementView, LegView, PathOffer } from "@talknow/protocol";
import { CallLeg, type LegOptions } from "./call.ts";
import type { Connection } from "./connection.ts";
import type { DirectSignal } from "./direct.ts";
import type { EngagementStore } from "./engagement.ts";
import type { Api } from "./http.ts";
import type { Store } from "./storage.ts";
import { readCall } from "./ticket.ts";

export interface KeeperOptions {
  connection: Connection;
  engagements: EngagementStore;
  api: Api;
  store: Store;
  /** Given to each leg; tests put fakes here. */
  leg?: Partial<LegOptions>;
}

const OFFER_GRACE_MS = 1_500;
const LOST_GRACE_MS = 700;

/** My leg in a view. */
export function myLeg(view: EngagementView, me: string): LegView | undefined {
  return view.call.legs.find((leg) => leg.participant === me);
}

export class CallKeeper {
  private readonly legs = new Map<string, CallLeg>();
  private readonly watchers = new Set<() => void>();
  private readonly sharing = new Set<string>();
  private readonly stops: (() => void)[] = [];
  /** Who spoke last in calls of more than two: leg by engagement. */
  readonly speakers = new Map<string, string>();
  private readonly expected = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly options: KeeperOptions) {
    const { connection, engagements } = options;
    this.stops.push(
      connection.on("call.offered", ({ offer }) => this.offered(offer)),
      connection.on("call.ticket", ({ ticket }) => this.legs.get(ticket.engagement)?.keepTicket(ticket)),
      connection.on("call.direct", ({ engagement, attempt, kind, body = "" }) =>
        this.legs.get(engagement)?.directSignalled({ attempt, kind, body }),
      ),
      connection.on("call.speaker", ({ engagement, leg }) => {
        this.speakers.set(engagement, leg);
        this.notify();
      }),
      connection.on("call.moved", ({ engagement, device }) => {
        if (device !== connection.device) this.legs.get(engagement)?.moved();
      }),
      engagements.subscribe(() => this.follow()),
    );
    this.follow();
  }

  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  leg(engagement: string): CallLeg | undefined {
    return this.legs.get(engagement);
  }

  /** Take over a leg that was started before the rest of the page (call code first). */
  adopt(leg: CallLeg): void {
    if (leg.state.phase === "closed" || this.legs.has(leg.engagement)) return;
    this.put(leg);
    this.notify();
  }

  /** The visitor's talk now. Call it in the click: the microphone question belongs to that gesture. */
  async start(engagement: string | null, consent: Consent, video = false): Promise<string> {
    const { connection } = this.options;
    const ack = await connection.send("call.start", {
      consent,
      video,
      ...(engagement ? { engagement } : {}),
    });
    return ack.engagement ?? engagement ?? "";
  }

  async join(engagement: string): Promise<void> {
    await this.options.connection.send("call.join", { engagement });
  }

  async hangUp(engagement: string): Promise<void> {
    const done = this.options.connection.send("call.hang_up", { engagement });
    this.drop(engagement);
    await done;
  }

  /** Move my leg to this tab; the server then offers a path here. */
  async bringHere(engagement: string): Promise<void> {
    await this.options.connection.send("call.bring_here", { engagement });
  }

  async setMuted(engagement: string, muted: boolean): Promise<void> {
    const leg = this.legs.get(engagement);
    leg?.setMuted(muted);
    await this.tellChange(engagement);
  }

  /** Camera on or off; nothing is announced when the person or the browser refuses it. */
  async setCamera(engagement: string, on: boolean, consent?: Consent): Promise<boolean> {
    const leg = this.legs.get(engagement);
    if (leg === undefined) return false;
    const isOn = await leg.setCamera(on);
    if (isOn === on) await this.tellChange(engagement, consent);
    return isOn;
  }

  /** Share the screen or stop; nothing is announced when the person chooses none. */
  async setScreen(engagement: string, on: boolean, consent?: Consent): Promise<boolean> {
    const leg = this.legs.get(engagement);
    if (leg === undefined) return false;
    const isOn = await leg.setScreen(on);
    if (isOn && on) await this.tellChange(engagement, consent);
    return isOn;
  }

  /** Stop following; legs are let go (page is signed out). */
  close(): void {
    for (const stop of this.stops) stop();
    for (const timer of this.expected.values()) clearTimeout(timer);
    for (const engagement of [...this.legs.keys()]) this.drop(engagement);
  }

  /** What the leg sends now, whole. */
  private async tellChange(engagement: string, consent?: Consent): Promise<void> {
    const leg = this.legs.get(engagement)?.state;
    const body = {
      engagement,
      muted: leg?.muted ?? false,
      video: leg?.camera === "on",
      screen: leg?.screen === "on",
      ...(consent ? { consent } : {}),
    };
    await this.options.connection.send("call.request_change", body);
  }

  private offered(offer: PathOffer): void {
    if (this.legs.get(offer.engagement)?.state.phase === "elsewhere") this.drop(offer.engagement);
    void this.create(offer.engagement).accept(offer);
  }

  /** Compare with what the server says on every change of the store. */
  private follow(): void {
    for (const { view } of this.options.engagements.engagements.values()) this.followOne(view);
  }

  private followOne(view: EngagementView): void {
    const { connection, engagements, store } = this.options;
    const mine = myLeg(view, engagements.me);
    const leg = this.legs.get(view.id);
    if (view.call.state === "none" || view.phase === "ended") {
      this.drop(view.id);
    } else if (mine !== undefined && mine.device !== connection.device) {
      if (leg !== undefined && leg.state.phase !== "elsewhere") leg.moved();
    } else if (mine !== undefined && leg === undefined) {
      // This page is new and the call goes on, or the offer was sent while the socket was away.
      if (readCall(store, connection.device, view.id) !== null) void this.create(view.id).resume();
      else this.after(view.id, OFFER_GRACE_MS);
    } else if (mine?.state === "awaiting_path" && leg?.state.phase === "connected") {
      // The server lost the path (a restart) and this browser has not noticed yet.
      this.after(view.id, LOST_GRACE_MS);
    }
    this.followDirect(view, mine);
  }

  /** The leg with the lower seat offers. */
  private followDirect(view: EngagementView, mine: LegView | undefined): void {
    const here = mine !== undefined && mine.device === this.options.connection.device;
    const other = view.call.legs.find((leg) => leg.id !== mine?.id);
    const allowed = here && view.call.direct && other !== undefined;
    this.legs.get(view.id)?.allowDirect(allowed, (mine?.seat ?? 0) < (other?.seat ?? 0));
  }

  /** The browser's own "stop sharing" was used, or the screen is gone: say so. */
  private followScreen(leg: CallLeg): void {
    const { engagements } = this.options;
    const view = engagements.get(leg.engagement)?.view;
    const told = view && myLeg(view, engagements.me)?.screen;
    const stopped = this.sharing.has(leg.engagement) && leg.state.screen === "off";
    if (leg.state.screen === "on") this.sharing.add(leg.engagement);
    else this.sharing.delete(leg.engagement);
    if (told && stopped && leg.state.phase !== "closed") {
      void this.tellChange(leg.engagement).catch(() => undefined);
    }
  }

  /** Normally an offer or a connected path follows at once; when it does not, ask for a path. */
  private after(engagement: string, graceMs: number): void {
    if (this.expected.has(engagement)) return;
    const timer = setTimeout(() => {
      this.expected.delete(engagement);
      const { connection, engagements } = this.options;
      const view = engagements.get(engagement)?.view;
      const mine = view && myLeg(view, engagements.me);
      if (mine?.device !== connection.device) return;
      const leg = this.legs.get(engagement);
      const lost = leg?.state.phase === "connected" && mine.state === "awaiting_path";
      if (leg === undefined || lost) void this.create(engagement).reopen();
    }, graceMs);
    this.expected.set(engagement, timer);
  }

  private create(engagement: string): CallLeg {
    const existing = this.legs.get(engagement);
    if (existing !== undefined && existing.state.phase !== "closed") return existing;
    const { connection, api, store } = this.options;
    const locks = globalThis.navigator?.locks;
    const leg = new CallLeg({
      engagement,
      device: connection.device,
      api,
      store,
      locks,
      signalDirect: (signal) => this.signalDirect(engagement, signal),
      ...this.options.leg,
    });
    this.put(leg);
    return leg;
  }

  private signalDirect(engagement: string, signal: DirectSignal): void {
    this.options.connection.tell("call.signal_direct", { engagement, ...signal }).catch(() => undefined);
  }

  private put(leg: CallLeg): void {
    this.legs.set(leg.engagement, leg);
    leg.signalDirect ??= (signal) => this.signalDirect(leg.engagement, signal);
    leg.subscribe(() => {
      this.followScreen(leg);
      this.notify();
    });
  }

  private drop(engagement: string): void {
    const leg = this.legs.get(engagement);
    if (leg === undefined) return;
    this.legs.delete(engagement);
    leg.close();
    this.notify();
  }

  private notify(): void {
    for (const fn of this.watchers) fn();
  }
}
