/**
 * The direct link of a two-party call: browser to browser beside the anchored path, which stays up.
 *
 * Media goes over it once sound arrives that way; when none arrives any more, it goes over the anchored path
 * again at once: nothing has to be opened for that. One side always offers, so there is no glare. Whoever is
 * new (a page load) says `close` first, and the offering side begins again with a new attempt.
 * Source: RFC 8829; W3C WebRTC 1.0; docs/architecture.md, "Direct calls".
 */
import type { CallSignalDirect, IceServer } from "@talknow/protocol";
import { iceServers } from "./answer.ts";
import { type Levels, levelsOf } from "./levels.ts";
import type { PeerFactory } from "./path.ts";
import { type Kind, PLACES, type Place, SEND_MID } from "./places.ts";
import { carry } from "./sending.ts";

export type DirectSignal = Pick<CallSignalDirect, "attempt" | "kind" | "body">;

export interface DirectOptions {
  create: PeerFactory | undefined;
  iceServers: () => IceServer[];
  track(track: MediaStreamTrack, place: Place): void;
  /** Media goes this way from now on, or no longer. */
  changed(up: boolean): void;
  /** What this side sends, by kind. */
  tracks: Record<Kind, MediaStreamTrack | null>;
  signal(signal: DirectSignal): void;
}

/** Sound comes every 20 ms, also from a muted microphone: silence of the line this long is a dead line. */
export const SILENT_MS = 1_000;
export const WATCH_MS = 200;
export const CONNECT_MS = 8_000;
export const AGAIN_MS = 30_000;
/** The other side changes its way a little later: until then it is heard here. */
export const LINGER_MS = 500;

/** Nothing is sent any more, and it closes when the other side has changed its way too. */
function retire(peer: RTCPeerConnection, afterMs: number): void {
  for (const sender of peer.getSenders()) sender.replaceTrack(null).catch(() => undefined);
  setTimeout(() => peer.close(), afterMs);
}

