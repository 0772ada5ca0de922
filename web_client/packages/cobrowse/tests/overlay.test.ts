import { SIDE_DRAW, SIDE_MARK, SIDE_POINT, SIDE_WATCH } from "@talknow/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Overlay } from "../src/overlay.ts";
import type { SharedPage } from "../src/recorder/index.ts";
import { startTogether, type Together } from "../src/together/index.ts";

const BOX = { x: 10, y: 20, width: 100, height: 100 } as DOMRect;
const lines = (root: ParentNode) => root.querySelectorAll("polyline").length;

beforeEach(() => {
  vi.useFakeTimers();
  document.body.innerHTML = "";
});
afterEach(() => vi.useRealTimers());

describe("what is drawn above a page", () => {
  let there = true;
  let overlay: Overlay;
  beforeEach(() => {
    there = true;
    overlay = new Overlay({ layer: document.body, boxOf: () => (there ? BOX : null) });
  });
  afterEach(() => overlay.stop());

  it("fades some seconds after its last, and also when nobody ever ends it", () => {
    overlay.draw(1, 1, 7, [0, 0, 1, 1], true);
    overlay.draw(1, 2, 7, [0, 0, 1, 1], false);
    vi.advanceTimersByTime(5_100);
    expect(lines(document)).toBe(1);
    overlay.draw(1, 2, 7, [0.5, 0.5], false);
    vi.advanceTimersByTime(9_000);
    expect(lines(document)).toBe(1);
    vi.advanceTimersByTime(1_100);
    expect(lines(document)).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("has no more points and strokes than anybody draws by hand", () => {
    for (let part = 0; part < 40; part += 1) overlay.draw(1, 1, 7, new Array(500).fill(part / 40), false);
    const points = document.querySelector("polyline")?.getAttribute("points")?.split(" ") ?? [];
    expect(points).toHaveLength(1_000);
    expect(points.at(-1)).toBe("107.5,117.5");
    for (let stroke = 2; stroke < 200; stroke += 1) overlay.draw(1, stroke, 7, [0, 0], false);
    overlay.draw(2, 1, 7, [0, 0], false);
    expect(lines(document)).toBe(33);
    overlay.draw(3, 1, 7, [], true);
    expect(lines(document)).toBe(33);
  });

  it("goes with the part of the page that it was drawn on", () => {
    overlay.draw(1, 1, 7, [0, 0, 1, 1], false);
    there = false;
    vi.advanceTimersByTime(100);
    expect(lines(document)).toBe(0);
  });

  it("goes with who drew it, and what others drew stays", () => {
    for (const who of [1, 2]) {
      overlay.pointAt(who, "Agent", 5, 5);
      overlay.mark(who, 7);
      overlay.draw(who, 1, 7, [0, 0, 1, 1], false);
    }
    overlay.pointAt(0, "Customer", 5, 5);
    const shown = () => [".pointer", ".mark", "polyline"].map((one) => document.querySelectorAll(one).length);
    overlay.gone(1);
    expect(shown()).toEqual([2, 1, 1]);
    overlay.clear();
    expect(shown()).toEqual([1, 0, 0]);
  });
});

describe("on the customer's page", () => {
  let may = true;
  let together: Together;
  const handlers = new Map<number, (values: unknown[]) => void>();
  const page: SharedPage = {
    nodeOf: () => document.body,
    idOf: () => 7,
    isMasked: () => false,
    changedSince: () => false,
    send: () => undefined,
    on: (code, fn) => {
      handlers.set(code, fn);
      return () => handlers.delete(code);
    },
  };
  const say = (code: number, ...values: unknown[]) => handlers.get(code)?.(values);
  const shown = () => {
    const root = document.querySelector("talk-now-over")?.shadowRoot as ShadowRoot;
    return [".pointer", ".mark", "polyline"].map((one) => root.querySelectorAll(one).length);
  };
  const all = (who: number) => {
    say(SIDE_POINT, who, 7, 0.5, 0.5, 0);
    say(SIDE_MARK, who, 7);
    say(SIDE_DRAW, who, 1, 7, [0, 0, 1, 1], 0);
  };

  beforeEach(() => {
    may = true;
    together = startTogether(page, {
      control: () => undefined,
      point: () => may,
      endControl: () => undefined,
    });
    say(SIDE_WATCH, [
      [1, "Tess", 0, "agent"],
      [2, "Ben", 0, "agent"],
    ]);
  });
  afterEach(() => together.stop());

  it("all that was pointed, marked and drawn goes with the grant, and nothing comes after it", () => {
    all(1);
    expect(shown()).toEqual([1, 1, 1]);
    may = false;
    together.changed();
    expect(shown()).toEqual([0, 0, 0]);
    all(1);
    expect(shown()).toEqual([0, 0, 0]);
  });

  it("what somebody drew goes when they look no more", () => {
    all(1);
    all(2);
    say(SIDE_WATCH, [[2, "Ben", 0, "agent"]]);
    expect(shown()).toEqual([1, 1, 1]);
    all(1);
    expect(shown()).toEqual([1, 1, 1]);
  });

  it("what has no shape is borne and shows nothing", () => {
    const junk = [undefined, null, "7", Number.NaN, -1, {}, [], [null], ["a"], new Array(600).fill(0)];
    const but = (fields: unknown[], at: number, one: unknown) => fields.toSpliced(at, 1, one);
    for (const one of junk) {
      say(SIDE_WATCH, one);
      expect(shown()).toEqual([0, 0, 0]);
      say(SIDE_WATCH, [[1, "Tess", 0, "agent"], one]);
      for (const at of [0, 1]) {
        say(SIDE_MARK, ...but([1, 7], at, one));
        say(SIDE_POINT, ...but([1, 7, 0.5, 0.5, 0], at, one));
      }
      for (const at of [0, 1, 2]) say(SIDE_DRAW, ...but([1, 1, 7, [0, 0], 0], at, one));
      // No point at all is a list too, and shows nothing.
      say(SIDE_DRAW, 1, 1, 7, ...(one === undefined ? [] : [one]));
    }
    say(SIDE_POINT);
    expect(shown()).toEqual([0, 0, 0]);
    all(1);
    expect(shown()).toEqual([1, 1, 1]);
  });
});
