import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  AGAIN_MS,
  CONNECT_MS,
  DirectLink,
  type DirectSignal,
  LINGER_MS,
  SILENT_MS,
  WATCH_MS,
} from "../src/direct.ts";
import { FakeTrack, settle } from "./fakes.ts";

/** A peer connection of which tests say what arrives. */
class Line {
  static all: Line[] = [];
  connectionState = "new";
  remoteDescription: { sdp: string } | null = null;
  localDescription: { sdp: string } | null = null;
  candidates: unknown[] = [];
  closed = false;
  stamp = 0;
  ontrack: unknown = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  private readonly transceivers: {
    mid: string;
    direction: string;
    sender: { track: FakeTrack | null; replaceTrack(track: FakeTrack | null): Promise<void> };
    receiver: { getSynchronizationSources(): { timestamp: number }[] };
  }[] = [];
  constructor() {
    Line.all.push(this);
  }
  addTransceiver(): void {
    const sender = {
      track: null as FakeTrack | null,
      replaceTrack: async (track: FakeTrack | null) => {
        sender.track = track;
      },
    };
    const receiver = { getSynchronizationSources: () => (this.stamp > 0 ? [{ timestamp: this.stamp }] : []) };
    this.transceivers.push({
      mid: String(this.transceivers.length),
      direction: "sendrecv",
      sender,
      receiver,
    });
  }
  getTransceivers() {
    return this.transceivers;
  }
  getSenders() {
    return this.transceivers.map((one) => one.sender);
  }
  async createOffer() {
    return { sdp: "offer" };
  }
  async createAnswer() {
    return { sdp: "answer" };
  }
  async setLocalDescription(description: { sdp: string }) {
    this.localDescription = description;
  }
  async setRemoteDescription(description: { sdp: string }) {
    this.remoteDescription = description;
    while (this.transceivers.length < 3) this.addTransceiver();
  }
  async addIceCandidate(candidate: unknown) {
    this.candidates.push(candidate);
  }
  close() {
    this.closed = true;
  }
}

let said: DirectSignal[];
let ups: boolean[];
let link: DirectLink;
const microphone = new FakeTrack("audio");
const line = (index = -1) => Line.all.at(index) as Line;

/** Sound arrives for so long. */
async function sound(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += WATCH_MS) {
    line().stamp += 1;
    await vi.advanceTimersByTimeAsync(WATCH_MS);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  Line.all = [];
  said = [];
  ups = [];
  link = new DirectLink({
    create: () => new Line() as unknown as RTCPeerConnection,
    iceServers: () => [],
    track: () => undefined,
    changed: (up) => ups.push(up),
    tracks: { audio: microphone as unknown as MediaStreamTrack, video: null, screen: null },
    signal: (signal) => said.push(signal),
  });
});
afterEach(() => {
  link.stop();
  vi.useRealTimers();
});

describe("a direct link", () => {
  it("offers voice, camera and screen, and is up with the first sound", async () => {
    link.start(true);
    await settle();
    expect(said).toEqual([{ attempt: expect.any(String), kind: "offer", body: "offer" }]);
    const attempt = said[0]?.attempt ?? "";
    await link.receive({ attempt, kind: "candidate", body: '{"candidate":"early"}' });
    expect(line().candidates).toEqual([]);
    await link.receive({ attempt, kind: "answer", body: "answer" });
    expect(line().candidates).toEqual([{ candidate: "early" }]);
    expect(line().getSenders()[0]?.track).toBe(microphone);
    expect(ups).toEqual([]);
    await sound(WATCH_MS);
    expect([ups, link.up]).toEqual([[true], true]);
  });

  it("answers when the other side offers, and says first that it is new", async () => {
    link.start(false);
    expect(said).toEqual([{ attempt: "", kind: "close", body: "" }]);
    await link.receive({ attempt: "a1", kind: "offer", body: "offer" });
    expect(said[1]).toEqual({ attempt: "a1", kind: "answer", body: "answer" });
  });

  it("falls back a second after the last sound, says so, and tries again later", async () => {
    link.start(true);
    await settle();
    await link.receive({ attempt: said[0]?.attempt ?? "", kind: "answer", body: "answer" });
    await sound(1_000);
    await vi.advanceTimersByTimeAsync(SILENT_MS + 2 * WATCH_MS);
    expect([ups, line().closed]).toEqual([[true, false], true]);
    expect(said.at(-1)?.kind).toBe("close");
    await vi.advanceTimersByTimeAsync(AGAIN_MS);
    expect(Line.all).toHaveLength(2);
  });

  it("gives up an attempt that brings no sound", async () => {
    link.start(true);
    await vi.advanceTimersByTimeAsync(CONNECT_MS + SILENT_MS + 2 * WATCH_MS);
    expect(line(0).closed).toBe(true);
    expect(ups).toEqual([]);
  });

  it("stops sending at once when it is no longer allowed, and listens a little longer", async () => {
    link.start(true);
    await settle();
    await link.receive({ attempt: said[0]?.attempt ?? "", kind: "answer", body: "answer" });
    await sound(400);
    link.stop();
    await settle();
    expect([ups, line().getSenders()[0]?.track, line().closed]).toEqual([[true, false], null, false]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(line().closed).toBe(true);
  });

  it("begins again for a side that is new, and takes nothing of an old attempt", async () => {
    link.start(true);
    await settle();
    const first = said[0]?.attempt ?? "";
    await link.receive({ attempt: "", kind: "close", body: "" });
    await vi.advanceTimersByTimeAsync(1);
    expect(Line.all).toHaveLength(2);
    await link.receive({ attempt: first, kind: "answer", body: "late" });
    expect(line().remoteDescription).toBeNull();
    await link.receive({ attempt: first, kind: "close", body: "" });
    expect(line().closed).toBe(false);
  });
});
