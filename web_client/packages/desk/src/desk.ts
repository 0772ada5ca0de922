/**
 * The agent's side as one object: session, connection, offers, engagements, calls, and what is selected.
 *
 * The UI shows it and calls it. It decides nothing about an engagement: the server's views do. What must
 * survive a reload lives on the server or in this tab's sessionStorage.
 */
import {
  Api,
  CallKeeper,
  type CallLeg,
  Connection,
  type ConnectionOptions,
  type EngagementState,
  EngagementStore,
  type LegMode,
  type Store,
  TalkError,
} from "@talknow/client";
import type { AgentChanged, AgentInfo, EngagementInvited, EngagementView } from "@talknow/protocol";
import { Alerts } from "./alerts.ts";
import { callText } from "./callstate.ts";
import { Kept, type WrapUp } from "./kept.ts";
import { type Ringing, withOffer, withoutOffer } from "./offers.ts";
import { AgentSession } from "./session.ts";
import type { Shortcut } from "./shortcuts.ts";
import { Watching } from "./watching.ts";
import { refusalText } from "./words.ts";

export type Screen = "starting" | "login" | "desk";
export type Choice = "ready" | "busy" | "break";

export interface DeskOptions {
  server: string;
  store: Store;
  device: string;
  api?: Api;
  alerts?: Alerts;
  open?: ConnectionOptions["open"];
}

/** How long a good notice stays. */
const DONE_MS = 6_000;

/** Events in which a browser lets a page begin to play sound. */
export const GESTURES = ["pointerdown", "pointerup", "keydown"] as const;
const SELECTED = "talknow:desk:selected";

export class Desk {
  screen: Screen = "starting";
  agent: AgentInfo | null = null;
  availability: AgentChanged["availability"] = "offline";
  load = 0;
  capacity = 0;
  waiting = 0;
  offers: readonly Ringing[] = [];
  /** Colleagues who ask me into an engagement. */
  invitations: readonly EngagementInvited[] = [];
  selected: string | null;
  /** A line for the agent about what did not work. */
  notice = "";
  connection: Connection | null = null;
  engagements: EngagementStore | null = null;
  keeper: CallKeeper | null = null;
  /** The shared page that is on the screen. */
  watching: Watching | null = null;
  private watched = "";
  readonly api: Api;
  readonly alerts: Alerts;
  readonly kept: Kept;
  private readonly session: AgentSession;
  /** Accepted here, not yet arrived: it is opened as soon as it comes. */
  private wanted: string | null = null;
  private readonly watchers = new Set<() => void>();

  constructor(private readonly options: DeskOptions) {
    this.session = new AgentSession(() => this.api.accessToken());
    this.api =
      options.api ?? new Api({ server: options.server, token: (stale) => this.session.access(stale) });
    this.alerts = options.alerts ?? new Alerts();
    this.selected = options.store.getItem(SELECTED);
    this.kept = new Kept(options.store);
  }

  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  /** Go on with the session cookie, or ask to log in. */
  async start(): Promise<void> {
    this.alerts.start();
    for (const name of GESTURES) addEventListener(name, this.hear, { passive: true });
    addEventListener("pagehide", this.leave);
    addEventListener("focus", this.seen);
    document.addEventListener("visibilitychange", this.seen);
    try {
      this.enter(await this.api.me());
    } catch (error) {
      const { code } = error as TalkError;
      if (code !== "unauthenticated") this.notice = refusalText(code);
      this.show("login");
    }
  }

  stop(): void {
    for (const name of GESTURES) removeEventListener(name, this.hear);
    removeEventListener("pagehide", this.leave);
    removeEventListener("focus", this.seen);
    document.removeEventListener("visibilitychange", this.seen);
    this.letGo();
    this.alerts.stop();
  }

  async login(login: string, password: string): Promise<void> {
    this.say("");
    try {
      this.enter(await this.api.login({ login, password }));
    } catch (error) {
      this.fail(error);
    }
  }

  async logout(): Promise<void> {
    await this.api.logout().catch(() => undefined);
    this.connection?.outbox.clear();
    this.kept.clear();
    this.letGo();
    this.select(null);
    this.show("login");
  }

  /** Engagements the agent works on, in the order they came. */
  list(): EngagementState[] {
    return [...(this.engagements?.engagements.values() ?? [])]
      .filter(({ view }) => view.phase === "active" || view.phase === "wrap_up")
      .filter(({ view }) => view.participants.some(({ id }) => id === this.me))
      .sort((a, b) => a.view.opened_ms - b.view.opened_ms || a.view.id.localeCompare(b.view.id));
  }

  current(): EngagementState | undefined {
    return this.list().find(({ view }) => view.id === this.selected);
  }

  leg(engagement: string): CallLeg | undefined {
    return this.keeper?.leg(engagement);
  }

  get me(): string {
    return this.engagements?.me ?? "";
  }

  /** Server clock minus this browser's. */
  get skewMs(): number {
    return this.engagements?.skewMs ?? 0;
  }

