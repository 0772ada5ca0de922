/**
 * This tab's leg of a call: answers paths, keeps audio flowing over page changes and dead networks.
 *
 * A leg outlives its paths. A new path is answered while the old one still plays; both are used until the
 * other side is heard on the new one, for it may still be on its way there. It never hangs up: that is a
 * command of the person. `close` only lets go.
 */
import type { IceServer, PathOffer } from "@talknow/protocol";
import type { Begun } from "./answer.ts";
import { DirectLink, type DirectSignal } from "./direct.ts";
import { type Api, TalkError } from "./http.ts";
import { type DeviceState, type Devices, LocalMedia } from "./media.ts";
import { Path, type PeerFactory } from "./path.ts";
import { KINDS, type Kind, type Place } from "./places.ts";
import type { Store } from "./storage.ts";
import { forgetCall, readCall, saveCall } from "./ticket.ts";

export type LegPhase = "idle" | "connecting" | "connected" | "reconnecting" | "elsewhere" | "closed";

export interface LegState {
  engagement: string;
  phase: LegPhase;
  muted: boolean;
  microphone: DeviceState;
  camera: DeviceState;
  /** The browser refused to play sound until the person taps; `hear()` in a tap plays it. */
  silenced: boolean;
  screen: DeviceState;
  preview: MediaStream | null;
  /** What I share of my screen. */
  shared: MediaStream | null;
  /** Pictures of the others by place (`places.ts`); show one when the view says that it is on. */
  pictures: Partial<Record<Place, MediaStream>>;
  /** Media goes from browser to browser just now. */
  direct: boolean;
}

export interface Speaker {
  srcObject: MediaProvider | null;
  autoplay: boolean;
  play(): Promise<void>;
  pause(): void;
  setSinkId?(id: string): Promise<void>;
}

/** A microphone that was asked for, and a path whose answer is under way. */
export interface Early {
  microphone?: Promise<MediaStream> | undefined;
  path?: Begun | undefined;
}

export function dropEarly(early: Early | undefined): void {
  early?.path?.peer.close();
  early?.microphone?.then(
    (stream) => {
      for (const track of stream.getTracks()) track.stop();
    },
    () => undefined,
  );
}

export interface LegOptions {
  engagement: string;
  device: string;
  api: Pick<Api, "openPath" | "answerPath">;
  store: Store;
  devices?: Devices | undefined;
  /** What was begun before this code was loaded. */
  early?: Early | undefined;
  locks?: Pick<LockManager, "request"> | undefined;
  createPeer?: PeerFactory;
  createSpeaker?: () => Speaker;
  random?: () => number;
  signalDirect?: (signal: DirectSignal) => void;
}

const OVER = new Set(["not_found", "invalid_state", "engagement_closed", "forbidden"]);
const LONGEST_WAIT_MS = 5_000;
const LEVEL_MS = 200;
/** A node that lets go of a call carries it on for two seconds. */
const OLD_PATH_MS = 2_500;
/** First the voice is heard; then there is time for more. */
const WIDEN_AFTER_MS = 150;

/** A stream of one track; the one before while it is the same track. */
function streamOf(track: MediaStreamTrack | null, before: MediaStream | null): MediaStream | null {
  if (track === null) return null;
  return before?.getTracks()[0] === track ? before : new MediaStream([track]);
}

export class CallLeg {
  state: LegState;
  /** Gives something to the other leg of a direct call; set by whoever has the connection. */
  signalDirect: ((signal: DirectSignal) => void) | undefined;
  /** The person's own devices. */
  readonly media: LocalMedia;
  private path: Path | null = null;
  private old: Path | null = null;
  /** One per remote audio track: browsers differ in what they do with several in one element. */
  private readonly speakers = new Map<MediaStreamTrack, Speaker>();
  private speakerId = "";
  /** Pictures that arrive, by the way they take. */
  private readonly pictures = {
    path: new Map<Place, MediaStreamTrack>(),
    direct: new Map<Place, MediaStreamTrack>(),
  };
  private readonly direct: DirectLink;
  private iceServers: IceServer[] = [];
  private begun: Begun | undefined;
  private ticket: PathOffer | null = null;
  private camera = false;
  private attempt = 0;
  private refusals = 0;
  private turn = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly watchers = new Set<() => void>();
  private release: (() => void) | null = null;

