import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Rhythm } from "../src/recorder/rhythm.ts";

let written: number[] = [];
let rhythm: Rhythm;
let queued = 0;
/** The posted turn comes as a task of its own. */
const turn = () =>
  new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  written = [];
  queued = 0;
  vi.advanceTimersByTime(1_000);
  rhythm = new Rhythm(
    () => written.push(performance.now()),
    () => queued,
  );
});
afterEach(() => {
  rhythm.stop();
  vi.useRealTimers();
});

describe("when a frame is written", () => {
  it("is at once after quiet", () => {
    rhythm.changed(true);
    expect(written.length).toBe(1);
  });
  it("is at once from frame to frame of an animation", () => {
    for (let frame = 0; frame < 5; frame += 1) {
      rhythm.changed(true);
      vi.advanceTimersByTime(16);
    }
    expect(written.length).toBe(5);
  });
  it("is one for many changes of a busy page", async () => {
    for (let change = 0; change < 20; change += 1) {
      rhythm.changed(true);
      vi.advanceTimersByTime(1);
      await turn();
    }
    expect(written.length).toBeLessThanOrEqual(4);
  });
  it("waits for the end of the task when an event told of it", async () => {
    rhythm.told();
    expect(written.length).toBe(0);
    await turn();
    expect(written.length).toBe(1);
  });
  it("is once when the tree changes in the task of the event", async () => {
    rhythm.told();
    rhythm.changed(true);
    await turn();
    expect(written.length).toBe(1);
  });
  it("is later where nobody waits for it", () => {
    rhythm.changed(true);
    rhythm.changed(false);
    expect(written.length).toBe(1);
    vi.advanceTimersByTime(40);
    expect(written.length).toBe(2);
  });
  it("is less often while the socket is full", () => {
    queued = 1_000_000;
    rhythm.changed(true);
    vi.advanceTimersByTime(20);
    rhythm.changed(true);
    expect(written.length).toBe(1);
    vi.advanceTimersByTime(50);
    expect(written.length).toBe(2);
  });
  it("is never again after the end", async () => {
    rhythm.told();
    rhythm.stop();
    await turn();
    vi.advanceTimersByTime(1_000);
    expect(written).toEqual([]);
  });
});