  select(engagement: string | null): void {
    this.selected = engagement;
    if (engagement === null) this.options.store.removeItem(SELECTED);
    else this.options.store.setItem(SELECTED, engagement);
    this.markAll();
    this.notify();
  }

  say(notice: string): void {
    this.notice = notice;
    this.notify();
  }

  /** Say what went well; it goes by itself. */
  done(notice: string): void {
    this.say(notice);
    setTimeout(() => {
      if (this.notice === notice) this.say("");
    }, DONE_MS);
  }

  /** Put a promise's refusal into the notice; what was refused stays as it was. */
  attempt(promise: Promise<unknown> | undefined): void {
    promise?.catch((error: unknown) => this.fail(error));
  }

  setAvailability(availability: Choice): void {
    const before = this.availability;
    this.availability = availability;
    this.notify();
    this.connection?.tell("agent.set_availability", { availability }).catch((error: unknown) => {
      this.availability = before;
      this.fail(error);
    });
  }

  accept({ made }: Ringing): void {
    const { engagement, offer } = made;
    this.wanted = engagement;
    const accepted = this.connection?.tell("offer.accept", { engagement, offer });
    accepted?.then(
      () => this.dropOffer(offer),
      (error: unknown) => {
        if (this.wanted === engagement) this.wanted = null;
        if (!(error as TalkError).transient) this.dropOffer(offer);
        this.fail(error);
      },
    );
  }

  decline({ made }: Ringing): void {
    const { engagement, offer } = made;
    this.dropOffer(offer);
    this.attempt(this.connection?.tell("offer.decline", { engagement, offer }));
  }

  /** Ask a colleague in; what it hears follows from the mode. */
  invite(engagement: string, login: string, mode: "talk" | "consult"): void {
    const sent = this.connection?.send("engagement.invite", { engagement, login, mode });
    sent?.then(
      () => this.done(`${login} was asked to join.`),
      (error: unknown) => this.fail(error),
    );
  }

  joinInvited(invitation: EngagementInvited): void {
    this.dismissInvitation(invitation);
    this.join(invitation.engagement);
  }

  /** Come into an engagement: as invited, or (supervisors) in a mode of one's own. */
  join(engagement: string, mode?: LegMode): void {
    this.wanted = engagement;
    const body = { engagement, ...(mode ? { mode } : {}) };
    this.connection?.send("engagement.join", body).catch((error: unknown) => {
      if (this.wanted === engagement) this.wanted = null;
      this.fail(error);
    });
  }

  setMode(engagement: string, participant: string, mode: LegMode): void {
    this.attempt(this.connection?.send("call.set_mode", { engagement, participant, mode }));
  }

  dismissInvitation({ engagement }: EngagementInvited): void {
    this.invitations = this.invitations.filter((one) => one.engagement !== engagement);
    this.notify();
  }

  send(engagement: string, text: string): void {
    this.kept.setDraft(engagement, "");
    this.attempt(this.connection?.send("chat.send", { engagement, text }));
  }

  async sendFile(engagement: string, file: File): Promise<void> {
    try {
      const info = await this.api.upload(file, file.name || "picture", engagement);
      await this.connection?.send("chat.send", { engagement, file: info.id });
    } catch (error) {
      this.fail(error);
    }
  }

  typing(engagement: string, typing: boolean): void {
    this.connection?.tell("chat.typing", { engagement, typing }).catch(() => undefined);
  }

  /** The shared page of this engagement, connected when first asked for. */
  watch(engagement: string): Watching {
    if (this.watching !== null && this.watched === engagement) return this.watching;
    this.watching?.stop();
    this.watched = engagement;
    const access = async () => {
      const ack = await this.connection?.tell("cobrowse.open", { engagement });
      if (!ack?.cobrowse) throw new TalkError("offline");
      return ack.cobrowse;
    };
    this.watching = new Watching(this.options.server, access, () => this.notify());
    this.watching.start();
    return this.watching;
  }

  unwatch(): void {
    this.watching?.stop();
    this.watching = null;
    this.watched = "";
  }

  /** The customer on the phone told this code. */
  joinByCode(code: string): void {
    this.connection?.send("cobrowse.join_code", { code }).then(
      ({ engagement }) => {
        this.wanted = engagement ?? null;
        this.changed();
      },
      (error: unknown) => this.fail(error),
    );
  }

  setWrapUp(engagement: string, wrapUp: WrapUp): void {
    this.kept.setWrapUp(engagement, wrapUp);
    this.notify();
  }

  /** The agent ends its engagement; a colleague only leaves it. */
  end({ id: engagement, agent }: EngagementView): void {
    const ends = agent === this.me ? "engagement.end" : "engagement.leave";
    this.attempt(this.connection?.send(ends, { engagement }));
  }

  /** After-work is done: what was chosen and noted is kept, the place is free. */
  finish(engagement: string): void {
    const { code, note } = this.kept.wrapUp(engagement);
    const sent = this.connection?.send("engagement.wrap_up", { engagement, code, note });
    sent?.then(
      () => {
        this.kept.forget(engagement);
        if (this.selected !== engagement) return;
        this.select(this.list().find(({ view }) => view.id !== engagement)?.view.id ?? null);
      },
      (error: unknown) => this.fail(error),
    );
  }

