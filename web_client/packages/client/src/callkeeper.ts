/**
 * Joins the calls of a tab's engagements with their legs: creates a leg when the server offers a path to
 * this device, takes it back after a page load, closes it when the call is over or moved.
 *
 * It sends the call commands; what the call's state is, only the server's view says.
 */
import type { Consent, EngagementView, LegView, PathOffer } from "@talknow/protocol";
import { CallLeg, type LegOptions } from "./call.ts";
import type { Connection } from "./connection.ts";
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
  private readonly stops: (() => void)[] = [];
  private readonly expected = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly options: KeeperOptions) {
    const { connection, engagements } = options;
    this.stops.push(
      connection.on("call.offered", ({ offer }) => this.offered(offer)),
      connection.on("call.ticket", ({ ticket }) => this.legs.get(ticket.engagement)?.keepTicket(ticket)),
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
    await this.tellChange(engagement, muted, leg?.state.camera === "on");
  }

  /** Camera on or off; nothing is announced when the person or the browser refuses it. */
  async setCamera(engagement: string, on: boolean, consent?: Consent): Promise<boolean> {
    const leg = this.legs.get(engagement);
    if (leg === undefined) return false;
    const isOn = await leg.setCamera(on);
    if (isOn === on) await this.tellChange(engagement, leg.state.muted, isOn, consent);
    return isOn;
  }

  /** Stop following; legs are let go (page is signed out). */
  close(): void {
    for (const stop of this.stops) stop();
    for (const timer of this.expected.values()) clearTimeout(timer);
    for (const engagement of [...this.legs.keys()]) this.drop(engagement);
  }

  private async tellChange(
    engagement: string,
    muted: boolean,
    video: boolean,
    consent?: Consent,
  ): Promise<void> {
    const body = { engagement, muted, video, ...(consent ? { consent } : {}) };
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
      if (readCall(store, connection.device)?.engagement === view.id) void this.create(view.id).resume();
      else this.after(view.id, OFFER_GRACE_MS);
    } else if (mine?.state === "awaiting_path" && leg?.state.phase === "connected") {
      // The server lost the path (a restart) and this browser has not noticed yet.
      this.after(view.id, LOST_GRACE_MS);
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
      ...this.options.leg,
    });
    this.put(leg);
    return leg;
  }

  private put(leg: CallLeg): void {
    this.legs.set(leg.engagement, leg);
    leg.subscribe(() => this.notify());
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
