// @vitest-environment node
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

interface Manifest {
  widget: string[];
  call: string[];
}

let out: string;
let manifest: Manifest;
const sizeOf = (files: string[]) =>
  files.reduce((sum, file) => sum + gzipSync(readFileSync(join(out, file)), { level: 9 }).length, 0);
/** The chunks of these names, and what they import at once. */
function withImports(...names: string[]): string[] {
  const all = readdirSync(join(out, "assets"));
  const files = new Set(names.map((name) => all.find((file) => file.startsWith(`${name}-`)) ?? name));
  for (const file of files)
    for (const [, next] of readFileSync(join(out, "assets", file), "utf8").matchAll(/from\s*"\.\/([^"]+)"/gu))
      files.add(next as string);
  return [...files].map((file) => `assets/${file}`);
}

describe("what a company's page has to load", () => {
  beforeAll(() => {
    out = mkdtempSync(join(tmpdir(), "talknow-size-"));
    execFileSync(process.execPath, ["scripts/build.mjs", "widget", out], {
      cwd: join(import.meta.dirname, "../../.."),
    });
    manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")) as Manifest;
  });
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  it("is at most 5 kB for the loader", () => {
    expect(sizeOf(["talknow.js"])).toBeLessThanOrEqual(5_000);
  });

  it("is at most 60 kB for the chat, socket and UI library included", () => {
    expect(sizeOf(manifest.widget)).toBeLessThanOrEqual(60_000);
  });

  it("is at most 15 kB until a call is taken back on the next page", () => {
    expect(sizeOf(["talknow.js", ...manifest.call])).toBeLessThanOrEqual(15_000);
  });

  it("is at most 15 kB for the recorder, once the customer has agreed to show the page", () => {
    // With what it imports before it runs; the rest is not waited for by the first snapshot.
    expect(sizeOf(withImports("recorder"))).toBeLessThanOrEqual(15_000);
    expect(sizeOf(withImports("recorder", "live"))).toBeLessThanOrEqual(22_100);
  });

  it("needs nothing of ours that a strict policy forbids", () => {
    // The sources, not the bundle: the UI library carries a door for innerHTML that we never open.
    for (const folder of ["../src", "../src/ui", "../../client/src"]) {
      const from = join(import.meta.dirname, folder);
      for (const file of readdirSync(from).filter((name) => /\.tsx?$/u.test(name))) {
        const code = readFileSync(join(from, file), "utf8");
        expect(code, file).not.toMatch(
          /\beval\(|new Function\(|innerHTML|document\.write\(|setAttribute\(.style|style=/iu,
        );
      }
    }
  });
});
