import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Hooks } from "../src/recorder/hooks.ts";
import { begun, hosts } from "./samples.ts";

class Owner {
  private hidden = 1;
  get kept(): number {
    return this.hidden;
  }
  set kept(value: number) {
    this.hidden = value;
  }
  act(by: number): number {
    return this.hidden + by;
  }
}

const described = () =>
  JSON.stringify(
    Object.entries(Object.getOwnPropertyDescriptors(Owner.prototype)).map(([name, { value, get, set }]) => [
      name,
      String(value),
      String(get),
      String(set),
    ]),
  );

describe("what is wrapped in the page", () => {
  it("tells of calls, readings and assignments, and is as before after the end", () => {
    const before = Object.getOwnPropertyDescriptors(Owner.prototype);
    const hooks = new Hooks();
    const told: unknown[] = [];
    hooks.method(Owner.prototype, "act", (_, args, result) => told.push(["act", args, result]));
    hooks.setter(Owner.prototype, "kept", (self: Owner) => told.push(["set", self instanceof Owner]));
    hooks.getter(Owner.prototype, "kept", () => told.push(["get"]));
    const one = new Owner();
    one.kept = 4;
    expect(one.act(2)).toBe(6);
    expect(one.kept).toBe(4);
    expect(told).toEqual([["set", true], ["act", [2], 6], ["get"]]);
    hooks.stop();
    expect(Object.getOwnPropertyDescriptors(Owner.prototype)).toEqual(before);
    one.kept = 5;
    expect(told).toHaveLength(3);
  });

  it("leaves what others have wrapped around it, and only calls on from then", () => {
    const before = described();
    const original = Object.getOwnPropertyDescriptor(Owner.prototype, "act") as PropertyDescriptor;
    const hooks = new Hooks();
    let told = 0;
    hooks.method(Owner.prototype, "act", () => {
      told += 1;
    });
    const ours = Owner.prototype.act;
    Owner.prototype.act = function (by) {
      return ours.call(this, by) * 10;
    };
    hooks.stop();
    expect(new Owner().act(1)).toBe(20);
    expect(told).toBe(0);
    Object.defineProperty(Owner.prototype, "act", original);
    expect(described()).toBe(before);
  });

  it("never lets a fault of ours reach the page", () => {
    const hooks = new Hooks();
    hooks.method(Owner.prototype, "act", () => {
      throw new Error("ours");
    });
    expect(new Owner().act(1)).toBe(2);
    hooks.stop();
  });
});

/** Listeners that are there, whatever they listen to. */
let listeners = new Map<EventTarget, string[]>();

/** The object that has the method: each kind of target may have its own. */
function holder(target: EventTarget): EventTarget {
  let at = target;
  while (!Object.hasOwn(at, "addEventListener")) at = Object.getPrototypeOf(at);
  return at;
}

beforeEach(() => {
  listeners = new Map();
  for (const owner of new Set([document, window].map(holder))) {
    const { addEventListener, removeEventListener } = owner;
    vi.spyOn(owner, "addEventListener").mockImplementation(function (this: EventTarget, ...args) {
      listeners.set(this, [...(listeners.get(this) ?? []), args[0]]);
      return addEventListener.apply(this, args);
    });
    vi.spyOn(owner, "removeEventListener").mockImplementation(function (this: EventTarget, ...args) {
      const kept = [...(listeners.get(this) ?? [])];
      if (kept.includes(args[0])) kept.splice(kept.indexOf(args[0]), 1);
      listeners.set(this, kept);
      return removeEventListener.apply(this, args);
    });
  }
});

afterEach(() => vi.restoreAllMocks());

/** Of the page: what its engine here listens to by itself is not ours. */
const left = () =>
  [...listeners].flatMap(([target, names]) => (target instanceof Node || target === window ? names : []))
    .length;
const methods = () =>
  [Element.prototype, HTMLInputElement.prototype, CSSStyleSheet.prototype, Document.prototype].map((owner) =>
    Object.getOwnPropertyDescriptors(owner),
  );

describe("a recorder of a page that changes for hours", () => {
  it("keeps no root that left the page, and listens again in one that comes back", async () => {
    document.body.innerHTML = "<p>one</p>";
    const sent: number[] = [];
    const capture = begun(sent);
    await vi.waitFor(() => expect(capture.isLive).toBe(true));
    const before = left();
    const { undos } = (capture as unknown as { hooks: { undos: Map<object, unknown> } }).hooks;
    const homes = undos.size;
    const [first, ...others] = hosts(20);
    await vi.waitFor(() => expect(undos.size).toBe(homes + 20));
    const each = (left() - before) / 20;
    expect(each).toBeGreaterThan(5);
    for (const host of [first, ...others]) host?.remove();
    await vi.waitFor(() => expect(undos.size).toBe(homes));
    expect(left()).toBe(before);
    document.body.append(first as Node);
    await vi.waitFor(() => expect(left()).toBe(before + each));
    capture.stop();
    expect(left()).toBe(0);
  });
});

describe("a recorder that stops", () => {
  it("leaves no listener, no wrap and no observer, and writes nothing more", async () => {
    const before = methods();
    document.body.innerHTML = '<p title="a">one</p><input value="b"><div id="host"></div>';
    document.getElementById("host")?.attachShadow({ mode: "open" }).append("in the shadow");
    const sent: number[] = [];
    const capture = begun(sent);
    await vi.waitFor(() => expect(capture.isLive && sent.length > 0).toBe(true));
    expect(left()).toBeGreaterThan(10);
    capture.stop();
    expect(left()).toBe(0);
    expect(methods()).toEqual(before);
    const count = sent.length;
    document.body.append("more");
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(sent).toHaveLength(count);
  });
});