  constructor(private readonly options: LegOptions) {
    this.signalDirect = options.signalDirect;
    const devices = options.devices ?? globalThis.navigator?.mediaDevices;
    this.media = new LocalMedia(devices, (kind) => this.deviceChanged(kind), options.early?.microphone);
    this.begun = options.early?.path;
    this.state = {
      engagement: options.engagement,
      phase: "idle",
      muted: false,
      microphone: "off",
      camera: "off",
      silenced: false,
      screen: "off",
      preview: null,
      shared: null,
      pictures: {},
      direct: false,
    };
    this.direct = new DirectLink({
      create: options.createPeer,
      iceServers: () => this.iceServers,
      track: (track, place) => this.receive("direct", track, place),
      changed: (up) => this.carryDirect(up),
      tracks: this.media.track,
      signal: (signal) => this.signalDirect?.(signal),
    });
    globalThis.addEventListener?.("online", this.networkBack);
    this.hold();
  }

  get engagement(): string {
    return this.options.engagement;
  }

  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  /** Answer an offered path. Microphone and answer go in parallel; neither waits for the other. */
  async accept(offer: PathOffer): Promise<void> {
    if (this.state.phase === "closed" || offer.engagement !== this.engagement) return;
    const current = this.path;
    if (current?.id === offer.path && offer.revision <= current.revision) return;
    this.turn += 1;
    const turn = this.turn;
    clearTimeout(this.retry);
    this.set({ phase: this.state.phase === "idle" ? "connecting" : this.phaseWhileMoving() });
    this.iceServers = offer.ice_servers ?? [];
    const path = current?.id === offer.path ? current : this.newPath(offer);
    const microphone = this.media.open("audio");
    try {
      const sdp = await path.answer(offer);
      if (turn !== this.turn) return;
      this.attach(path);
      const { engagement, device } = this.options;
      const body = { engagement, device, revision: offer.revision, sdp };
      const reply = await this.options.api.answerPath(offer.path, body);
      if (turn === this.turn && reply.ticket) this.keepTicket(reply.ticket);
      if (reply.offer) void this.widen(path, reply.offer);
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    }
    await microphone;
  }

  /**
   * A path begins with the voice alone. Once it is up it gets all its places, pictures among them; nothing
   * that is heard is touched by that.
   */
  private async widen(path: Path, offer: PathOffer): Promise<void> {
    await path.whenConnected;
    await new Promise((resolve) => setTimeout(resolve, WIDEN_AFTER_MS));
    if (path !== this.path) return;
    try {
      const sdp = await path.answer(offer);
      const { engagement, device } = this.options;
      await this.options.api.answerPath(offer.path, { engagement, device, revision: offer.revision, sdp });
      if (path === this.path) this.attach(path);
    } catch {
      // The voice goes on; the next path brings the pictures.
    }
  }

  /** After a page load: answer the saved ticket, or ask for a path when it is spent. */
  async resume(): Promise<void> {
    const saved = readCall(this.options.store, this.options.device, this.engagement);
    if (saved !== null) {
      this.media.setMuted(saved.muted);
      this.camera = saved.camera;
      if (saved.camera) void this.media.open("video");
    }
    const ticket = saved?.ticket ?? null;
    this.set({ phase: "reconnecting" });
    this.save();
    if (ticket === null) await this.reopen();
    else await this.accept(ticket);
  }

  /** Ask the server for a new path of this leg and answer it. */
  async reopen(): Promise<void> {
    if (this.state.phase === "closed") return;
    clearTimeout(this.retry);
    this.turn += 1;
    const turn = this.turn;
    if (this.state.phase !== "idle") this.set({ phase: "reconnecting" });
    void this.media.open("audio");
    try {
      const { engagement, device } = this.options;
      const offer = await this.options.api.openPath({ engagement, device });
      if (turn === this.turn) await this.accept(offer);
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    }
  }

  /** The server prepared the next path: keep it for the next page. */
  keepTicket(ticket: PathOffer): void {
    this.ticket = ticket;
    this.save();
  }

