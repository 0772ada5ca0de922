import type { AnswerReply, LegView } from "@talknow/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { begin } from "../src/answer.ts";
import { CallLeg, dropEarly, type LegOptions, type Speaker } from "../src/call.ts";
import { CallKeeper } from "../src/callkeeper.ts";
import { Connection } from "../src/connection.ts";
import { EngagementStore } from "../src/engagement.ts";
import { TalkError } from "../src/http.ts";
import { MemoryStore } from "../src/storage.ts";
import { CALL_KEY, forgetCall, readCall, readCalls, saveCall } from "../src/ticket.ts";
import { FakePeer, FakeStream, FakeTrack, FakeWire, offerOf, settle, viewOf } from "./fakes.ts";

let store: MemoryStore;
let answers: { path: string; sdp: string }[];
let asked: number;
let nextPath: () => Promise<ReturnType<typeof offerOf>>;
let answerWith: (path: string) => Promise<Partial<AnswerReply> & Pick<AnswerReply, "ticket">>;
let microphone: (wanted: MediaStreamConstraints) => Promise<FakeStream>;
let playing: boolean;

function options(): LegOptions {
  const speaker: Speaker = {
    srcObject: null,
    autoplay: false,
    play: async () => {
      if (!playing) throw new DOMException("gesture", "NotAllowedError");
    },
    pause: () => undefined,
  };
  return {
    engagement: "e_1",
    device: "d_1",
    store,
    api: {
      openPath: () => {
        asked += 1;
        return nextPath();
      },
      answerPath: async (path, { sdp }) => {
        answers.push({ path, sdp });
        return { offer: null, ...(await answerWith(path)) };
      },
    },
    devices: { getUserMedia: (wanted) => microphone(wanted ?? {}) as unknown as Promise<MediaStream> },
    createPeer: () => new FakePeer() as unknown as RTCPeerConnection,
    createSpeaker: () => ({ ...speaker }),
    random: () => 1,
  };
}
const peer = (index = -1): FakePeer => FakePeer.all.at(index) as FakePeer;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaStream", FakeStream);
  FakePeer.all = [];
  store = new MemoryStore();
  answers = [];
  asked = 0;
  playing = true;
  nextPath = async () => offerOf(`p_asked${asked}`);
  answerWith = async (path) => ({ ticket: offerOf(`after_${path}`) });
  microphone = async (wanted) => new FakeStream([new FakeTrack(wanted.video ? "video" : "audio")]);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("leg", () => {
  it("answers at once, both ways, without waiting for the microphone", async () => {
    microphone = () => new Promise(() => undefined);
    const leg = new CallLeg(options());
    void leg.accept(offerOf("p_1"));
    await settle();
    expect(answers).toEqual([
      {
        path: "p_1",
        sdp: "answer to offer p_1 sendrecv,sendrecv,sendrecv,recvonly,recvonly,recvonly,recvonly",
      },
    ]);
    peer().become("connected");
    expect(leg.state).toMatchObject({ phase: "connected", microphone: "asking" });
  });

  it("sends the microphone whenever the person allows it", async () => {
    const track = new FakeTrack("audio");
    let allow: (stream: FakeStream) => void = () => undefined;
    microphone = () =>
      new Promise((resolve) => {
        allow = resolve;
      });
    const leg = new CallLeg(options());
    void leg.accept(offerOf("p_1"));
    await settle();
    expect(peer().sends("audio")).toBeNull();
    allow(new FakeStream([track]));
    await settle();
    expect(peer().sends("audio")).toBe(track);
    leg.setMuted(true);
    expect(track.enabled).toBe(false);
  });

  it("keeps the call when the microphone is denied", async () => {
    microphone = async () => {
      throw new DOMException("no", "NotAllowedError");
    };
    const leg = new CallLeg(options());
    await leg.accept(offerOf("p_1"));
    peer().become("connected");
    expect(leg.state).toMatchObject({ phase: "connected", microphone: "denied" });
  });

  it("keeps the next-path ticket, and a new page answers it at once", async () => {
    const first = new CallLeg(options());
    await first.accept(offerOf("p_1"));
    first.setMuted(true);
    expect(readCall(store, "d_1", "e_1")).toMatchObject({ ticket: { path: "after_p_1" }, muted: true });
    const second = new CallLeg(options());
    await second.resume();
    expect(answers.map(({ path }) => path)).toEqual(["p_1", "after_p_1"]);
    expect(asked).toBe(0);
    expect(second.state.muted).toBe(true);
    expect(readCall(store, "d_1", "e_1")?.ticket?.path).toBe("after_after_p_1");
  });

  it("carries on the path whose answer was begun before it was there", async () => {
    vi.stubGlobal("RTCPeerConnection", FakePeer);
    await new CallLeg(options()).accept(offerOf("p_1"));
    const path = begin(offerOf("after_p_1"));
    await settle();
    peer().become("connected");
    const spoken = new FakeTrack("audio");
    const microphone = Promise.resolve(new FakeStream([spoken]) as unknown as MediaStream);
    let spoke = 0;
    const createSpeaker = () => {
      spoke += 1;
      return options().createSpeaker?.() as Speaker;
    };
    const leg = new CallLeg({ ...options(), createSpeaker, early: { path, microphone } });
    await leg.resume();
    expect(FakePeer.all).toHaveLength(2);
    expect(answers.at(-1)).toEqual({ path: "after_p_1", sdp: await path.answered });
    expect(leg.state).toMatchObject({ phase: "connected", microphone: "on" });
    expect(peer().sends("audio")).toBe(spoken);
    expect(spoke).toBe(3);
  });

  it("lets a path go that was begun for another ticket, or for no call", async () => {
    vi.stubGlobal("RTCPeerConnection", FakePeer);
    await new CallLeg(options()).accept(offerOf("p_1"));
    const other = begin(offerOf("p_other"));
    await new CallLeg({ ...options(), early: { path: other } }).resume();
    expect(other.peer.connectionState).toBe("closed");
    expect(answers.at(-1)?.path).toBe("after_p_1");
    const track = new FakeTrack("audio");
    const unused = begin(offerOf("p_unused"));
    dropEarly({
      path: unused,
      microphone: Promise.resolve(new FakeStream([track]) as unknown as MediaStream),
    });
    await settle();
    expect([unused.peer.connectionState, track.readyState]).toEqual(["closed", "ended"]);
  });

  it("takes two calls of one tab back, each by its own ticket", async () => {
    const legs = ["e_1", "e_2"].map((engagement) => new CallLeg({ ...options(), engagement }));
    await legs[0]?.accept(offerOf("p_1"));
    await legs[1]?.accept({ ...offerOf("p_2"), engagement: "e_2" });
    answers.length = 0;
    const ticket = { ...offerOf("next_2"), engagement: "e_2" };
    legs[1]?.keepTicket(ticket);
    for (const engagement of ["e_1", "e_2"]) await new CallLeg({ ...options(), engagement }).resume();
    expect(answers.map(({ path }) => path)).toEqual(["after_p_1", "next_2"]);
    expect(asked).toBe(0);
  });

  it("forgets one call without the other, and nothing of a duplicated tab is mine", () => {
    const call = { device: "d_1", ticket: null, muted: false, camera: false };
    saveCall(store, { ...call, engagement: "e_1" });
    saveCall(store, { ...call, engagement: "e_2" });
    expect(readCalls(store, "d_copy")).toEqual([]);
    forgetCall(store, "d_1", "e_1");
    expect(readCalls(store, "d_1").map(({ engagement }) => engagement)).toEqual(["e_2"]);
    forgetCall(store, "d_1", "e_2");
    expect(store.getItem(CALL_KEY)).toBeNull();
  });

  it("asks for a path when the ticket is spent", async () => {
    saveCall(store, {
      device: "d_1",
      engagement: "e_1",
      ticket: offerOf("p_spent"),
      muted: false,
      camera: false,
    });
    answerWith = async (path) => {
      if (path === "p_spent") throw new TalkError("not_found");
      return { ticket: null };
    };
    const leg = new CallLeg(options());
    void leg.resume();
    await vi.advanceTimersByTimeAsync(10);
    expect(answers.map(({ path }) => path)).toEqual(["p_spent", "p_asked1"]);
    expect(leg.state.phase).not.toBe("closed");
  });

  it("begins with the voice and answers the wider offer once it is connected", async () => {
    const wider = { ...offerOf("p_1"), revision: 1, sdp: "wider p_1" };
    answerWith = async () => ({ ticket: null, offer: wider });
    const leg = new CallLeg(options());
    await leg.accept(offerOf("p_1"));
    await settle();
    expect(answers).toHaveLength(1);
    answerWith = async () => ({ ticket: null });
    peer().become("connected");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answers.map(({ path }) => path)).toEqual(["p_1", "p_1"]);
    expect(answers[1]?.sdp).toContain("wider p_1");
    expect(FakePeer.all).toHaveLength(1);
  });

  it("closes when the server says twice that there is no such call", async () => {
    answerWith = async () => {
      throw new TalkError("not_found");
    };
    const leg = new CallLeg(options());
    void leg.accept(offerOf("p_1"));
    await vi.advanceTimersByTimeAsync(100);
    expect(leg.state.phase).toBe("closed");
    expect(store.getItem(CALL_KEY)).toBeNull();
  });

  it("opens a new path when the path dies, and keeps the old one until the new one is up", async () => {
    const leg = new CallLeg(options());
    await leg.accept(offerOf("p_1"));
    peer().become("connected");
    peer().become("disconnected");
    await vi.advanceTimersByTimeAsync(1_900);
    expect(asked).toBe(0);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toBe(1);
    expect(leg.state.phase).toBe("reconnecting");
    expect(FakePeer.all).toHaveLength(2);
    peer().become("connected");
    expect(leg.state.phase).toBe("connected");
    expect(peer(0).connectionState).toBe("closed");
  });

  /** Connected on p_1, and it has answered p_2. */
  async function offeredAnother(): Promise<CallLeg> {
    const leg = new CallLeg(options());
    await leg.accept(offerOf("p_1"));
    peer().become("connected");
    await leg.accept(offerOf("p_2"));
    return leg;
  }

  it("moves to an offered path without a gap: both are used until the other side is heard on it", async () => {
    const leg = await offeredAnother();
    expect(peer(0).connectionState).toBe("connected");
    expect(leg.state.phase).toBe("connected");
    peer().become("connected");
    await vi.advanceTimersByTimeAsync(500);
    expect(peer(0).connectionState).toBe("connected");
    expect(peer(0).sends("audio")).not.toBeNull();
    expect(peer().sends("audio")).toBe(peer(0).sends("audio"));
    peer().heard = true;
    await vi.advanceTimersByTimeAsync(50);
    expect(peer(0).connectionState).toBe("closed");
  });

  it("does not wait for ever for somebody who is not heard on the new path", async () => {
    await offeredAnother();
    peer().become("connected");
    await vi.advanceTimersByTimeAsync(2_600);
    expect(peer(0).connectionState).toBe("closed");
    expect(peer().connectionState).toBe("connected");
  });

  it("tries again and again while the server cannot be reached", async () => {
    nextPath = async () => {
      throw new TalkError("unreachable");
    };
    const leg = new CallLeg(options());
    void leg.reopen();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asked).toBeGreaterThan(4);
    expect(leg.state.phase).not.toBe("closed");
    leg.close();
    const before = asked;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asked).toBe(before);
  });

  it("lets a tap play what the browser would not", async () => {
    playing = false;
    const leg = new CallLeg(options());
    await leg.accept(offerOf("p_1"));
    await settle();
    expect(leg.state.silenced).toBe(true);
    playing = true;
    leg.hear();
    await settle();
    expect(leg.state.silenced).toBe(false);
  });

  it("turns the camera on and off without a new description", async () => {
    const leg = new CallLeg(options());
    await leg.accept(offerOf("p_1"));
    expect(await leg.setCamera(true)).toBe(true);
    expect(peer().sends("video")?.kind).toBe("video");
    expect(await leg.setCamera(false)).toBe(false);
    expect(peer().sends("video")).toBeNull();
    expect(answers).toHaveLength(1);
  });
});

