/**
 * The visitor's side as one object: panel, session, connection, engagement, call. The UI only shows it and
 * calls it. Nobody is connected before there is a reason: the panel was opened, or a chat goes on.
 */
import {
  CALL_KEY,
  type CallKeeper,
  type CallLeg,
  Connection,
  type EngagementState,
  EngagementStore,
  TalkError,
} from "@talknow/client";
import type { Page, WidgetConfig } from "@talknow/protocol";
import { consentTo } from "./consent.ts";
import { Decisions } from "./decisions.ts";
import { Origins } from "./origins.ts";
import { apiOf, deviceOfPage, local, session, visitorOf } from "./page.ts";
import type { Settings } from "./settings.ts";
import { type Kept, SHARED_KEY, Sharing } from "./sharing.ts";
import type { SoftNavigation } from "./softnav.ts";
import { TEXT } from "./text.ts";
import { liveKey } from "./visitor.ts";

type CallCode = typeof import("./call.ts");
const OPEN_KEY = "talknow:open";
const LEAVE_MS = 1_000;

/** What of the engagement the visitor may still write to. */
export function isLive(state: EngagementState | undefined): state is EngagementState {
  return state !== undefined && state.view.phase !== "ended" && state.view.phase !== "wrap_up";
}

/** On a phone the open panel covers the page. */
export function fillsScreen(): boolean {
  return matchMedia("(max-width: 480px)").matches;
}

export class Talk {
  config: WidgetConfig | null = null;
  isOpen = false;
  /** Focus goes in only when the person opened the panel, not when a page change kept it open. */
  opened = 0;
  connection: Connection | null = null;
  engagements: EngagementStore | null = null;
  keeper: CallKeeper | null = null;
  readonly sharing: Sharing;
  readonly decisions = new Decisions(this);
  microphone: "on" | "denied" | "missing" = "on";
  /** A line for the person about what did not work. */
  notice = "";
  /** Where this page is now, for those who do not see it; set by soft navigation. */
  announcement = "";
  private origins: Origins | null = null;
  private soft: SoftNavigation | null = null;
  private code: Promise<CallCode> | null = null;
  private starting: Promise<Connection> | null = null;
  private dismissed = "";
  private callState = "none";
  private era = 0;
  private readonly watchers = new Set<() => void>();

  constructor(private settings: Settings) {
    this.sharing = new Sharing({
      server: settings.server,
      changed: () => {
        this.followShare();
        this.notify();
      },
      endControl: () => void this.decisions.revoke("control"),
      keep: (kept) => this.leave(kept),
    });
  }

  get api() {
    return apiOf(this.settings);
  }

  /** First thing on a page: go on with what was, or wait to be opened. */
  async boot(): Promise<void> {
    const visitor = visitorOf(this.settings);
    visitor.setToken(this.settings.token);
    this.isOpen = session.getItem(OPEN_KEY) !== null || this.settings.open;
    const inCall = session.getItem(CALL_KEY) !== null;
    if (inCall) void this.loadCallCode();
    const shares = session.getItem(SHARED_KEY) !== null;
    if (shares) void this.sharing.resume();
    this.origins = new Origins(this.settings, this.loadConfig());
    if (!shares) void this.arrive().catch(() => undefined);
    this.watchPage();
    const goesOn = local.getItem(this.liveKey) !== null && visitor.known !== null;
    if (this.settings.token !== null || goesOn || inCall || shares || this.isOpen)
      await this.online().catch(() => undefined);
    this.notify();
  }

  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  /** The engagement the panel shows; undefined before the first word and after "start again". */
  current(): EngagementState | undefined {
    const state = this.engagements?.current();
    return state?.view.id === this.dismissed ? undefined : state;
  }

  leg(): CallLeg | undefined {
    const id = this.current()?.view.id;
    return id === undefined ? undefined : this.keeper?.leg(id);
  }

