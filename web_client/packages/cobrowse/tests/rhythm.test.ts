import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Rhythm } from "../src/recorder/rhythm.ts";

let written: number[] = [];
let rhythm: Rhythm;
let queued = 0;
/** The page's task is over, and the next one comes. */
const turn = () => vi.advanceTimersByTime(0);

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
  it("is at once when something happens between two frames of an animation", () => {
    for (let frame = 0; frame < 5; frame += 1) {
      rhythm.changed(true);
      vi.advanceTimersByTime(3);
      rhythm.changed(true);
      vi.advanceTimersByTime(14);
    }
    expect(written.length).toBe(10);
  });
  it("is one for many changes of a busy page", () => {
    for (let change = 0; change < 20; change += 1) {
      rhythm.changed(true);
      vi.advanceTimersByTime(1);
      turn();
    }
    expect(written.length).toBeLessThanOrEqual(4);
  });
  it("waits for the end of the task when an event told of it", () => {
    rhythm.told();
    expect(written.length).toBe(0);
    turn();
    expect(written.length).toBe(1);
  });
  it("is once when the tree changes in the task of the event", () => {
    rhythm.told();
    rhythm.changed(true);
    turn();
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
  it("is never again after the end", () => {
    rhythm.told();
    rhythm.stop();
    turn();
    vi.advanceTimersByTime(1_000);
    expect(written).toEqual([]);
  });
});
