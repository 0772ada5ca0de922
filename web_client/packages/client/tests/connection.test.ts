import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoffMs, Connection } from "../src/connection.ts";
import { TalkError } from "../src/http.ts";
import { MemoryStore } from "../src/storage.ts";
import { FakeWire, settle } from "./fakes.ts";

let store: MemoryStore;
let wires: FakeWire[];
let tokens: boolean[];

function connect(): Connection {
  const connection = new Connection({
    server: "https://talk.example",
    device: "d_1",
    store,
    token: async (stale) => {
      tokens.push(stale);
      return stale ? "fresh" : "first";
    },
    random: () => 1,
    open: (_, auth) => {
      const wire = new FakeWire(auth);
      wires.push(wire);
      return wire;
    },
  });
  connection.start();
  return connection;
}
const wire = (index = -1): FakeWire => wires.at(index) as FakeWire;
const sent = (of = wire()): string[] =>
  of.sent.map(({ name, body }) => `${name} ${body.counter} ${body.text}`);

describe("connection", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    store = new MemoryStore();
    wires = [];
    tokens = [];
  });
  afterEach(() => vi.useRealTimers());

  it("sends nothing before the session is ready, then in order, one after the other", async () => {
    const connection = connect();
    const first = connection.send("chat.send", { text: "one" });
    connection.send("chat.send", { text: "two" });
    await settle();
    expect(wire().sent).toEqual([]);
    wire().ready();
    expect(sent()).toEqual(["chat.send 1 one"]);
    wire().sent[0]?.ack({ seq: 2, engagement: "e_1" });
    expect(sent()).toEqual(["chat.send 1 one", "chat.send 2 two"]);
    expect(await first).toEqual({ seq: 2, engagement: "e_1" });
  });

  it("repeats what was not acked with the same counter and body after a reconnect", async () => {
    const connection = connect();
    await settle();
    wire().ready();
    const ack = connection.send("chat.send", { text: "hello" });
    const before = wire().sent[0];
    wire().say("disconnect");
    expect(connection.state).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(600);
    expect(wires).toHaveLength(2);
    wire().ready();
    expect(wire().sent[0]?.body).toEqual(before?.body);
    before?.ack({ seq: 1 }); // a late ack of the dead wire settles nothing
    wire().sent[0]?.ack({ seq: 9 });
    expect((await ack).seq).toBe(9);
    expect(connection.outbox.pending).toEqual([]);
  });

  it("repeats it after a page load too, and never uses a number twice", async () => {
    const old = connect();
    await settle();
    old.send("chat.send", { text: "from the page before" });
    old.stop();
    const connection = connect();
    connection.send("chat.send", { text: "from this page" });
    await settle();
    wire().ready();
    wire().sent[0]?.ack({ seq: 1 });
    expect(sent()).toEqual(["chat.send 1 from the page before", "chat.send 2 from this page"]);
  });

  it("holds the order when the server asks to wait, and gives up on a final refusal only", async () => {
    const connection = connect();
    await settle();
    wire().ready();
    const first = connection.send("chat.send", { text: "one" });
    const second = connection.send("chat.send", { text: "two" });
    wire().sent[0]?.ack({ error: { code: "overloaded", message: "", ref: "1", retry_after_ms: 2_000 } });
    expect(wire().sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(sent()).toEqual(["chat.send 1 one", "chat.send 1 one"]);
    wire().sent[1]?.ack({ error: { code: "text_too_long", message: "", ref: "1", retry_after_ms: 0 } });
    await expect(first).rejects.toMatchObject({ code: "text_too_long" });
    wire().sent[2]?.ack({ seq: 4 });
    expect((await second).seq).toBe(4);
  });

  it("takes a wire that does not ack for dead", async () => {
    const connection = connect();
    await settle();
    wire().ready();
    connection.send("chat.send", { text: "hello" }).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(wires[0]?.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(600);
    wire().ready();
    expect(sent()).toEqual(["chat.send 1 hello"]);
  });

  it("asks for a fresh credential once, then stays refused", async () => {
    const connection = connect();
    await settle();
    wire().say("connect_error", Object.assign(new Error("no"), { data: { code: "unauthenticated" } }));
    await vi.advanceTimersByTimeAsync(600);
    expect(tokens).toEqual([false, true]);
    expect(wire().auth.token).toBe("fresh");
    wire().say("connect_error", Object.assign(new Error("no"), { data: { code: "unauthenticated" } }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connection.state).toBe("refused");
    expect(wires).toHaveLength(2);
  });

  it("waits as long as a closing server asks", async () => {
    connect();
    await settle();
    wire().ready();
    wire().say("session.closing", { code: "draining", retry_after_ms: 5_000 });
    await vi.advanceTimersByTimeAsync(4_900);
    expect(wires).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(wires).toHaveLength(2);
  });

  it("refuses what is worthless later while there is no connection", async () => {
    const connection = connect();
    await expect(connection.tell("chat.typing", { engagement: "e_1", typing: true })).rejects.toBeInstanceOf(
      TalkError,
    );
  });

  it("waits longer after each failure, within bounds and never in step", () => {
    expect([0, 1, 2, 10].map((n) => backoffMs(n, () => 1))).toEqual([500, 1_000, 2_000, 15_000]);
    expect(backoffMs(3, () => 0)).toBe(2_000);
  });
});

describe("several nodes", () => {
  const nodes = { check_ms: 700, servers: ["https://two.example/", "https://three.example"] };
  let opened: string[];
  let busy: boolean;

  function roam(server = "https://one.example"): Connection {
    const connection = new Connection({
      server,
      device: "d_1",
      store,
      token: async () => "token",
      random: () => 1,
      busy: () => busy,
      open: (server, auth) => {
        opened.push(server);
        const made = new FakeWire(auth);
        wires.push(made);
        return made;
      },
    });
    connection.start();
    return connection;
  }

  beforeEach(() => {
    vi.useFakeTimers();
    store = new MemoryStore();
    wires = [];
    opened = [];
    busy = true;
  });
  afterEach(() => vi.useRealTimers());

  it.each([
    ["draining", "https://two.example"],
    ["moved", "https://moved.example"],
  ])("told %s, goes to the next one only if its node takes nobody", async (code, next) => {
    roam(`https://${code}.example`);
    await settle();
    wire().ready([], nodes);
    wire().say("session.closing", { code, retry_after_ms: 0 });
    await vi.advanceTimersByTimeAsync(200);
    expect(opened[1]).toBe(next);
  });

  it("leaves a node that hangs for the next one, at once while something goes on", async () => {
    roam();
    await settle();
    wire().ready([], nodes);
    await vi.advanceTimersByTimeAsync(700);
    expect(wire().sent.at(-1)?.name).toBe("session.check");
    wire().sent.at(-1)?.ack({});
    await vi.advanceTimersByTimeAsync(700 + 1_189);
    expect(wires).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2 + 150);
    expect(opened.at(-1)).toBe("https://two.example");
    wire().ready([], nodes);
    wire().say("disconnect");
    await vi.advanceTimersByTimeAsync(150);
    expect(opened.at(-1)).toBe("https://three.example");
  });

  it("asks nothing while nothing goes on, and then takes its time", async () => {
    busy = false;
    roam();
    await settle();
    wire().ready([], nodes);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(wire().sent).toEqual([]);
    wire().say("disconnect");
    await vi.advanceTimersByTimeAsync(4_999);
    expect(wires).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(wires).toHaveLength(2);
  });

  it("asks a single server nothing", async () => {
    roam();
    await settle();
    wire().ready();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(wire().sent).toEqual([]);
  });
});
