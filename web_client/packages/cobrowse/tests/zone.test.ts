import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { begun, hosts } from "./samples.ts";

describe("in a page whose zone has put its own functions in the browser's place", () => {
  const NAMES = ["setTimeout", "queueMicrotask", "requestAnimationFrame", "MutationObserver"] as const;
  type Home = { [name: string]: unknown };
  /** Each kind of target may have its own method. */
  const HOLDERS = [EventTarget.prototype, window] as unknown as (EventTarget & Home)[];
  const home = window as unknown as Home;
  const theirs: string[] = [];
  const undo: (() => void)[] = [];

  beforeEach(() => {
    theirs.length = 0;
    home.Zone = { __symbol__: (name: string) => `__zone_${name}` };
    for (const name of NAMES) {
      const own = home[name];
      home[`__zone_${name}`] = own;
      home[name] = (...args: unknown[]) => {
        theirs.push(name);
        return Reflect.construct(own as never, args);
      };
    }
    for (const owner of HOLDERS) {
      const { addEventListener } = owner;
      owner.__zone_addEventListener = addEventListener;
      undo.push(() => {
        owner.addEventListener = addEventListener;
        delete owner.__zone_addEventListener;
      });
      owner.addEventListener = function (...args) {
        // What the engine here does by itself is not ours.
        if ((this as unknown) === window || this instanceof Node) theirs.push(args[0]);
        return addEventListener.apply(this, args);
      };
    }
  });

  afterEach(() => {
    delete home.Zone;
    for (const one of undo.splice(0)) one();
    for (const name of NAMES) {
      home[name] = home[`__zone_${name}`];
      delete home[`__zone_${name}`];
    }
  });

  it("only the browser's own are used, so that nothing of ours makes the app compare", async () => {
    document.body.innerHTML = "<form><input></form>";
    const sent: number[] = [];
    const capture = begun(sent);
    const wait = async (frames: number) => {
      for (let turn = 0; turn < 200 && sent.length < frames; turn += 1)
        await new Promise((resolve) => (home.__zone_setTimeout as typeof setTimeout)(resolve, 5));
      expect(sent.length).toBeGreaterThanOrEqual(frames);
    };
    await wait(1);
    hosts(3);
    await wait(2);
    (document.querySelector("input") as HTMLInputElement).value = "set by the app";
    await wait(3);
    document.querySelector("form")?.dispatchEvent(new Event("reset", { bubbles: true }));
    document.body.append("more");
    await wait(4);
    capture.stop();
    expect(theirs).toEqual([]);
  });
});
