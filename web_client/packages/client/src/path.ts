/**
 * One peer connection of a leg: answers the server's offer at once and reports whether it lives.
 *
 * It never gathers before answering, never opens a device and never decides what follows its end.
 * Source: RFC 8829; W3C WebRTC 1.0; the measurements behind 'answer first, attach tracks later'.
 */
import type { PathOffer } from "@talknow/protocol";
import { answer, type Begun, configurationOf } from "./answer.ts";
import { type Levels, levelsOf } from "./levels.ts";
import { type Kind, PLACES, type Place, SEND_MID } from "./places.ts";
import { carry } from "./sending.ts";

export type PeerFactory = (config: RTCConfiguration) => RTCPeerConnection;

export interface PathEvents {
  /** Something arrives at a place of this path. */
  track(track: MediaStreamTrack, place: Place): void;
  connected(): void;
  /** The path is dead, or has been silent longer than `DISCONNECTED_MS`. */
  dead(): void;
}

/** A short interruption of the network heals by itself; after this a new path is quicker. */
export const DISCONNECTED_MS = 2_000;
/** A path that is not up after this never will be. */
export const CONNECT_MS = 6_000;
const LISTEN_MS = 20;

export class Path {
  readonly id: string;
  /** Resolves once, with the first connection. */
  readonly whenConnected: Promise<void>;
  private wakeUp: () => void = () => undefined;
  revision: number;
  connected = false;
  private readonly peer: RTCPeerConnection;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private begun: Promise<string> | undefined;

  /** from: how a peer is made, or one that answers the offer already. */
  constructor(
    offer: PathOffer,
    private readonly events: PathEvents,
    from: PeerFactory | Begun = (config) => new RTCPeerConnection(config),
  ) {
    this.id = offer.path;
    this.whenConnected = new Promise((resolve) => {
      this.wakeUp = resolve;
    });
    this.revision = offer.revision;
    this.peer = typeof from === "function" ? from(configurationOf(offer)) : from.peer;
    this.peer.ontrack = (event) => this.arrived(event);
    this.peer.onconnectionstatechange = () => this.watch();
    this.timer = setTimeout(() => this.die(), CONNECT_MS);
    if (typeof from === "function") return;
    this.begun = from.answered;
    // Its owner must know this path before it hears of it.
    queueMicrotask(() => {
      for (const event of from.arrived) this.arrived(event);
      this.watch();
    });
  }

  /** Apply the offer (also a later revision of it) and return the answer's SDP. */
  async answer(offer: PathOffer): Promise<string> {
    const sdp = await (this.begun ?? answer(this.peer, offer));
    this.begun = undefined;
    this.revision = offer.revision;
    return sdp;
  }

  /** What this side sends; null sends nothing. Needs no negotiation. */
  async send(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
    if (this.closed) return;
    const transceiver = this.sends(kind);
    if (transceiver) await carry(transceiver.sender, kind, track);
  }

  /** Resolves when sound arrives here, or none has for so long, or the path is closed. */
  async whenHeard(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs;
    while (!this.closed && !this.hears() && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
    }
  }

  private hears(): boolean {
    const audio = this.peer.getReceivers().filter(({ track }) => track.kind === "audio");
    return audio.some((receiver) => receiver.getSynchronizationSources().length > 0);
  }

  levels(): Promise<Levels> {
    return levelsOf(this.closed ? null : this.peer);
  }

  private arrived({ track, transceiver }: RTCTrackEvent): void {
    if (this.closed) return;
    const place = PLACES[Number(transceiver.mid)];
    if (place !== undefined) this.events.track(track, place);
  }

  private sends(kind: Kind): RTCRtpTransceiver | undefined {
    return this.peer.getTransceivers().find((one) => one.mid === SEND_MID[kind]);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.peer.ontrack = null;
    this.peer.onconnectionstatechange = null;
    this.peer.close();
  }

  private watch(): void {
    const state = this.peer.connectionState;
    if (state === "connected") {
      clearTimeout(this.timer);
      this.connected = true;
      this.wakeUp();
      this.events.connected();
    } else if (state === "failed" || state === "closed") {
      this.die();
    } else if (state === "disconnected") {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.die(), DISCONNECTED_MS);
    }
  }

  private die(): void {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.connected = false;
    this.events.dead();
  }
}
