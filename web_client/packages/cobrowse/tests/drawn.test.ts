import { describe, expect, it } from "vitest";
import { held } from "../src/recorder/drawn.ts";

const read = async (address: string) => {
  const blob = held(address);
  return [blob.type, new TextDecoder().decode(await blob.arrayBuffer())];
};

describe("what a data address holds", () => {
  it("is read without a request, plain or in base64", async () => {
    expect(await read("data:image/svg+xml,%3Csvg/%3E")).toEqual(["image/svg+xml", "<svg/>"]);
    expect(await read("data:image/svg+xml;charset=utf-8;base64,PHN2Zy8+")).toEqual([
      "image/svg+xml",
      "<svg/>",
    ]);
    expect(await read("data:,a%20b")).toEqual(["text/plain", "a b"]);
  });
  it("that is broken is no picture", () => {
    expect(() => held("data:image/png;base64,%%%")).toThrow();
  });
});
