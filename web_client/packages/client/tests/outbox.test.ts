import { describe, expect, it } from "vitest";
import { Outbox } from "../src/outbox.ts";
import { MemoryStore } from "../src/storage.ts";

describe("outbox of a page that comes back from the cache", () => {
  it("numbers on after what the pages in between have sent, and sends what they left", async () => {
    const store = new MemoryStore();
    const kept = new Outbox(store, "d_1");
    const lost = kept.add("chat.send", { text: "one" });
    const between = new Outbox(store, "d_1");
    between.settle(1, {});
    void between.add("chat.send", { text: "two" });
    kept.reload();
    await expect(lost).rejects.toMatchObject({ code: "shut_down" });
    expect(kept.pending.map(({ body }) => [body.counter, body.text])).toEqual([[2, "two"]]);
    void kept.add("chat.send", { text: "three" });
    expect(kept.pending.map(({ body }) => body.counter)).toEqual([2, 3]);
  });
});
