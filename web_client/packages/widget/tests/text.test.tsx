import type { CallView, CobrowseItem } from "@talknow/protocol";
import { render } from "preact";
import { describe, expect, it } from "vitest";
import { position, sha256, TEXT, viewWording } from "../src/text.ts";
import { callText } from "../src/ui/callbar.tsx";
import { sizeOf } from "../src/ui/files.tsx";
import { duration } from "../src/ui/hooks.ts";
import { linkify, targetOf } from "../src/ui/linkify.tsx";
import { describe as happened } from "../src/ui/messages.tsx";

function links(text: string): { html: string; targets: (string | null)[] } {
  const box = document.createElement("div");
  render(<>{linkify(text)}</>, box);
  return {
    html: box.textContent ?? "",
    targets: [...box.querySelectorAll("a")].map((link) => link.getAttribute("href")),
  };
}

describe("links in messages", () => {
  it("finds web and mail addresses and leaves punctuation outside", () => {
    const text = "See https://bank.example/loan?a=1, or write to help@bank.example.";
    expect(links(text)).toEqual({
      html: text,
      targets: ["https://bank.example/loan?a=1", "mailto:help@bank.example"],
    });
  });

  it("never makes a link of anything that could run or mislead", () => {
    const texts = [
      "javascript:alert(1)",
      "data:text/html,<b>x</b>",
      "https://user:secret@bank.example/",
      "<a href=https:>",
      "file:///etc/passwd",
    ];
    expect(texts.flatMap((text) => links(text).targets)).toEqual([]);
    expect(targetOf("https://")).toBeNull();
  });

  it("opens without telling the other page anything", () => {
    const box = document.createElement("div");
    render(<>{linkify("https://bank.example")}</>, box);
    const link = box.querySelector("a");
    expect([link?.getAttribute("rel"), link?.target]).toEqual(["noopener noreferrer nofollow", "_blank"]);
  });
});

describe("what the visitor reads", () => {
  it("is what it allowed and who looked, never what agents only need", () => {
    const item = {
      seq: 1,
      at_ms: 0,
      by: "v_1",
      kind: "cobrowse",
      name: "Tess",
      count: 0,
      origin: "",
      capability: "control",
      kinds: ["click"],
      expires_ms: 0,
      wording_sha256: "0",
      language: "en",
    } satisfies Omit<CobrowseItem, "what">;
    const said = (what: CobrowseItem["what"]) => happened({ ...item, what }, "v_1");
    expect(said("granted")).toBe("You allowed: acting on this page, click");
    expect(said("revoked")).toBe("No longer allowed: acting on this page, click");
    expect(said("viewer_joined")).toBe("Tess looks at the shared page");
    expect(said("asked")).toBe("");
  });

  it("names the other origins where a shared page goes on", () => {
    expect(viewWording([])).toBe(TEXT.viewWording);
    expect(viewWording(["https://login.bank.example"])).toContain("It goes on at login.bank.example.");
  });

  const call = (state: CallView["state"]): CallView => ({
    state,
    video_wanted: false,
    suggestion: "",
    suggested_by: null,
    connected_ms: 1_000,
    legs: [],
    direct: false,
  });

  it("says how the call stands, here and on the server", () => {
    expect(callText(undefined, undefined, 0)).toBe("");
    expect(callText(call("none"), undefined, 0)).toBe("");
    expect(callText(call("requested"), undefined, 0)).toBe(TEXT.requested);
    expect(callText(call("connected"), "connected", 66_000)).toBe("1:05");
    expect(callText(call("connected"), "reconnecting", 66_000)).toBe(TEXT.callBack);
    expect(callText(call("on_hold"), "connected", 0)).toBe(TEXT.onHold);
    expect(callText(call("connected"), "elsewhere", 0)).toBe(TEXT.elsewhere);
  });

  it("writes times, sizes and places", () => {
    expect([0, 59_999, 3_600_000].map(duration)).toEqual(["0:00", "0:59", "1:00:00"]);
    expect([10, 12_345, 2_500_000].map(sizeOf)).toEqual(["1 kB", "12 kB", "2.5 MB"]);
    expect([position(1), position(3)]).toEqual([TEXT.nextInLine, "You are number 3 in line."]);
  });

  it("signs the very wording that is shown", async () => {
    // FIPS 180-2, appendix B.1
    expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(await sha256(TEXT.voiceWording)).toMatch(/^[0-9a-f]{64}$/u);
    expect(await sha256(TEXT.voiceWording)).not.toBe(await sha256(`${TEXT.voiceWording} `));
  });
});
