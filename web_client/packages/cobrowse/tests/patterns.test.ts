import { describe, expect, it } from "vitest";
// The server's tests read the same file: both sides find the same.
import vectors from "../../../../tests/cobrowse/secrets.json" with { type: "json" };
import { Patterns } from "../src/recorder/patterns.ts";

describe("secrets by their form", () => {
  it.each(vectors)("$text", ({ text, masked }) => {
    expect(new Patterns([], []).scrub(text)).toBe(masked);
  });
  it("lose addresses of mail only where the site shows them", () => {
    expect(new Patterns([], []).scrub("anna@bank.example 4111111111111111", true)).toBe(
      `anna@bank.example ${"\u2022".repeat(16)}`,
    );
  });
  it("are national ids where WELCOME brings their expressions; one that cannot be read finds nothing", () => {
    const patterns = new Patterns(
      [
        ["\\b\\d{6}-\\d{4}\\b", ""],
        ["\\b[xyz]\\d{7}-?[a-z]\\b", "i"],
        ["(", ""],
      ],
      [],
    );
    expect(patterns.scrub("010190-1234 and X1234567-L")).toBe(
      `${"\u2022".repeat(11)} and ${"\u2022".repeat(10)}`,
    );
  });
});
