/** A recorder without a link, and what it may find in a page. */
import { Capture } from "../src/recorder/capture.ts";
import { Masks } from "../src/recorder/mask.ts";
import { STRICTEST } from "../src/recorder/policy.ts";

export function begun(sent: number[]): Capture {
  const capture = new Capture({
    document,
    masks: new Masks({ ...STRICTEST, mode: "open" }),
    assets: { known: [], name: () => "", inCss: (css: string) => css } as never,
    early: undefined,
    send: (seq) => sent.push(seq),
    queued: () => 0,
    isElsewhere: () => false,
    failed: () => undefined,
  });
  capture.start();
  return capture;
}

/** So many elements with something to listen to inside. */
export function hosts(count: number): HTMLElement[] {
  return Array.from({ length: count }, () => {
    const host = document.createElement("div");
    host.attachShadow({ mode: "open" }).append("in the shadow");
    document.body.append(host);
    return host;
  });
}
