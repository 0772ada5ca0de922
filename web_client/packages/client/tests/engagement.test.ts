import type { MessageItem } from "@talknow/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { Connection } from "../src/connection.ts";
import { EngagementStore } from "../src/engagement.ts";
import { MemoryStore } from "../src/storage.ts";
import { FakeWire, settle, viewOf } from "./fakes.ts";

let connection: Connection;
let store: EngagementStore;
let wire: FakeWire;

const message = (seq: number, by = "a_1", counter = 1): MessageItem => ({
  kind: "message",
  seq,
  at_ms: seq,
  by,
  text: `text ${seq}`,
  device: "d_1",
  counter,
  file: null,
});
const post = (seq: number, by?: string) =>
  wire.say("chat.posted", { engagement: "e_1", seq, message: message(seq, by) });
const snapshot = (seq: number, items: MessageItem[], after_seq = 0) => ({
  view: viewOf({ seq }),
  items,
  after_seq,
  truncated: false,
});
const seqs = () => store.get("e_1")?.items.map((item) => item.seq);

describe("engagement store", () => {
  beforeEach(async () => {
    connection = new Connection({
      server: "",
      device: "d_1",
      store: new MemoryStore(),
      token: async () => "t",
      open: (_, auth) => {
        wire = new FakeWire(auth);
        return wire;
      },
    });
    store = new EngagementStore(connection);
    connection.start();
    await settle();
    return () => connection.stop();
  });

  it("shows each event once, however often it is told", () => {
    wire.ready([snapshot(2, [message(2)])]);
    post(3);
    post(3);
    wire.say("engagement.changed", { seq: 2, view: viewOf({ seq: 2, phase: "ended" }), items: [] });
    expect(seqs()).toEqual([2, 3]);
    expect(store.get("e_1")?.view.phase).toBe("active");
  });

  it("takes a message and the change it makes, told with one seq", () => {
    wire.ready([{ ...snapshot(1, []), view: viewOf({ seq: 1, phase: "open" }) }]);
    post(2, "v_1");
    wire.say("engagement.changed", { seq: 2, view: viewOf({ seq: 2, phase: "queued" }), items: [] });
    expect(store.get("e_1")?.view.phase).toBe("queued");
    expect(seqs()).toEqual([2]);
  });

  it("takes who writes for having read what was there", () => {
    wire.ready([snapshot(2, [message(2, "v_1")])]);
    post(3, "a_1");
    expect(store.othersMarks("e_1")).toEqual({ delivered: 3, read: 3 });
  });

  it("adds what was missed to what was seen, after a reconnect", () => {
    wire.ready([snapshot(2, [message(1), message(2)])]);
    post(3);
    expect(store.seen()).toEqual({ engagement: "e_1", after_seq: 3 });
    wire.ready([snapshot(5, [message(4), message(5)], 3)]);
    expect(seqs()).toEqual([1, 2, 3, 4, 5]);
  });

  it("starts over when more was missed than one answer holds", () => {
    wire.ready([snapshot(2, [message(2)])]);
    wire.ready([{ ...snapshot(400, [message(399), message(400)], 2), truncated: true }]);
    expect(seqs()).toEqual([399, 400]);
    expect(store.get("e_1")?.truncated).toBe(true);
  });

  it("forgets what the server no longer lists, but keeps an ended one readable", () => {
    wire.ready([snapshot(2, [])]);
    wire.ready([]);
    expect(store.current()).toBeUndefined();
    wire.say("engagement.changed", { seq: 3, view: viewOf({ seq: 3, phase: "ended" }), items: [] });
    wire.ready([]);
    expect(store.current()?.view.phase).toBe("ended");
  });

  it("keeps my message pending until it is acked, with engagement or without", () => {
    connection.send("chat.send", { text: "first" }).catch(() => undefined);
    expect(store.pending(null)).toEqual([{ counter: 1, engagement: null, text: "first", file: null }]);
    expect(store.pending("e_1")).toEqual([]);
    wire.ready([]);
    wire.sent[0]?.ack({ seq: 1, engagement: "e_1" });
    expect(store.pending(null)).toEqual([]);
  });

  it("marks delivered, and read only when told so; marks never go back", async () => {
    wire.ready([snapshot(4, [message(2), message(4)])]);
    expect(store.unread("e_1")).toBe(2);
    void store.mark("e_1", false);
    expect(wire.sent.at(-1)?.body).toEqual({ engagement: "e_1", delivered: 4, read: 0 });
    void store.mark("e_1", true);
    expect(wire.sent.at(-1)?.body).toEqual({ engagement: "e_1", delivered: 4, read: 4 });
    expect(store.unread("e_1")).toBe(0);
    void store.mark("e_1", false);
    expect(wire.sent).toHaveLength(2);
    wire.say("chat.marked", {
      engagement: "e_1",
      seq: 5,
      mark: { participant: "a_1", delivered: 4, read: 3 },
    });
    wire.say("chat.marked", {
      engagement: "e_1",
      seq: 6,
      mark: { participant: "a_1", delivered: 4, read: 2 },
    });
    expect(store.othersMarks("e_1")).toEqual({ delivered: 4, read: 3 });
  });

  it("ends somebody's typing with their message", () => {
    wire.ready([snapshot(1, [])]);
    wire.say("chat.typing_changed", { engagement: "e_1", participant: "a_1", typing: true });
    expect([...(store.get("e_1")?.typing ?? [])]).toEqual(["a_1"]);
    post(2);
    expect(store.get("e_1")?.typing.size).toBe(0);
  });
});
