/**
 * Between the origins of one site: a page of ours in a frame, whose storage of this tab is the same on all of them
 * (browsers keep it apart only by registrable domain). It keeps who the visitor is and the pass of the shared page, so
 * that a login on another origin of the company neither ends sharing nor asks again. Only on sites that list origins
 * (`continue_on_origins`). Source: docs/embed.md, section 8.
 */
import type { BridgeAnswer, BridgeQuestion, Carried } from "./carried.ts";

/** Recorders leave out every element whose name begins so. */
const TAG = "talk-now-bridge";
const WAIT_MS = 3_000;

export class Bridge {
  private opening: Promise<Window> | null = null;

  constructor(
    private readonly server: string,
    private readonly site: string,
  ) {}

  /** For the next page of this tab, on whichever of the origins it is; null: nothing any more. */
  async keep(carried: Carried | null): Promise<void> {
    this.ask(await this.open(), { kind: "keep", carried });
  }

  /** What the page before left, or null: nothing, or this origin may not have it. */
  async take(): Promise<Carried | null> {
    const window = await this.open();
    return new Promise((resolve) => {
      const timer = setTimeout(() => answered(null), WAIT_MS);
      const heard = ({ source, origin, data }: MessageEvent<BridgeAnswer>) => {
        if (source === window && origin === this.server && data.kind === "kept") answered(data.carried);
      };
      const answered = (carried: Carried | null) => {
        clearTimeout(timer);
        removeEventListener("message", heard);
        resolve(carried);
      };
      addEventListener("message", heard);
      this.ask(window, { kind: "take" });
    });
  }

  private ask(window: Window, question: BridgeQuestion): void {
    window.postMessage(question, this.server);
  }

  private open(): Promise<Window> {
    this.opening ??= new Promise((resolve, reject) => {
      const host = document.createElement(TAG);
      const frame = document.createElement("iframe");
      host.attachShadow({ mode: "open" }).append(frame);
      host.hidden = true;
      frame.title = "";
      frame.src = `${this.server}/bridge.html?site=${encodeURIComponent(this.site)}`;
      const ready = ({ source, origin, data }: MessageEvent<BridgeAnswer>) => {
        if (source !== frame.contentWindow || origin !== this.server || data.kind !== "ready") return;
        clearTimeout(timer);
        removeEventListener("message", ready);
        resolve(frame.contentWindow as Window);
      };
      const timer = setTimeout(() => {
        removeEventListener("message", ready);
        reject(new Error("bridge"));
      }, WAIT_MS);
      addEventListener("message", ready);
      document.documentElement.append(host);
    });
    return this.opening;
  }
}