describe("call keeper", () => {
  let wire: FakeWire;
  let connection: Connection;
  let keeper: CallKeeper;
  const leg = (change: Partial<LegView> = {}): LegView => ({
    id: "l_1",
    participant: "v_1",
    state: "awaiting_path",
    device: "d_1",
    muted: false,
    video: false,
    screen: false,
    mode: "talk",
    seat: 0,
    ...change,
  });
  const view = (seq: number, state: "none" | "negotiating" | "connected", legs: LegView[]) =>
    viewOf({ seq, call: { ...viewOf().call, state, legs } });
  const snapshot = (seq: number, ...rest: [Parameters<typeof view>[1], LegView[]]) => ({
    view: view(seq, ...rest),
    items: [],
    after_seq: 0,
    truncated: false,
  });

  beforeEach(async () => {
    const open = (_: string, auth: ConstructorParameters<typeof FakeWire>[0]) => {
      wire = new FakeWire(auth);
      return wire;
    };
    connection = new Connection({ server: "", device: "d_1", store, token: async () => "t", open });
    const engagements = new EngagementStore(connection);
    const { api, ...rest } = options();
    keeper = new CallKeeper({ connection, engagements, api: api as never, store, leg: { ...rest, api } });
    connection.start();
    await settle();
    return () => connection.stop();
  });

  it("answers an offered path and lets go when the call is over", async () => {
    wire.ready([snapshot(1, "negotiating", [leg()])]);
    wire.say("call.offered", { offer: offerOf("p_1") });
    await settle();
    expect(answers.map(({ path }) => path)).toEqual(["p_1"]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked).toBe(0);
    wire.say("engagement.changed", { seq: 2, view: view(2, "none", []), items: [] });
    expect(keeper.leg("e_1")).toBeUndefined();
    expect(peer().connectionState).toBe("closed");
  });

  it("asks for a path when the offer got lost with the socket", async () => {
    wire.ready([snapshot(1, "negotiating", [leg()])]);
    await vi.advanceTimersByTimeAsync(1_600);
    expect(asked).toBe(1);
  });

  it("gives the leg up when another tab took it, and takes it when it is brought here", async () => {
    wire.ready([snapshot(1, "connected", [leg({ state: "connected" })])]);
    wire.say("call.offered", { offer: offerOf("p_1") });
    await settle();
    wire.say("call.moved", { engagement: "e_1", leg: "l_1", device: "d_2" });
    expect(keeper.leg("e_1")?.state.phase).toBe("elsewhere");
    expect(peer().connectionState).toBe("closed");
    void keeper.bringHere("e_1");
    expect(wire.sent.at(-1)?.name).toBe("call.bring_here");
    wire.say("call.offered", { offer: offerOf("p_2") });
    await settle();
    peer().become("connected");
    expect(keeper.leg("e_1")?.state.phase).toBe("connected");
  });

  it("opens a new path when the server lost it before this browser noticed", async () => {
    wire.ready([snapshot(1, "connected", [leg()])]);
    wire.say("call.offered", { offer: offerOf("p_1") });
    await settle();
    peer().become("connected");
    wire.say("engagement.changed", {
      seq: 2,
      view: view(2, "connected", [leg({ state: "connected" })]),
      items: [],
    });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked).toBe(0);
    wire.say("engagement.changed", { seq: 3, view: view(3, "connected", [leg()]), items: [] });
    await vi.advanceTimersByTimeAsync(800);
    expect(asked).toBe(1);
  });

  it("never touches a leg that another tab holds", async () => {
    wire.ready([snapshot(1, "connected", [leg({ device: "d_other" })])]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(asked).toBe(0);
    expect(keeper.leg("e_1")).toBeUndefined();
  });
});