  setMuted(muted: boolean): void {
    this.media.setMuted(muted);
    this.save();
  }

  /** Turn the camera on or off; resolves to whether it is on. */
  async setCamera(on: boolean): Promise<boolean> {
    if (on) await this.media.open("video");
    else this.media.close("video");
    this.camera = this.media.state.video === "on";
    this.save();
    return this.camera;
  }

  /** Share the screen or stop; resolves to whether it is shared. Call it in the click. */
  async setScreen(on: boolean): Promise<boolean> {
    if (on) await this.media.open("screen");
    else this.media.close("screen");
    return this.media.state.screen === "on";
  }

  /** The two browsers may (or may no longer) connect to each other; `offers`: I begin. */
  allowDirect(allowed: boolean, offers: boolean): void {
    if (allowed) this.direct.start(offers);
    else this.direct.stop();
  }

  directSignalled(signal: DirectSignal): void {
    void this.direct.receive(signal);
  }

  async chooseSpeaker(deviceId: string): Promise<void> {
    this.speakerId = deviceId;
    await Promise.all([...this.speakers.values()].map((speaker) => speaker.setSinkId?.(deviceId)));
  }

  /** In a tap: play what the browser would not play by itself. */
  hear(): void {
    for (const speaker of this.speakers.values()) this.play(speaker);
  }

  /** Report loudness (0 to 1) five times a second; returns how to stop. */
  watchLevels(fn: (levels: { mine: number; theirs: number }) => void): () => void {
    const timer = setInterval(async () => {
      const levels = await (this.direct.up ? this.direct : this.path)?.levels().catch(() => undefined);
      if (levels) fn(levels);
    }, LEVEL_MS);
    return () => clearInterval(timer);
  }

  /** Another tab took the leg: let go of path and devices, but keep showing where it is. */
  moved(): void {
    this.letGo();
    this.set({ phase: "elsewhere" });
  }

  /** The call is over, or this page gives it up. */
  close(): void {
    this.letGo();
    globalThis.removeEventListener?.("online", this.networkBack);
    this.set({ phase: "closed" });
  }

  private letGo(): void {
    this.direct.stop();
    this.turn += 1;
    clearTimeout(this.retry);
    this.path?.close();
    this.old?.close();
    this.begun?.peer.close();
    this.begun = undefined;
    this.path = null;
    this.old = null;
    this.media.close("audio");
    this.media.close("video");
    this.media.close("screen");
    this.sweep(true);
    forgetCall(this.options.store, this.options.device, this.engagement);
    this.release?.();
    this.release = null;
  }

  private newPath(offer: PathOffer): Path {
    const { begun } = this;
    this.begun = undefined;
    if (begun !== undefined && begun.offer.path !== offer.path) begun.peer.close();
    const path = new Path(
      offer,
      {
        track: (track, place) => this.receive(path, track, place),
        connected: () => this.up(path),
        dead: () => this.down(path),
      },
      begun?.offer.path === offer.path ? begun : this.options.createPeer,
    );
    if (this.path?.connected) {
      this.old?.close();
      this.old = this.path;
    } else {
      this.path?.close();
    }
    this.path = path;
    return path;
  }

  private attach(path: Path): void {
    for (const kind of KINDS) void path.send(kind, this.direct.up ? null : this.media.track[kind]);
  }

  /** Direct media came up or went: what I send changes its way, both ways are played. */
  private carryDirect(up: boolean): void {
    if (this.path) this.attach(this.path);
    this.set({ direct: up, pictures: this.shownPictures() });
  }

  private receive(from: Path | "direct", track: MediaStreamTrack, place: Place): void {
    if (from !== "direct" && from !== this.path) return;
    if (track.kind === "video") {
      this.pictures[from === "direct" ? "direct" : "path"].set(place, track);
      this.set({ pictures: this.shownPictures() });
      return;
    }
    const speaker = (this.options.createSpeaker ?? (() => new Audio()))();
    speaker.autoplay = true;
    speaker.srcObject = new MediaStream([track]);
    if (this.speakerId !== "") void speaker.setSinkId?.(this.speakerId).catch(() => undefined);
    this.speakers.set(track, speaker);
    this.play(speaker);
  }

