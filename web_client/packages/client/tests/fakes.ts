/** A server's end of the wire, storage, locks and peer connections that tests drive by hand. */
import type { Ack, ConnectAuth, EngagementView, PathOffer } from "@talknow/protocol";
import type { Wire } from "../src/connection.ts";
import { type Kind, PLACES, SEND_MID } from "../src/places.ts";

export class FakeWire implements Wire {
  readonly sent: { name: string; body: Record<string, unknown>; ack: (ack: Ack) => void }[] = [];
  closed = false;
  private readonly handlers = new Map<string, (...args: unknown[]) => void>();
  constructor(readonly auth: ConnectAuth) {}
  on(event: string, fn: (...args: never[]) => void): void {
    this.handlers.set(event, fn as (...args: unknown[]) => void);
  }
  emit(name: string, body: unknown, ack: (ack: Ack) => void): void {
    this.sent.push({ name, body: body as Record<string, unknown>, ack });
  }
  disconnect(): void {
    this.closed = true;
  }
  /** The server says. */
  say(event: string, payload?: unknown): void {
    this.handlers.get(event)?.(payload);
  }
  ready(engagements: unknown[] = [], more: object = {}): void {
    this.say("session.ready", {
      protocol: 1,
      participant: "v_1",
      role: "visitor",
      name: "Visitor",
      site: "demo",
      server_ms: Date.now(),
      engagements,
      ...more,
    });
  }
}

/** Web Locks of one browser, shared by several tabs. */
export class FakeLocks {
  private readonly held = new Set<string>();
  private readonly waiting = new Map<string, (() => void)[]>();
  request = (async (name: string, ...rest: unknown[]) => {
    const options = (rest.length > 1 ? rest[0] : {}) as LockOptions;
    const work = rest.at(-1) as (lock: Lock | null) => unknown;
    if (this.held.has(name)) {
      if (options.ifAvailable) return work(null);
      await new Promise<void>((go) => this.waiting.set(name, [...(this.waiting.get(name) ?? []), go]));
    }
    this.held.add(name);
    await work({ name, mode: "exclusive" });
    this.release(name);
  }) as LockManager["request"];
  /** The tab that held it is gone. */
  release(name: string): void {
    this.held.delete(name);
    this.waiting.get(name)?.shift()?.();
  }
  has(name: string): boolean {
    return this.held.has(name);
  }
}

export class FakeTrack extends EventTarget {
  readyState: "live" | "ended" = "live";
  enabled = true;
  constructor(readonly kind: "audio" | "video") {
    super();
  }
  stop(): void {
    this.readyState = "ended";
  }
}

export class FakeStream {
  private readonly tracks: FakeTrack[];
  constructor(tracks: Iterable<FakeTrack> = []) {
    this.tracks = [...tracks];
  }
  getTracks(): FakeTrack[] {
    return this.tracks;
  }
}

interface FakeTransceiver {
  mid: string;
  direction: string;
  receiver: { track: FakeTrack };
  sender: { track: FakeTrack | null; replaceTrack(track: FakeTrack | null): Promise<void> };
}

export class FakePeer {
  static all: FakePeer[] = [];
  connectionState = "new";
  /** Sound arrives. */
  heard = false;
  ontrack: ((event: { track: FakeTrack; transceiver: FakeTransceiver }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  remote = "";
  private readonly transceivers: FakeTransceiver[] = [];
  constructor() {
    FakePeer.all.push(this);
  }
  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.remote = sdp;
    if (this.transceivers.length > 0) return;
    for (const [mid, place] of PLACES.entries()) {
      const kind = place.startsWith("audio") ? "audio" : "video";
      const track = new FakeTrack(kind);
      const sender: FakeTransceiver["sender"] = {
        track: null,
        replaceTrack: async (next) => {
          sender.track = next;
        },
      };
      const transceiver = { mid: String(mid), direction: "recvonly", receiver: { track }, sender };
      this.transceivers.push(transceiver);
      this.ontrack?.({ track, transceiver });
    }
  }
  async createAnswer(): Promise<{ type: string; sdp: string }> {
    return { type: "answer", sdp: `answer to ${this.remote} ${this.directions().join()}` };
  }
  async setLocalDescription(): Promise<void> {}
  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }
  getReceivers(): { track: FakeTrack; getSynchronizationSources(): unknown[] }[] {
    const getSynchronizationSources = () => (this.heard ? [{ source: 1 }] : []);
    return this.transceivers.map(({ receiver }) => ({ ...receiver, getSynchronizationSources }));
  }
  async getStats(): Promise<Map<string, unknown>> {
    return new Map([["1", { type: "media-source", kind: "audio", audioLevel: 0.5 }]]);
  }
  close(): void {
    this.connectionState = "closed";
    for (const one of this.transceivers) one.receiver.track.stop();
  }
  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  directions(): string[] {
    return this.transceivers.map((one) => one.direction);
  }
  sends(kind: Kind): FakeTrack | null {
    return this.transceivers.find((one) => one.mid === SEND_MID[kind])?.sender.track ?? null;
  }
}

export function offerOf(path: string, engagement = "e_1"): PathOffer {
  return {
    engagement,
    leg: "l_1",
    path,
    revision: 0,
    sdp: `offer ${path}`,
    expires_ms: 0,
    ice_servers: [],
    relay_only: false,
  };
}

export function viewOf(change: Partial<EngagementView> = {}): EngagementView {
  return {
    id: "e_1",
    site: "demo",
    phase: "active",
    seq: 1,
    opened_ms: 1,
    queued_ms: 1,
    ended_ms: 0,
    end_reason: "",
    participants: [],
    call: {
      state: "none",
      video_wanted: false,
      suggestion: "",
      suggested_by: null,
      connected_ms: 0,
      legs: [],
      direct: false,
    },
    marks: [],
    agent: null,
    page: null,
    wrap_up_due_ms: 0,
    cobrowse: {
      state: "off",
      requested_by: null,
      since_ms: 0,
      asks: [],
      grants: [],
      viewers: [],
      masked: 0,
      code: "",
      code_due_ms: 0,
    },
    ...change,
  };
}

/** Let everything that only waits for promises happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}
