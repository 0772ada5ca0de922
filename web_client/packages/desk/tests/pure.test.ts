import type { CobrowseItem } from "@talknow/protocol";
import { describe, expect, it } from "vitest";
import { callText, customerMoves, isElsewhere, suggestions } from "../src/callstate.ts";
import { partsOf } from "../src/links.ts";
import { fractionLeft, withOffer, withoutOffer } from "../src/offers.ts";
import { shortcutOf } from "../src/shortcuts.ts";
import { bars } from "../src/ui/callbar.tsx";
import { fileProblem } from "../src/ui/composer.tsx";
import { clock, duration, lineOf, pathOf, presenceText, rough } from "../src/words.ts";
import { legOf, ME, offerOf, sample, VISITOR } from "./samples.ts";

describe("offers", () => {
  it("keeps the longest waiting first and shows an offer that comes again once", () => {
    const late = offerOf("late", { waiting_since_ms: 9_000 });
    const early = offerOf("early", { waiting_since_ms: 2_000 });
    const list = withOffer(withOffer(withOffer([], late, 0), early, 0), late, 5_000);
    expect(list.map(({ made }) => made.offer)).toEqual(["early", "late"]);
    expect(list[1]?.endsAt).toBe(25_000);
    expect(withoutOffer(list, "early")).toHaveLength(1);
  });

  it("counts down by this browser's clock, never below nothing", () => {
    const [ringing] = withOffer([], offerOf("o"), 1_000);
    if (!ringing) throw new Error("nothing rings");
    expect(fractionLeft(ringing, 1_000)).toBe(1);
    expect(fractionLeft(ringing, 11_000)).toBe(0.5);
    expect(fractionLeft(ringing, 99_000)).toBe(0);
  });
});

describe("call state", () => {
  const up = { state: "connected", connected_ms: 1 } as const;

  it("says that the customer is changing page, never that they hung up", () => {
    const leaving = sample(
      { ...up, legs: [legOf("v_1")] },
      { presence: "away", away_reason: "changing_page" },
    );
    const coming = sample({ ...up, legs: [legOf("v_1", { state: "awaiting_path" })] });
    for (const view of [leaving, coming]) {
      expect(customerMoves(view)).toBe(true);
      expect(callText(view, ME, "connected").text).toBe("Customer is changing page");
    }
  });

  it("tells a lost connection from a page change", () => {
    const legs = [legOf("v_1", { state: "awaiting_path" })];
    const lost = sample({ ...up, legs }, { presence: "away", away_reason: "lost" });
    expect(customerMoves(lost)).toBe(false);
    expect(callText(lost, ME, "connected").text).toBe("Waiting for the customer's connection");
  });

  it("shows my own trouble before the customer's", () => {
    const view = sample({ ...up, legs: [legOf("v_1", { state: "awaiting_path" })] });
    expect(callText(view, ME, "reconnecting").text).toBe("Reconnecting");
    expect(callText(view, ME, "elsewhere").text).toBe("In another tab");
  });

  it("knows when another tab holds my leg", () => {
    const view = sample({ ...up, legs: [legOf(ME, { device: "d_other" })] });
    expect(isElsewhere(view, ME, "d_mine")).toBe(true);
    expect(isElsewhere(view, ME, "d_other")).toBe(false);
  });

  it("offers to suggest only what is possible now", () => {
    expect(suggestions(sample())).toEqual({ voice: true, video: true, screen: false });
    expect(suggestions(sample({ suggestion: "audio", suggested_by: ME }))).toEqual({
      voice: false,
      video: false,
      screen: false,
    });
    expect(suggestions(sample({ state: "connected" }))).toEqual({
      voice: false,
      video: true,
      screen: true,
    });
    const withVideo = { state: "connected", legs: [legOf("v_1", { video: true })] } as const;
    expect(suggestions(sample({ ...withVideo, legs: [...withVideo.legs] })).video).toBe(false);
    expect(suggestions(sample({}, {}, { phase: "wrap_up" })).voice).toBe(false);
  });
});