  open(): void {
    if (!this.isOpen) this.settings.emit("open", {});
    this.isOpen = true;
    this.opened += 1;
    session.setItem(OPEN_KEY, "1");
    this.online().catch(() => undefined);
    this.mark();
    this.notify();
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    session.removeItem(OPEN_KEY);
    this.settings.emit("close", {});
    this.notify();
  }

  /** Fresh settings; another customer means that everything of the one before is let go. */
  update(settings: Settings): void {
    this.settings = settings;
    void this.followLinks();
    const visitor = visitorOf(settings);
    const changed = visitor.setToken(settings.token);
    if (changed && visitor.signsIn) {
      void this.signIn();
      return;
    }
    if (changed) this.reset();
    if (changed || settings.token !== null) this.online().catch(() => undefined);
  }

  /** What goes on goes on, with a customer that is known by name from now on. */
  private async signIn(): Promise<void> {
    const visitor = visitorOf(this.settings);
    const me = this.engagements?.me;
    await visitor.credential().catch(() => undefined);
    if (visitor.known?.visitor === me) this.connection?.again();
    else this.reset();
    await this.online().catch(() => undefined);
  }

  /** Sign-out: end what goes on, forget the customer in this browser. */
  async shutdown(): Promise<void> {
    const id = this.current()?.view.id;
    const connection = this.connection;
    if (isLive(this.current()) && connection?.state === "online" && id !== undefined) {
      const gone = connection.send("engagement.leave", { engagement: id }).catch(() => undefined);
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, LEAVE_MS))]);
    }
    connection?.outbox.clear();
    this.reset();
    visitorOf(this.settings).clear();
    this.close();
  }

  send(text: string, file?: string): void {
    this.notice = "";
    void this.tell(async (connection) => {
      await connection.send("chat.send", { text, ...this.target(), ...(file ? { file } : {}) });
    });
  }

  typing(typing: boolean): void {
    const state = this.current();
    if (!isLive(state)) return;
    this.connection?.tell("chat.typing", { engagement: state.view.id, typing }).catch(() => undefined);
  }

  /** Upload, then say it. The limits are checked here for a quick answer and on the server for good. */
  async attach(file: File): Promise<void> {
    const config = this.config;
    this.notice = "";
    if (config && file.size > config.max_file_bytes) {
      this.notice = `${TEXT.tooLarge}${Math.round(config.max_file_bytes / 2 ** 20)} MB.`;
    } else if (config && !config.file_types.includes(file.type)) {
      this.notice = TEXT.wrongType;
    }
    this.notify();
    if (this.notice !== "") return;
    try {
      await this.online();
      const state = this.current();
      const info = await this.api.upload(file, file.name, isLive(state) ? state.view.id : null);
      this.send("", info.id);
    } catch (error) {
      const refused = error instanceof TalkError && error.code === "file_type_not_allowed";
      this.say(refused ? TEXT.wrongType : TEXT.uploadFailed);
    }
  }

  /** Talk now: the microphone first, then the call; before any chat it opens the engagement. */
  async talk(): Promise<void> {
    this.notice = "";
    this.open();
    const [code, consent] = await Promise.all([this.loadCallCode(), consentTo("audio")]);
    this.microphone = await code.askMicrophone();
    this.notify();
    if (this.microphone !== "on") return;
    await this.tell(async () => {
      const video = this.current()?.view.call.suggestion === "video";
      await (await this.calls()).start(this.target().engagement ?? null, consent, video);
    });
  }

  decline(): void {
    const { engagement } = this.target();
    if (engagement) void this.tell((connection) => connection.send("call.decline", { engagement }));
  }

  async hangUp(): Promise<void> {
    const { engagement } = this.target();
    if (engagement) await this.tell(async () => (await this.calls()).hangUp(engagement));
  }

  async setMuted(muted: boolean): Promise<void> {
    const { engagement } = this.target();
    if (engagement) await this.tell(async () => (await this.calls()).setMuted(engagement, muted));
  }

  async setCamera(on: boolean): Promise<void> {
    const { engagement } = this.target();
    if (!engagement) return;
    this.say("");
    const consent = on ? await consentTo("video") : undefined;
    await this.tell(async () => {
      const isOn = await (await this.calls()).setCamera(engagement, on, consent);
      if (on && !isOn) this.say(TEXT.cameraDenied);
    });
  }

  async setScreen(on: boolean): Promise<void> {
    const { engagement } = this.target();
    if (!engagement) return;
    this.say("");
    const [calls, consent] = await Promise.all([this.calls(), on ? consentTo("screen") : undefined]);
    await this.tell(async () => {
      await calls.setScreen(engagement, on, consent);
      const state = calls.leg(engagement)?.state.screen;
      if (on && (state === "missing" || state === "busy")) this.say(TEXT.screenDenied);
    });
  }

  async bringHere(): Promise<void> {
    const { engagement } = this.target();
    if (engagement) await this.tell(async () => (await this.calls()).bringHere(engagement));
  }

  startAgain(): void {
    this.dismissed = this.engagements?.current()?.view.id ?? "";
    this.opened += 1;
    this.notify();
  }

  say(notice: string): void {
    this.notice = notice;
    this.notify();
  }

  private get liveKey(): string {
    return liveKey(this.settings.site);
  }

  /** The engagement as commands name it; nothing when there is none. */
  target(): { engagement?: string } {
    const state = this.current();
    return isLive(state) ? { engagement: state.view.id } : {};
  }

  private followShare(): void {
    this.sharing.follow(this.current(), this.connection, this.engagements?.skewMs);
  }

  /** Do it on the connection; what goes wrong is said to the person. */
  async tell(work: (connection: Connection) => Promise<unknown>): Promise<void> {
    try {
      await work(await this.online());
    } catch (error) {
      const code = error instanceof TalkError ? error.code : "unavailable";
      if (code === "shut_down") return;
      this.settings.emit("error", { code });
      this.say(TEXT.sendFailed);
    }
  }

  private loadConfig(): Promise<WidgetConfig> {
    const loading = this.api.widget(this.settings.site);
    loading.then(
      (config) => {
        this.config = config;
        this.notify();
      },
      (error: TalkError) => this.settings.emit("error", { code: error.code }),
    );
    return loading;
  }

  /** For the next page of this tab, should it be on another origin of the site. */
  private leave(kept: Kept | null): void {
    this.origins?.leave(kept).catch(() => undefined);
  }

  /** The page before, on another origin of the site, was shared: go on as the same visitor. */
  private async arrive(): Promise<void> {
    const pass = await this.origins?.arrive();
    if (!pass || isLive(this.current())) return;
    if (this.connection !== null) this.reset();
    void this.sharing.adopt(pass);
    await this.online();
  }

  /** The connection, started when first needed. */
  private online(): Promise<Connection> {
    this.starting ??= this.connect().catch((error: unknown) => {
      this.starting = null;
      throw error;
    });
    return this.starting;
  }

  private async connect(): Promise<Connection> {
    const era = this.era;
    const { server, site } = this.settings;
    const visitor = visitorOf(this.settings);
    const device = await deviceOfPage();
    if (era !== this.era) return this.online();
    const seen = () => this.engagements?.seen() ?? {};
    const token = (stale: boolean) => visitor.credential(stale);
    const page = () => pageNow(this.sharing);
    const busy = () => this.current()?.view.phase !== "ended" && this.current() !== undefined;
    const store = session;
    const connection = new Connection({ server, site, device, store, token, seen, page, busy });
    const engagements = new EngagementStore(connection);
    this.connection = connection;
    this.engagements = engagements;
    connection.on("session.ready", () => {
      this.sharing.connected();
      this.settings.emit("ready", { verified: visitor.known?.verified ?? false });
    });
    connection.on("chat.posted", ({ message }) => {
      if (message.by !== engagements.me) this.settings.emit("message", {});
    });
    connection.on("error", ({ error }) => this.settings.emit("error", { code: error.code }));
    engagements.subscribe(() => this.changed());
    if (session.getItem(CALL_KEY) !== null) await this.calls();
    connection.start();
    return connection;
  }

  private loadCallCode(): Promise<CallCode> {
    this.code ??= import("./call.ts").catch((error: unknown) => {
      this.code = null;
      throw error;
    });
    return this.code;
  }

  private async calls(): Promise<CallKeeper> {
    const code = await this.loadCallCode();
    const { connection, engagements, api } = this;
    if (this.keeper === null && connection !== null && engagements !== null) {
      this.keeper = new code.CallKeeper({ connection, engagements, api, store: session });
      const leg = code.takeResumed();
      if (leg !== null) this.keeper.adopt(leg);
      this.keeper.subscribe(() => this.notify());
    }
    if (this.keeper === null) throw new TalkError("offline");
    return this.keeper;
  }

  private changed(): void {
    const state = this.current();
    const call = state?.view.call.state ?? "none";
    if (call !== this.callState) {
      this.callState = call;
      this.settings.emit("call", { state: call });
    }
    if (call !== "none" && this.keeper === null) this.calls().catch(() => undefined);
    if (call !== "none") void this.followLinks();
    this.followShare();
    if (isLive(state)) local.setItem(this.liveKey, this.engagements?.me ?? "");
    else if (state !== undefined) local.removeItem(this.liveKey);
    this.mark();
    this.notify();
  }

  /** Where the site wants it, links are followed in place while this page carries the call. */
  private async followLinks(): Promise<void> {
    const carries = () => {
      const phase = this.leg()?.state.phase ?? "idle";
      return this.settings.softNavigation && phase !== "elsewhere" && phase !== "closed" && phase !== "idle";
    };
    if (!this.settings.softNavigation || this.soft !== null || this.callState === "none") return;
    const { SoftNavigation } = await import("./softnav.ts");
    this.soft ??= new SoftNavigation({
      active: carries,
      loader: `${this.settings.server}/talknow.js`,
      shown: (title) => {
        this.announcement = title;
        this.visited();
        this.notify();
      },
    });
  }

  /** Delivered when it is here; read when the panel is open and can be seen. */
  private mark(): void {
    const id = this.current()?.view.id;
    if (id !== undefined)
      void this.engagements?.mark(id, this.isOpen && document.visibilityState === "visible");
  }

  /** The page is another one without a load: tell the agent. */
  private visited(): void {
    const state = this.current();
    if (!isLive(state)) return;
    this.connection
      ?.tell("page.visit", { engagement: state.view.id, page: pageNow(this.sharing) })
      .catch(() => undefined);
  }

  private watchPage(): void {
    document.addEventListener("visibilitychange", () => this.mark());
    const moved = () => {
      if (!this.soft?.busy) this.visited();
    };
    const navigation = (window as { navigation?: EventTarget }).navigation;
    if (navigation) navigation.addEventListener("navigatesuccess", moved);
    else addEventListener("popstate", moved);
    // The peer connection is left alone: the browser sends a little longer than this event (measured).
    addEventListener("pagehide", (event) => {
      const state = this.current();
      if (isLive(state)) {
        this.connection?.tell("page.leave", { engagement: state.view.id }).catch(() => undefined);
      }
      // An open socket would keep the page out of the back/forward cache, or throw it out of it.
      if (event.persisted) this.connection?.stop();
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.connection?.start();
    });
  }

  private reset(): void {
    this.era += 1;
    this.sharing.end();
    this.keeper?.close();
    this.connection?.stop();
    this.engagements?.clear();
    this.keeper = null;
    this.connection = null;
    this.engagements = null;
    this.starting = null;
    this.dismissed = "";
    this.notice = "";
    session.removeItem(CALL_KEY);
    local.removeItem(this.liveKey);
    this.notify();
  }

  private notify(): void {
    for (const fn of this.watchers) fn();
  }
}

/** The page as the browser names it, within the protocol's limits; while it is shared, as those who look may know it. */
function pageNow({ recorder }: Sharing): Page {
  return recorder?.page() ?? { url: location.href.slice(0, 2_048), title: document.title.slice(0, 300) };
}