  private play(speaker: Speaker): void {
    speaker.play().then(
      () => this.set({ silenced: false }),
      (error: unknown) => {
        if (error instanceof Error && error.name === "NotAllowedError") this.set({ silenced: true });
      },
    );
  }

  /** Forget the tracks of closed paths, or all. */
  private sweep(all: boolean): void {
    for (const [track, speaker] of this.speakers) {
      if (!all && track.readyState === "live") continue;
      speaker.pause();
      speaker.srcObject = null;
      this.speakers.delete(track);
    }
    for (const way of [this.pictures.path, this.pictures.direct]) {
      for (const [place, track] of way) if (all || track.readyState !== "live") way.delete(place);
    }
    this.set({ pictures: this.shownPictures() });
  }

  /** The same stream object while its track is the same, so that nothing flickers. */
  private shownPictures(): Partial<Record<Place, MediaStream>> {
    const shown: Partial<Record<Place, MediaStream>> = {};
    const tracks = new Map([...this.pictures.path, ...(this.direct.up ? this.pictures.direct : [])]);
    for (const [place, track] of tracks) {
      shown[place] = streamOf(track, this.state.pictures[place] ?? null) ?? undefined;
    }
    return shown;
  }

  private up(path: Path): void {
    if (path !== this.path) return;
    this.attempt = 0;
    this.refusals = 0;
    this.set({ phase: "connected" });
    void this.leaveOld(path);
  }

  private async leaveOld(path: Path): Promise<void> {
    if (this.old !== null) await path.whenHeard(OLD_PATH_MS);
    if (path !== this.path) return;
    this.old?.close();
    this.old = null;
    this.sweep(false);
  }

  private down(path: Path): void {
    if (path === this.old) {
      this.old = null;
      path.close();
    } else if (path === this.path) {
      void this.reopen();
    }
  }

  private failed(error: unknown): void {
    const code = error instanceof TalkError ? error.code : "invalid_sdp";
    if (code === "control_held") {
      this.moved();
      return;
    }
    this.attempt += 1;
    if (OVER.has(code)) this.refusals += 1;
    // The first refusal may only mean that the ticket was spent: a fresh path tells.
    if (this.refusals > 1) {
      this.close();
      return;
    }
    this.set({ phase: this.phaseWhileMoving() });
    const top = Math.min(LONGEST_WAIT_MS, 250 * 2 ** this.attempt);
    const wait = OVER.has(code) ? 0 : top * (0.5 + (this.options.random ?? Math.random)() / 2);
    this.retry = setTimeout(() => void this.reopen(), wait);
  }

  private phaseWhileMoving(): LegPhase {
    if (this.path?.connected) return "connected";
    return this.state.phase === "connecting" ? "connecting" : "reconnecting";
  }

  private readonly networkBack = (): void => {
    const { phase } = this.state;
    if (phase === "reconnecting" && this.path?.connected !== true) void this.reopen();
  };

  private deviceChanged(kind: Kind): void {
    const track = this.media.track[kind];
    if (kind === "video") this.camera = track !== null;
    this.direct.send(kind, track);
    void this.path?.send(kind, this.direct.up ? null : track);
    this.set({
      muted: this.media.muted,
      microphone: this.media.state.audio,
      camera: this.media.state.video,
      screen: this.media.state.screen,
      preview: streamOf(this.media.track.video, this.state.preview),
      shared: streamOf(this.media.track.screen, this.state.shared),
    });
  }

  private save(): void {
    if (this.state.phase === "closed" || this.state.phase === "elsewhere") return;
    const { engagement, device } = this.options;
    const { ticket, camera } = this;
    saveCall(this.options.store, { device, engagement, ticket, muted: this.media.muted, camera });
  }

  /** Held while this tab has the leg, so that the other tabs of this browser can know. */
  private hold(): void {
    this.options.locks
      ?.request(
        `talknow-call-${this.engagement}`,
        () =>
          new Promise<void>((resolve) => {
            this.release = resolve;
          }),
      )
      .catch(() => undefined);
  }

  private set(change: Partial<LegState>): void {
    this.state = { ...this.state, ...change };
    for (const fn of this.watchers) fn();
  }
}