  toggleMute(engagement: string): void {
    const leg = this.leg(engagement);
    if (leg !== undefined) this.attempt(this.keeper?.setMuted(engagement, !leg.state.muted));
  }

  /** True when the shortcut meant something now. */
  shortcut(shortcut: Shortcut): boolean {
    const first = this.offers[0];
    const current = this.current();
    if (shortcut.does === "accept" && first) this.accept(first);
    else if (shortcut.does === "mute" && current) this.toggleMute(current.view.id);
    else if (shortcut.does === "switch") {
      const chosen = this.list()[shortcut.index];
      if (chosen === undefined) return false;
      this.select(chosen.view.id);
    } else return false;
    return true;
  }

  /** What a call looks like from here, for list and call bar. */
  callText(state: EngagementState) {
    return callText(state.view, this.me, this.leg(state.view.id)?.state.phase);
  }

  private enter(agent: AgentInfo): void {
    this.letGo();
    this.agent = agent;
    this.notice = "";
    const { server, store, device, open } = this.options;
    const connection = new Connection({
      server,
      device,
      store,
      token: (stale) => this.session.access(stale),
      seen: () => this.engagements?.seen() ?? {},
      open,
    });
    this.connection = connection;
    this.engagements = new EngagementStore(connection);
    this.keeper = new CallKeeper({ connection, engagements: this.engagements, api: this.api, store });
    this.listen(connection);
    this.keeper.subscribe(() => this.notify());
    this.engagements.subscribe(() => this.changed());
    connection.start();
    this.show("desk");
  }

  private listen(connection: Connection): void {
    connection.on("session.ready", ({ availability, capacity }) => {
      this.availability = availability;
      this.capacity = capacity;
      // What still rings is offered again after this event.
      this.setOffers([]);
      this.followLink();
      this.watching?.renew();
    });
    connection.on("agent.changed", ({ availability, load, capacity, waiting }) => {
      Object.assign(this, { availability, load, capacity, waiting });
      this.notify();
    });
    connection.on("offer.made", (made) => this.setOffers(withOffer(this.offers, made, Date.now())));
    connection.on("engagement.invited", (invitation) => {
      const others = this.invitations.filter(({ engagement }) => engagement !== invitation.engagement);
      this.invitations = [...others, invitation];
      this.notify();
    });
    connection.on("offer.withdrawn", ({ offer }) => this.dropOffer(offer));
  }

  /** `#join=ENGAGEMENT&mode=monitor`: a supervisor's way into an engagement; used once. */
  private followLink(): void {
    const wish = new URLSearchParams(location.hash.slice(1));
    const engagement = wish.get("join");
    if (engagement === null) return;
    history.replaceState(null, "", location.pathname + location.search);
    this.join(engagement, (wish.get("mode") as LegMode | null) ?? undefined);
  }

  private changed(): void {
    if (this.connection?.state === "refused" && this.connection.problem?.code === "unauthenticated") {
      this.letGo();
      this.show("login");
      return;
    }
    if (this.wanted !== null && this.list().some(({ view }) => view.id === this.wanted)) {
      const arrived = this.wanted;
      this.wanted = null;
      this.select(arrived);
      return;
    }
    this.markAll();
    this.notify();
  }

  /** After a reload the browser plays nothing until the first click or key: any will do. */
  private readonly hear = (): void => {
    for (const { view } of this.list()) {
      const leg = this.leg(view.id);
      if (leg?.state.silenced) leg.hear();
    }
  };

  private readonly seen = (): void => this.markAll();

  /** Everything has arrived here; what is looked at is read. */
  private markAll(): void {
    const looking = document.visibilityState === "visible" && document.hasFocus();
    for (const { view } of this.list()) {
      void this.engagements?.mark(view.id, looking && view.id === this.selected);
    }
  }

  /** In `pagehide`: what follows is a reload, not a hang-up. */
  private readonly leave = (): void => {
    for (const { view } of this.list()) {
      this.connection?.tell("page.leave", { engagement: view.id }).catch(() => undefined);
    }
  };

  private dropOffer(offer: string): void {
    this.setOffers(withoutOffer(this.offers, offer));
  }

  private setOffers(offers: readonly Ringing[]): void {
    this.offers = offers;
    this.notify();
  }

  private fail(error: unknown): void {
    this.say(refusalText(error instanceof TalkError ? error.code : "unavailable"));
  }

  private letGo(): void {
    this.keeper?.close();
    this.connection?.stop();
    this.keeper = null;
    this.connection = null;
    this.engagements = null;
    this.session.forget();
    this.agent = null;
    this.offers = [];
    this.invitations = [];
    this.wanted = null;
  }

  private show(screen: Screen): void {
    this.screen = screen;
    this.notify();
  }

  private notify(): void {
    const unread = this.list().reduce((sum, { view }) => sum + (this.engagements?.unread(view.id) ?? 0), 0);
    this.alerts.update(this.offers, unread);
    for (const fn of this.watchers) fn();
  }
}