export class DirectLink {
  /** Media goes this way now. */
  up = false;
  private offers = false;
  private allowed = false;
  private attempt = "";
  private peer: RTCPeerConnection | null = null;
  private candidates: RTCIceCandidateInit[] = [];
  private heardMs = 0;
  private lastStamp = 0;
  private watching: ReturnType<typeof setInterval> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: DirectOptions) {}

  /** Idempotent while allowed. */
  start(offers: boolean): void {
    if (this.allowed) return;
    this.allowed = true;
    this.offers = offers;
    if (offers) void this.offer();
    else this.options.signal({ attempt: "", kind: "close", body: "" });
  }

  /** Media goes back to the anchored path; what is still under way here is heard to its end. */
  stop(): void {
    if (!this.allowed) return;
    this.allowed = false;
    clearTimeout(this.retry);
    this.close(this.up ? LINGER_MS : 0);
  }

  send(kind: Kind, track: MediaStreamTrack | null): void {
    const sender = this.peer?.getTransceivers().find(({ mid }) => mid === SEND_MID[kind])?.sender;
    if (sender) void carry(sender, kind, track);
  }

  /** What the other side said. Anything of another attempt is late and means nothing. */
  async receive({ attempt, kind, body = "" }: DirectSignal): Promise<void> {
    if (!this.allowed) return;
    try {
      if (kind === "close") this.closed(attempt);
      else if (kind === "offer" && !this.offers) await this.answer(attempt, body);
      else if (attempt === this.attempt && kind === "answer") await this.answered(body);
      else if (attempt === this.attempt && kind === "candidate") await this.candidate(JSON.parse(body));
    } catch {
      this.fall();
    }
  }

  levels(): Promise<Levels> {
    return levelsOf(this.peer);
  }

  private async offer(): Promise<void> {
    this.close();
    const peer = this.open(crypto.randomUUID());
    for (const kind of ["audio", "video", "video"]) peer.addTransceiver(kind, { direction: "sendrecv" });
    await peer.setLocalDescription(await peer.createOffer());
    if (peer !== this.peer) return;
    this.sendAll();
    this.tell("offer", peer.localDescription?.sdp ?? "");
  }

  private async answer(attempt: string, sdp: string): Promise<void> {
    this.close();
    const peer = this.open(attempt);
    await peer.setRemoteDescription({ type: "offer", sdp });
    for (const transceiver of peer.getTransceivers()) transceiver.direction = "sendrecv";
    await peer.setLocalDescription(await peer.createAnswer());
    if (peer !== this.peer) return;
    this.sendAll();
    this.tell("answer", peer.localDescription?.sdp ?? "");
    await this.addCandidates();
  }

  private async answered(sdp: string): Promise<void> {
    await this.peer?.setRemoteDescription({ type: "answer", sdp });
    await this.addCandidates();
  }

  private async candidate(candidate: RTCIceCandidateInit): Promise<void> {
    this.candidates.push(candidate);
    if (this.peer?.remoteDescription) await this.addCandidates();
  }

  private async addCandidates(): Promise<void> {
    for (const candidate of this.candidates.splice(0)) await this.peer?.addIceCandidate(candidate);
  }

  /** The other side let go: begin again soon (it is new here) or later (it found the line dead). */
  private closed(attempt: string): void {
    if (attempt !== "" && attempt !== this.attempt) return;
    this.close();
    if (this.offers) this.again(attempt === "" ? 0 : AGAIN_MS);
  }

  private open(attempt: string): RTCPeerConnection {
    const create = this.options.create ?? ((config) => new RTCPeerConnection(config));
    const peer = create({ iceServers: iceServers(this.options.iceServers()), bundlePolicy: "max-bundle" });
    this.peer = peer;
    this.attempt = attempt;
    this.candidates = [];
    this.heardMs = performance.now() + CONNECT_MS;
    peer.ontrack = ({ track, transceiver }) => {
      const place = PLACES[Number(transceiver.mid)];
      if (place !== undefined) this.options.track(track, place);
    };
    peer.onicecandidate = ({ candidate }) => {
      if (candidate && peer === this.peer) this.tell("candidate", JSON.stringify(candidate.toJSON()));
    };
    peer.onconnectionstatechange = () => {
      if (peer !== this.peer) return;
      const lost = peer.connectionState === "failed" || peer.connectionState === "disconnected";
      if (lost) this.fall();
    };
    this.watching = setInterval(() => this.watch(peer), WATCH_MS);
    return peer;
  }

  private sendAll(): void {
    for (const kind of ["audio", "video", "screen"] as const) this.send(kind, this.options.tracks[kind]);
  }

  /** Up with the first sound that arrives, dead when none arrives any more. */
  private watch(peer: RTCPeerConnection): void {
    if (peer !== this.peer) return;
    const now = performance.now();
    const audio = peer.getTransceivers().find(({ mid }) => mid === SEND_MID.audio)?.receiver;
    const stamp = audio?.getSynchronizationSources()[0]?.timestamp ?? 0;
    if (stamp > this.lastStamp) {
      this.lastStamp = stamp;
      this.heardMs = now;
      if (!this.up) this.become(true);
    } else if (now - this.heardMs > SILENT_MS) this.fall();
  }

  /** The line is dead: the anchored path carries again, and the other side is told so. */
  private fall(): void {
    if (this.peer === null) return;
    this.tell("close", "");
    this.close();
    if (this.offers) this.again(AGAIN_MS);
  }

  private again(afterMs: number): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      if (this.allowed) void this.offer();
    }, afterMs);
  }

  private close(lingerMs = 0): void {
    clearInterval(this.watching);
    const peer = this.peer;
    this.peer = null;
    this.attempt = "";
    this.lastStamp = 0;
    if (this.up) this.become(false);
    if (peer === null) return;
    peer.ontrack = null;
    peer.onicecandidate = null;
    peer.onconnectionstatechange = null;
    if (lingerMs === 0) peer.close();
    else retire(peer, lingerMs);
  }

  private become(up: boolean): void {
    this.up = up;
    this.options.changed(up);
  }

  private tell(kind: DirectSignal["kind"], body: string): void {
    this.options.signal({ attempt: this.attempt, kind, body });
  }
}
