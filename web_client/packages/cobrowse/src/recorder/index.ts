/**
 * The recorder of one tab: connects, learns the site's rules, captures the page and hands frames to the link.
 *
 * Loaded only after the visitor's consent. It decides whether anything is shown at all (paused, private page);
 * what of it is shown is `mask.ts`. After `stop` no listener, observer, timer or wrap of ours is left.
 * Source: docs/cobrowse_wire.md; docs/cobrowse.md.
 */
import { OP_HOLD, SIDE_MASKED } from "@talknow/protocol";
import { Link, type Welcome } from "../link.ts";
import { Writer } from "../writer.ts";
import { Assets } from "./assets.ts";
import { Capture, type Early } from "./capture.ts";
import { BLOCK, MASK, Masks } from "./mask.ts";
import { type Policy, STRICTEST } from "./policy.ts";

export type { Early } from "./capture.ts";

/** The page as those who point at it, draw on it or control it may use it. */
export interface SharedPage {
  nodeOf(id: number): Node | undefined;
  idOf(node: Node): number | undefined;
  /** Whether the node's content is hidden from viewers. */
  isMasked(node: Node): boolean;
  changedSince(id: number, seq: number): boolean;
  send(code: number, ...values: unknown[]): void;
  on(code: number, fn: (values: unknown[]) => void): () => void;
}

export type RecorderState = "connecting" | "live" | "paused" | "private" | "stopped" | "refused";

export interface RecorderOptions {
  /** The cobrowse socket: `wss://.../v1/cobrowse`, of whichever node answers now. attempt 0: the first time. */
  url: (attempt?: number) => string;
  token: string;
  /** The next token, for the page after this one. */
  keepToken: (token: string) => void;
  early?: Early;
  onEnd?: (code: number) => void;
}

const ADDRESS_MS = 500;
/** Why nothing is shown (HOLD). */
const HOLD_PRIVATE = 1;
const HOLD_PAUSED = 2;

export class Recorder implements SharedPage {
  state: RecorderState = "connecting";
  readonly link: Link;
  private capture: Capture | null = null;
  private assets: Assets | null = null;
  private masks: Masks | null = null;
  private token: string;
  private paused = false;
  private isPrivate = false;
  private address = "";
  private seq = 0;
  private watching: ReturnType<typeof setInterval> | undefined;
  private readonly watchers = new Set<() => void>();

  constructor(private readonly options: RecorderOptions) {
    this.token = options.token;
    this.link = new Link({
      url: options.url,
      doc: crypto.randomUUID(),
      token: () => this.token,
      keepToken: (token) => this.keepToken(token),
      seq: () => this.capture?.seq ?? this.seq,
      welcome: (welcome) => this.welcomed(welcome),
      need: () => this.capture?.restart(),
      ended: (code) => this.ended(code),
      lost: () => this.become(),
    });
    this.link.on(SIDE_MASKED, ([ids]) => this.capture?.maskToo(ids as number[]));
  }

  start(): void {
    this.link.start();
    // What follows the first snapshot comes while the socket opens; whoever needs it asks again and sees what fails.
    import("./live.ts").catch(() => undefined);
  }

  stop(reason: "stopped" | "navigating" | "hidden" = "stopped"): void {
    this.release();
    this.leave();
    this.link.stop(reason);
    this.state = "stopped";
    this.notify();
  }

  /** Nothing more leaves until `resume`. */
  pause(): void {
    this.paused = true;
    this.hold(HOLD_PAUSED);
    this.become();
  }

  resume(): void {
    this.paused = false;
    this.shoot();
  }

  /** Address and title without what stays here; of a page that nobody may see now the address alone. */
  page(): { url: string; title: string } {
    const [url, title] = this.capture?.address() ?? [location.origin + location.pathname, ""];
    return { url: url.slice(0, 2_048), title };
  }

  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  /** How much of the page stays here. */
  hidden(): { fields: number; texts: number; blocked: number } {
    return this.capture?.hiding() ?? { fields: 0, texts: 0, blocked: 0 };
  }

  nodeOf(id: number): Node | undefined {
    return this.capture?.tree.nodes[id];
  }

