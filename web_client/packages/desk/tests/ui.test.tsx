import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { settle } from "../../client/tests/fakes.ts";
import { App } from "../src/ui/app.tsx";
import { type Bench, bench, legOf, ME, offerOf, sample } from "./samples.ts";

let root: HTMLElement;
let here: Bench;

async function draw(...args: Parameters<typeof bench>): Promise<void> {
  here = await bench(...args);
  root = document.createElement("div");
  document.body.append(root);
  render(<App desk={here.desk} />, root);
  await vi.advanceTimersByTimeAsync(50);
}

const redrawn = async () => {
  await vi.advanceTimersByTimeAsync(50);
  await settle();
};
const names = () =>
  [...root.querySelectorAll("button")].map(
    (one) => one.getAttribute("aria-label") ?? one.textContent?.trim(),
  );
const button = (name: string) =>
  [...root.querySelectorAll("button")].find(
    (one) => (one.getAttribute("aria-label") ?? one.textContent?.trim()) === name,
  );

describe("the desk on the screen", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(async () => {
    render(null, root);
    root.remove();
    here.desk.stop();
    // Effects that wait for the next frame must not wait for a clock that is gone.
    await vi.advanceTimersByTimeAsync(200);
    vi.useRealTimers();
  });

  it("shows who wants what from where, and announces it", async () => {
    await draw();
    here.wire().say("offer.made", offerOf("1"));
    await redrawn();
    const text = root.querySelector("[data-offer]")?.textContent ?? "";
    for (const part of ["Anna Berg", "customer-4711", "Wants to talk", "Hello", "Loan"])
      expect(text).toContain(part);
    expect(root.querySelector("[role=alert]")?.textContent).toContain("Anna Berg");
    button("Decline")?.click();
    expect(here.last("offer.decline").body).toEqual({ engagement: "e_1", offer: "1" });
    await redrawn();
    expect(root.querySelector("[data-offer]")).toBeNull();
  });

  it("offers to join a call that the customer asked for", async () => {
    await draw(undefined, [sample({ state: "requested" })]);
    here.desk.select("e_1");
    await redrawn();
    expect(root.querySelector("[data-call-state]")?.getAttribute("data-call-state")).toBe("requested");
    button("Join call")?.click();
    expect(here.last("call.join").body).toMatchObject({ engagement: "e_1" });
    expect(names()).not.toContain("Hang up");
  });

  it("offers to bring a call here that another tab holds, and no controls of it", async () => {
    const legs = [legOf("v_1"), legOf(ME, { device: "d_other" })];
    await draw(undefined, [sample({ state: "connected", connected_ms: 1, legs })]);
    here.desk.select("e_1");
    await redrawn();
    expect(names()).not.toContain("Mute");
    button("Bring the call here")?.click();
    expect(here.last("call.bring_here").body).toMatchObject({ engagement: "e_1" });
  });

  it("suggests voice, then waits for the answer", async () => {
    await draw(undefined, [sample()]);
    here.desk.select("e_1");
    await redrawn();
    button("Suggest voice")?.click();
    expect(here.last("call.suggest").body).toMatchObject({ engagement: "e_1", media: "audio" });
    const view = sample({ suggestion: "audio", suggested_by: ME }, {}, { seq: 5 });
    here.wire().say("engagement.changed", { seq: 5, view, items: [] });
    await redrawn();
    expect(root.querySelector("[data-call-state]")?.textContent).toContain("waiting for an answer");
    expect(names()).not.toContain("Suggest voice");
  });

  it("sends what was noted before the wrap-up time runs out", async () => {
    const due = Date.now() + 10_000;
    await draw(undefined, [sample({}, {}, { phase: "wrap_up", wrap_up_due_ms: due })]);
    here.desk.select("e_1");
    here.desk.setWrapUp("e_1", { code: "other", note: "call back" });
    await redrawn();
    expect(here.wire().sent.map(({ name }) => name)).not.toContain("engagement.wrap_up");
    await vi.advanceTimersByTimeAsync(9_500);
    expect(here.last("engagement.wrap_up").body).toMatchObject({ code: "other", note: "call back" });
  });
});