describe("words", () => {
  it("writes times as people do", () => {
    expect([duration(65_000), duration(3_725_000), duration(-5)]).toEqual(["1:05", "1:02:05", "0:00"]);
    expect([rough(20_000), rough(90_000), rough(4_000_000)]).toEqual(["20 s", "2 min", "1 h 7 min"]);
  });

  it("shows a page by its path and keeps what is no address", () => {
    expect(pathOf("https://bank.example/loan?step=2")).toBe("/loan?step=2");
    expect(pathOf("loan")).toBe("loan");
  });

  it("names presence in the customer's own terms", () => {
    expect(presenceText(VISITOR)).toBe("On the page");
    expect(presenceText({ ...VISITOR, presence: "away", away_reason: "changing_page" })).toBe(
      "Changing page",
    );
    expect(presenceText({ ...VISITOR, presence: "away", away_reason: "lost" })).toBe("Connection lost");
    expect(presenceText(undefined)).toBe("Left");
  });

  it("turns timeline items into one line each", () => {
    const at = { seq: 1, at_ms: 0, by: "v_1" };
    const ended = { ...at, kind: "call", what: "ended", media: "audio", duration_ms: 61_000 } as const;
    expect(lineOf(ended, "Anna")).toBe("Call ended after 1:01");
    expect(lineOf({ ...ended, what: "suggested", media: "video" }, "You")).toBe("You suggested video");
    const page = { ...at, kind: "page", page: { url: "https://b.example/x", title: "" } } as const;
    expect(lineOf(page, "Anna")).toBe("Anna opened /x");
    expect(lineOf({ seq: 1, at_ms: 0, kind: "phase", phase: "offered", reason: "" }, "")).toBe("");
  });

  it("shows of a consent what was allowed, where, until when and to which words", () => {
    const given = {
      seq: 1,
      at_ms: 0,
      by: "v_1",
      kind: "cobrowse",
      name: "Anna",
      count: 0,
      what: "granted",
      capability: "control",
      kinds: ["click"],
      origin: "https://b.example",
      expires_ms: 600_000,
      wording_sha256: "0123456789abcdef",
      language: "en",
    } satisfies CobrowseItem;
    expect(lineOf(given, "Anna")).toBe(
      `Anna agreed: acting on the page, click on https://b.example, until ${clock(600_000)} (words 01234567, en)`,
    );
    expect(lineOf({ ...given, what: "started", capability: "view", kinds: [], expires_ms: 0 }, "Anna")).toBe(
      "Anna began to show the page on https://b.example (words 01234567, en)",
    );
  });
});

describe("links", () => {
  it("links web and mail addresses without the full stop behind them", () => {
    const parts = partsOf("See https://bank.example/a?b=1. Or write to help@bank.example!");
    expect(parts.filter(({ href }) => href !== "").map(({ href }) => href)).toEqual([
      "https://bank.example/a?b=1",
      "mailto:help@bank.example",
    ]);
    expect(parts.map(({ text }) => text).join("")).toBe(
      "See https://bank.example/a?b=1. Or write to help@bank.example!",
    );
  });

  it("never links a script or an address with a password", () => {
    for (const text of ["javascript:alert(1)", "data:text/html,x", "https://a:b@evil.example/"]) {
      expect(partsOf(text).every(({ href }) => !href.startsWith("javascript") && !href.includes("a:b"))).toBe(
        true,
      );
    }
  });
});

describe("small rules", () => {
  it("reads shortcuts by the physical key and leaves other keys alone", () => {
    const key = { altKey: true, ctrlKey: false, metaKey: false };
    expect(shortcutOf({ ...key, code: "KeyA" })).toEqual({ does: "accept" });
    expect(shortcutOf({ ...key, code: "KeyM" })).toEqual({ does: "mute" });
    expect(shortcutOf({ ...key, code: "Digit3" })).toEqual({ does: "switch", index: 2 });
    expect(shortcutOf({ ...key, code: "Digit0" })).toBeNull();
    // AltGr is Ctrl + Alt on Windows: it types characters.
    expect(shortcutOf({ ...key, ctrlKey: true, code: "KeyA" })).toBeNull();
    expect(shortcutOf({ ...key, altKey: false, code: "KeyA" })).toBeNull();
  });

  it("lights no bar in silence and all of them at the top", () => {
    expect([bars(0), bars(0.1), bars(1)]).toEqual([0, 4, 8]);
  });

  it("refuses files the server would refuse before they are sent", () => {
    expect(fileProblem({ type: "image/png", size: 10 })).toBe("");
    expect(fileProblem({ type: "application/zip", size: 10 })).toBe("file_type_not_allowed");
    expect(fileProblem({ type: "application/pdf", size: 0 })).toBe("file_empty");
    expect(fileProblem({ type: "image/jpeg", size: 11 * 1024 * 1024 })).toBe("file_too_large");
  });
});