  idOf(node: Node): number | undefined {
    return this.capture?.tree.id(node);
  }

  isMasked(node: Node): boolean {
    const id = this.idOf(node);
    const stand = id === undefined ? MASK : this.capture?.tree.stand(id);
    return stand === MASK || stand === BLOCK;
  }

  changedSince(id: number, seq: number): boolean {
    return this.capture?.isLive !== true || this.capture.tree.seq(id) > seq;
  }

  send(code: number, ...values: unknown[]): void {
    this.link.say(code, ...values);
  }

  on(code: number, fn: (values: unknown[]) => void): () => void {
    return this.link.on(code, fn);
  }

  private welcomed({ policy, resumed, hold }: Welcome): void {
    if (this.masks === null) {
      const rules = { ...STRICTEST, ...policy } as unknown as Policy;
      this.masks = new Masks(rules);
      this.assets = new Assets({
        policy: rules,
        base: this.options.url,
        token: () => this.token,
        send: (code, ...values) => this.link.say(code, ...values),
        on: (code, fn) => this.link.on(code, fn),
        ready: () => this.capture?.assetReady(),
        missing: () => this.capture?.note("image", 0),
      });
      this.watching = setInterval(() => this.visit(), ADDRESS_MS);
    }
    this.assets?.askAgain();
    if (hold > 0) this.paused = true;
    if (this.capture === null) this.shoot();
    else if (!resumed) this.capture.restart();
    this.become();
  }

  /** Begin to capture, unless something forbids it now. */
  private shoot(): void {
    const { masks, assets } = this;
    if (masks === null || assets === null || this.capture !== null) return;
    this.address = document.URL;
    this.isPrivate = masks.visit(this.address);
    if (this.isPrivate) {
      this.hold(HOLD_PRIVATE);
    } else if (!this.paused) {
      this.capture = new Capture({
        document,
        masks,
        assets,
        early: this.options.early,
        send: (seq, frame, isSnapshot) => this.link.frame(seq, frame, isSnapshot),
        queued: () => this.link.queued,
        isElsewhere: () => this.visit(),
        failed: () => this.failed(),
      });
      this.capture.seq = this.seq;
      this.capture.start();
    }
    this.become();
  }

  /** The page may have moved on to one that nobody may see, or back. True: nothing of it may be written. */
  private visit(): boolean {
    const { masks } = this;
    if (document.URL === this.address || masks === null) return false;
    this.address = document.URL;
    const shown = masks.pageShown;
    this.isPrivate = masks.visit(this.address);
    if (!this.isPrivate) this.shoot();
    else if (!this.paused) this.hold(HOLD_PRIVATE);
    // Other fields may be shown here than on the page before.
    if (masks.pageShown !== shown) this.capture?.restart();
    this.become();
    return this.isPrivate;
  }

  /** Viewers see that nothing is shown, and why. */
  private hold(reason: number): void {
    this.release();
    const writer = new Writer();
    this.seq += 1;
    writer.begin(this.seq);
    writer.int(OP_HOLD);
    writer.int(reason);
    this.link.frame(this.seq, writer.end(), true);
  }

  private release(): void {
    this.seq = this.capture?.seq ?? this.seq;
    this.capture?.stop();
    this.capture = null;
  }

  /** Nothing is looked at or read any more. */
  private leave(): void {
    clearInterval(this.watching);
    this.assets?.stop();
  }

  private keepToken(token: string): void {
    this.token = token;
    this.options.keepToken(token);
  }

  /** What goes on after the first snapshot did not come: an old picture would be worse than none. */
  private failed(): void {
    this.link.stop("stopped");
    this.ended(0);
  }

  private ended(code: number): void {
    this.release();
    this.leave();
    this.state = "refused";
    this.notify();
    this.options.onEnd?.(code);
  }

  private become(): void {
    if (this.state === "stopped" || this.state === "refused") return;
    const before = this.state;
    if (this.paused) this.state = "paused";
    else if (this.isPrivate) this.state = "private";
    else this.state = this.link.ready ? "live" : "connecting";
    if (this.state !== before) this.notify();
  }

  private notify(): void {
    for (const fn of this.watchers) fn();
  }
}
