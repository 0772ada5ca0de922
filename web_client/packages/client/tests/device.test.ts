import { describe, expect, it } from "vitest";
import { markLeft, takeDevice } from "../src/device.ts";
import { MemoryStore } from "../src/storage.ts";
import { FakeLocks, settle } from "./fakes.ts";

/** What the browser does for 'duplicate tab' and window.open. */
function copyOf(store: MemoryStore): MemoryStore {
  const copy = new MemoryStore();
  for (const key of store.keys()) copy.setItem(key, store.getItem(key) ?? "");
  return copy;
}

describe("device", () => {
  it("keeps its id over a page change even while the old page still holds the lock", async () => {
    const store = new MemoryStore();
    const locks = new FakeLocks();
    const id = await takeDevice(store, locks);
    markLeft(store);
    expect(await takeDevice(store, locks)).toBe(id);
    locks.release(`talknow-device-${id}`);
    await settle();
    expect(locks.has(`talknow-device-${id}`)).toBe(true);
  });

  it("mints its own id in a duplicated tab, which then keeps it", async () => {
    const store = new MemoryStore();
    const locks = new FakeLocks();
    const id = await takeDevice(store, locks);
    const copy = copyOf(store);
    const other = await takeDevice(copy, locks);
    expect(other).not.toBe(id);
    markLeft(copy);
    expect(await takeDevice(copy, locks)).toBe(other);
  });

  it("keeps its id after a crash of the tab", async () => {
    const store = new MemoryStore();
    const id = await takeDevice(store, new FakeLocks());
    expect(await takeDevice(store, new FakeLocks())).toBe(id);
  });

  it("lets go of the lock when the page is kept, and takes the same id when it comes back", async () => {
    const store = new MemoryStore();
    const locks = new FakeLocks();
    let leave: () => void = () => undefined;
    const id = await takeDevice(store, locks, new Promise((resolve) => (leave = resolve)));
    markLeft(store);
    leave();
    await settle();
    expect(locks.has(`talknow-device-${id}`)).toBe(false);
    expect(await takeDevice(store, locks)).toBe(id);
    await settle();
    expect(locks.has(`talknow-device-${id}`)).toBe(true);
  });

  it("works without Web Locks", async () => {
    expect(await takeDevice(new MemoryStore(), undefined)).toMatch(/^d_[0-9a-f]{24}$/);
  });
});
