import { MemoryStore } from "@talknow/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { settle } from "../../client/tests/fakes.ts";
import { AgentSession } from "../src/session.ts";
import { type Bench, bench, offerOf, ready, sample } from "./samples.ts";

let open: Bench[] = [];

async function start(...args: Parameters<typeof bench>): Promise<Bench> {
  const made = await bench(...args);
  open.push(made);
  return made;
}

const refused = (code: string) => ({ error: { code, message: "", ref: "", retry_after_ms: 0 } });

function snapshot(id: string, opened_ms = 1) {
  return { snapshot: { view: sample({}, {}, { id, opened_ms }), items: [], after_seq: 0, truncated: false } };
}

describe("desk", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    open = [];
  });
  afterEach(() => {
    for (const { desk } of open) desk.stop();
    vi.useRealTimers();
  });

  it("goes on with the session cookie and shows how full it is", async () => {
    const { desk, wire } = await start();
    expect(desk.screen).toBe("desk");
    expect([desk.availability, desk.capacity]).toEqual(["ready", 3]);
    wire().say("agent.changed", { availability: "busy", load: 2, capacity: 3, waiting: 4, missed: 0 });
    expect([desk.availability, desk.load, desk.waiting]).toEqual(["busy", 2, 4]);
  });

  it("rings until an offer is withdrawn, and flashes the title meanwhile", async () => {
    const { desk, wire } = await start();
    wire().say("offer.made", offerOf("1"));
    expect(desk.alerts.ring.ringing).toBe(true);
    expect(document.title).toContain("Anna Berg");
    vi.advanceTimersByTime(1_000);
    expect(document.title).toBe("● Talk Now desk");
    wire().say("offer.withdrawn", { offer: "1", engagement: "e_1", reason: "timeout" });
    expect(desk.offers).toEqual([]);
    expect(desk.alerts.ring.ringing).toBe(false);
    expect(document.title).toBe("Talk Now desk");
  });

  it("opens an accepted engagement as soon as it arrives", async () => {
    const { desk, wire, last } = await start(undefined, [sample({}, {}, { id: "e_old" })]);
    desk.select("e_old");
    wire().say("offer.made", offerOf("1"));
    expect(desk.shortcut({ does: "accept" })).toBe(true);
    expect(last("offer.accept").body).toEqual({ engagement: "e_1", offer: "1" });
    last("offer.accept").ack({ seq: 3 });
    await settle();
    expect(desk.offers).toEqual([]);
    expect(desk.selected).toBe("e_old");
    wire().say("engagement.snapshot", snapshot("e_1", 2));
    expect(desk.current()?.view.id).toBe("e_1");
  });

  it("says it when another agent was quicker, and does not open what comes later", async () => {
    const { desk, wire, last } = await start();
    wire().say("offer.made", offerOf("1"));
    desk.shortcut({ does: "accept" });
    last("offer.accept").ack(refused("already_assigned"));
    await settle();
    expect(desk.notice).toBe("Another agent was quicker.");
    wire().say("engagement.snapshot", snapshot("e_1"));
    expect(desk.selected).toBeNull();
  });

  it("keeps an offer on the screen when accepting only failed on the way", async () => {
    const { desk, wire, last } = await start();
    wire().say("offer.made", offerOf("1"));
    desk.shortcut({ does: "accept" });
    last("offer.accept").ack(refused("overloaded"));
    await settle();
    expect(desk.offers).toHaveLength(1);
  });

  it("forgets offers at a reconnect: the server shows again what still rings", async () => {
    const { desk, wire } = await start();
    wire().say("offer.made", offerOf("1"));
    ready(wire());
    expect(desk.offers).toEqual([]);
  });

  it("takes an availability back that the server refused", async () => {
    const { desk, last } = await start();
    desk.setAvailability("break");
    expect(desk.availability).toBe("break");
    last("agent.set_availability").ack(refused("unavailable"));
    await settle();
    expect(desk.availability).toBe("ready");
  });

  it("lists only what there is work on, in the order it came, and switches by number", async () => {
    const views = [
      sample({}, {}, { id: "e_2", opened_ms: 20 }),
      sample({}, {}, { id: "e_1", opened_ms: 10 }),
      sample({}, {}, { id: "e_3", opened_ms: 30, phase: "wrap_up" }),
      sample({}, {}, { id: "e_4", opened_ms: 40, phase: "ended" }),
    ];
    const { desk } = await start(undefined, views);
    expect(desk.list().map(({ view }) => view.id)).toEqual(["e_1", "e_2", "e_3"]);
    expect(desk.shortcut({ does: "switch", index: 1 })).toBe(true);
    expect(desk.current()?.view.id).toBe("e_2");
    expect(desk.shortcut({ does: "switch", index: 3 })).toBe(false);
  });

  it("brings selection, draft and begun wrap-up back after a reload", async () => {
    const store = new MemoryStore();
    const views = [sample({}, {}, { id: "e_1", phase: "wrap_up" })];
    const before = await start(store, views);
    before.desk.select("e_1");
    before.desk.kept.setDraft("e_1", "half a sen");
    before.desk.setWrapUp("e_1", { code: "resolved", note: "all fine" });
    before.desk.stop();
    const after = await start(store, views);
    expect(after.desk.current()?.view.id).toBe("e_1");
    expect(after.desk.kept.draft("e_1")).toBe("half a sen");
    after.desk.finish("e_1");
    expect(after.last("engagement.wrap_up").body).toMatchObject({ code: "resolved", note: "all fine" });
    after.last("engagement.wrap_up").ack({ seq: 9 });
    await settle();
    expect(after.desk.kept.wrapUp("e_1")).toEqual({ code: "", note: "" });
    expect(after.desk.selected).toBeNull();
  });

  it("tells the server before the page goes that this is no hang-up", async () => {
    const { wire, last } = await start(undefined, [sample({}, {}, { id: "e_1" })]);
    dispatchEvent(new Event("pagehide"));
    expect(wire().sent.at(-1)?.name).toBe("page.leave");
    expect(last("page.leave").body).toEqual({ engagement: "e_1" });
  });

  it("leaves nothing of this agent behind at log out", async () => {
    const store = new MemoryStore();
    const { desk, wires } = await start(store, [sample({}, {}, { id: "e_1" })]);
    desk.select("e_1");
    desk.kept.setDraft("e_1", "secret");
    desk.send("e_1", "not yet acked");
    await desk.logout();
    expect(desk.screen).toBe("login");
    expect(wires.at(-1)?.closed).toBe(true);
    expect(
      store
        .keys()
        .map((key) => store.getItem(key))
        .join(),
    ).not.toMatch(/secret|not yet acked|e_1/);
  });

  it("asks to log in when the server refuses the session for good", async () => {
    const { desk, wire } = await start();
    wire().say("connect_error", Object.assign(new Error("no"), { data: { code: "unauthenticated" } }));
    await vi.advanceTimersByTimeAsync(1_000);
    wire().say("connect_error", Object.assign(new Error("no"), { data: { code: "unauthenticated" } }));
    await settle();
    expect(desk.screen).toBe("login");
  });
});

describe("agent session", () => {
  it("fetches one token for many askers, and a new one when it is refused or nearly over", async () => {
    let made = 0;
    let now = 0;
    const session = new AgentSession(
      async () => {
        made += 1;
        return { token: `t${made}`, expires_ms: now + 900_000 };
      },
      () => now,
    );
    expect(await Promise.all([session.access(false), session.access(false)])).toEqual(["t1", "t1"]);
    expect(await session.access(false)).toBe("t1");
    expect(await session.access(true)).toBe("t2");
    now = 880_000;
    expect(await session.access(false)).toBe("t3");
  });
});
