import { SIDE_HAVE } from "@talknow/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Assets } from "../src/recorder/assets.ts";
import { STRICTEST } from "../src/recorder/policy.ts";

const PICTURES = ["data:image/png;base64,AAAA", "data:image/png;base64,BBBB"];

afterEach(() => vi.unstubAllGlobals());

function world() {
  const said: string[][] = [];
  const ready: number[] = [];
  const put: string[] = [];
  let want: (values: unknown[]) => void = () => undefined;
  vi.stubGlobal("fetch", async (address: string, init?: RequestInit) => {
    if (init?.method === "PUT") {
      put.push(address.slice(-64));
      return new Response(null, { status: 204 });
    }
    return new Response(address, { headers: { "Content-Type": "image/png" } });
  });
  const assets = new Assets({
    policy: { ...STRICTEST, assets: "all" },
    base: () => "ws://talk.example/v1/cobrowse",
    token: () => "pass",
    send: (code, ...values) => code === SIDE_HAVE && said.push(values[0] as string[]),
    on: (_, fn) => {
      want = fn;
      return () => undefined;
    },
    ready: (number) => ready.push(number),
    missing: () => undefined,
  });
  return { assets, said, ready, put, want: (hashes: string[]) => want([hashes]) };
}

describe("pictures of a shared page", () => {
  it("asks for each and sends only what the server lacks, also with two questions under way", async () => {
    const { assets, said, ready, put, want } = world();
    expect(PICTURES.map((address) => assets.name(address, "http://bank.example/"))).toEqual([
      "asset:1",
      "asset:2",
    ]);
    await vi.waitFor(() => expect(said).toHaveLength(2));
    const [first, second] = said.flat() as [string, string];
    want([first]);
    await vi.waitFor(() => expect(put).toEqual([first]));
    expect(ready).toHaveLength(1);
    want([second]);
    await vi.waitFor(() => expect(put).toEqual([first, second]));
    await vi.waitFor(() => expect(ready.sort()).toEqual([1, 2]));
  });

  it("asks once more for what was not answered before a cut", async () => {
    const { assets, said, ready, want } = world();
    assets.name(PICTURES[0] as string, "http://bank.example/");
    await vi.waitFor(() => expect(said).toHaveLength(1));
    assets.askAgain();
    await vi.waitFor(() => expect(said).toHaveLength(2));
    want([]);
    expect(ready).toEqual([1]);
  });

  it("never names what the site does not allow", () => {
    const { assets } = world();
    expect(assets.name("javascript:alert(1)", "http://bank.example/")).toBe("");
    expect(assets.inCss("a{background:url('file:///etc/passwd')}", "http://bank.example/")).toBe(
      "a{background:none}",
    );
  });
});
