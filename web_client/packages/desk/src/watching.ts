/**
 * One shared page on the agent's screen: the socket that brings it, and the viewer's own page that shows it.
 *
 * Frames are passed on unread, to another origin; this side never builds any of it. It acks what the viewer has
 * applied and comes back by itself. Source: docs/cobrowse_wire.md.
 */
import { backoffMs, nodeOf } from "@talknow/client";
import { pack, unpack, type Value } from "@talknow/cobrowse/msgpack";
import { pointingIn, watchersIn } from "@talknow/cobrowse/pointing";
import type { Act, FromViewer, Tool, ToViewer, Zoom } from "@talknow/cobrowse/viewer/messages";
import {
  SIDE_ACK,
  SIDE_CONTROL,
  SIDE_DID,
  SIDE_DRAW,
  SIDE_HELLO,
  SIDE_MARK,
  SIDE_MASKED,
  SIDE_NEED,
  SIDE_POINT,
  SIDE_SELECT,
  SIDE_STREAMS,
  SIDE_SWITCH,
  SIDE_WATCH,
  SIDE_WELCOME,
} from "@talknow/protocol";

export interface SharedTab {
  id: string;
  url: string;
  title: string;
  visible: boolean;
  state: "live" | "stale" | "held" | "away" | "too_big";
  device: string;
}

export interface Access {
  token: string;
  url: string;
  viewer_url: string;
}

const FINAL = new Set([4400, 4401, 4403]);
const OUR_POINTER = 0;
const REFUSED_MS = 5_000;
/** Why something was not done on the customer's page. */
const REFUSED: Readonly<Record<string, string>> = {
  control_not_granted: "The customer did not allow that.",
  control_forbidden_target: "That stays with the customer: a secret, closed by the site, or away from it.",
  changed: "The page changed meanwhile. Look again, then try again.",
  gone: "That is no longer on the page.",
  suspended: "The customer is using the page, or has another tab in front. Wait a moment.",
};

export class Watching {
  viewerUrl = "";
  private viewerOrigin = "";
  tabs: readonly SharedTab[] = [];
  shown = "";
  /** The tab this agent picked; "": whichever is in front. */
  picked = "";
  title = "";
  url = "";
  size = { width: 0, height: 0, scale: 1, touch: false };
  notes = new Set<string>();
  masked = 0;
  tool: Tool = "look";
  /** On a phone a whole window would be too small to read. */
  zoom: Zoom = matchMedia("(max-width: 480px)").matches ? "width" : "whole";
  follow = true;
  problem = "";
  /** Why the last thing that was tried on the page was not done. */
  refused = "";
  /** The grant to control the page. */
  grant = "";
  private mayPoint = false;
  private requests = 0;
  private names = new Map<number, string>();
  /** Of what is shown: its epoch, and the last frame that was passed on; 0: none, -1: a keyframe is needed. */
  private epoch = 0;
  private life = 0;
  private passed = 0;
  private socket: WebSocket | null = null;
  private window: Window | null = null;
  private base = "";
  private who = 1;
  private early: ToViewer[] = [];
  private ended = false;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private forgetting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly server: string,
    private readonly access: () => Promise<Access>,
    private readonly changed: () => void,
  ) {
    addEventListener("message", this.heard);
  }

  start(): void {
    void this.connect();
  }

  stop(): void {
    this.ended = true;
    clearTimeout(this.timer);
    clearTimeout(this.forgetting);
    removeEventListener("message", this.heard);
    this.socket?.close();
  }

  /** The frame that shows the viewer's page was drawn; null when it is gone. */
  attach(frame: HTMLIFrameElement | null): void {
    this.window = frame?.contentWindow ?? null;
  }

  /** The engagement's word on control; without it the tool goes back to looking. */
  control(grant: string): void {
    if (grant === this.grant) return;
    this.grant = grant;
    if (grant === "" && this.tool === "control") this.setTool("look");
  }

  /** The engagement's word on pointing; without it nobody's hand is on the page any more. */
  pointing(may: boolean): void {
    if (may === this.mayPoint) return;
    this.mayPoint = may;
    if (may) return;
    if (this.tool !== "look" && this.tool !== "control") this.setTool("look");
    this.show({ kind: "gone", who: null });
  }

  navigate(where: "back" | "forward" | "reload"): void {
    this.act("navigate", 1, 0, [where]);
  }

  private act(kind: Act["kind"] | "navigate", node: number, seen: number, values: Act["values"]): void {
    this.requests += 1;
    this.say(SIDE_CONTROL, this.requests, this.grant, seen, node, kind, ...values);
  }

  private did(code: string): void {
    const text = code === "ok" ? "" : (REFUSED[code] ?? code);
    if (text === this.refused) return;
    this.refused = text;
    clearTimeout(this.forgetting);
    if (text !== "") this.forgetting = setTimeout(() => this.did("ok"), REFUSED_MS);
    this.changed();
  }

  /** tab: "" to follow the one in front of the customer. */
  choose(tab: string): void {
    this.picked = tab;
    this.say(SIDE_SELECT, tab);
    this.changed();
  }

  setTool(tool: Tool): void {
    this.tool = tool;
    this.show({ kind: "tool", tool });
    this.changed();
  }

  setZoom(zoom: Zoom): void {
    this.zoom = zoom;
    this.show({ kind: "zoom", zoom });
    this.changed();
  }

  setFollow(follow: boolean): void {
    this.follow = follow;
    this.show({ kind: "follow", follow });
    this.changed();
  }

  private async connect(): Promise<void> {
    try {
      const { token, url, viewer_url } = await this.access();
      if (this.ended) return;
      this.viewerUrl = viewer_url;
      this.viewerOrigin = new URL(viewer_url).origin;
      this.problem = "";
      this.changed();
      this.open(new URL(url, nodeOf(this.server)).href.replace(/^http/, "ws"), token);
    } catch {
      this.again();
    }
  }

  /** The softphone was connected again: a node that hangs would not end this socket. */
  renew(): void {
    const { socket } = this;
    if (socket === null) return;
    this.socket = null;
    socket.close();
    void this.connect();
  }

  private open(url: string, token: string): void {
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(pack([0, SIDE_HELLO, token, ...this.has()]));
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.receive(data);
    socket.onclose = ({ code }) => {
      if (socket !== this.socket) return;
      this.socket = null;
      if (!FINAL.has(code)) this.again();
    };
  }

  /** What the viewer's page has, so that it gets what came after it, not all of it. */
  private has(): Value[] {
    if (this.passed <= 0) return [];
    return [[this.shown, this.epoch, this.life, this.passed, this.picked]];
  }

  private again(): void {
    if (this.ended) return;
    this.problem = "The shared page is being reconnected…";
    this.changed();
    this.timer = setTimeout(() => void this.connect(), backoffMs(this.attempt, Math.random));
    this.attempt += 1;
  }

  private say(code: number, ...values: Value[]): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(pack([0, code, ...values]));
  }

  private receive(data: ArrayBuffer): void {
    const first = new Uint8Array(data, 0, Math.min(6, data.byteLength));
    if (!isAside(first)) {
      // A frame that was passed on is applied; one that cannot be is told by "need".
      if (this.passed >= 0) this.passed = seqIn(data);
      this.show({ kind: "frame", bytes: data });
      return;
    }
    const message = unpack(new Uint8Array(data));
    if (!Array.isArray(message)) return;
    const [, code, ...values] = message;
    this.aside(code as number, values);
  }

  private aside(code: number, values: Value[]): void {
    switch (code) {
      case SIDE_WELCOME:
        this.attempt = 0;
        this.base = String(values[2]);
        this.who = Number(values[0]);
        this.show({ kind: "welcome", base: this.base, who: this.who });
        break;
      case SIDE_STREAMS:
        this.streams(values[0] as Value[][]);
        break;
      case SIDE_SWITCH:
        this.shown = String(values[0]);
        [this.epoch, this.life] = [Number(values[1]), Number(values[2])];
        this.passed = 0;
        this.tellState();
        break;
      case SIDE_WATCH:
        this.watchers(watchersIn(values[0]));
        break;
      case SIDE_DID:
        if (Number(values[0]) === this.requests) this.did(String(values[1]));
        return;
      case SIDE_MASKED:
        this.masked = Number(values[0]);
        break;
      default:
        this.others(code, values);
        return;
    }
    this.changed();
  }

  private watchers(now: Map<number, string>): void {
    for (const who of this.names.keys()) if (!now.has(who)) this.show({ kind: "gone", who });
    this.names = now;
  }

  /** What other agents do on the page. */
  private others(code: number, values: Value[]): void {
    const said = this.mayPoint ? pointingIn(code, values) : null;
    const name = said === null ? undefined : this.names.get(said.who);
    if (said !== null && name !== undefined) this.show({ kind: "pointing", said, name });
  }

  private streams(list: Value[][]): void {
    this.tabs = list.map(([id, url, title, visible, state, , device]) => ({
      id: String(id),
      url: String(url),
      title: String(title),
      visible: visible === 1,
      state: state as SharedTab["state"],
      device: String(device),
    }));
    if (!this.tabs.some(({ id }) => id === this.picked)) this.picked = "";
    this.tellState();
  }

  private tellState(): void {
    const tab = this.tabs.find(({ id }) => id === this.shown);
    this.show({ kind: "state", state: tab?.state ?? "stale" });
  }

  /** To the viewer's page; kept until it is there. */
  private show(message: ToViewer): void {
    if (this.window === null || this.early.length > 0) {
      this.early.push(message);
      return;
    }
    const transfer = message.kind === "frame" ? [message.bytes] : [];
    this.window.postMessage(message, this.viewerOrigin, transfer);
  }

  private readonly heard = (event: MessageEvent<FromViewer>): void => {
    if (this.window === null || event.source !== this.window) return;
    if (event.origin !== this.viewerOrigin) return;
    this.obey(event.data);
  };

  private obey(said: FromViewer): void {
    switch (said.kind) {
      case "ready":
        this.ready();
        return;
      case "applied":
        this.say(SIDE_ACK, said.seq);
        return;
      case "need":
        this.needs();
        return;
      case "point":
        this.say(SIDE_POINT, OUR_POINTER, said.node, said.x, said.y, said.what);
        return;
      case "mark":
        this.say(SIDE_MARK, OUR_POINTER, said.node);
        return;
      case "draw":
        this.say(SIDE_DRAW, OUR_POINTER, said.stroke, said.node, said.points, said.last ? 1 : 0);
        return;
      case "act":
        this.act(said.act.kind, said.act.node, said.act.seen, said.act.values);
        return;
      case "page":
        // Another page: what could not be shown of the last one says nothing of it.
        if (said.url !== this.url) this.notes.clear();
        this.url = said.url;
        this.title = said.title;
        break;
      case "view":
        this.size = { width: said.width, height: said.height, scale: said.scale, touch: said.touch };
        break;
      case "tool":
        this.setTool(said.tool);
        return;
      case "follow":
        this.follow = said.follow;
        break;
      case "note":
        this.notes.add(said.what);
        break;
      default:
        return;
    }
    this.changed();
  }

  /** A viewer's page that begins (again) knows nothing: it gets a whole picture. */
  private ready(): void {
    const waiting = this.early;
    this.early = [];
    this.show({ kind: "welcome", base: this.base, who: this.who });
    this.show({ kind: "tool", tool: this.tool });
    this.show({ kind: "zoom", zoom: this.zoom });
    this.show({ kind: "follow", follow: this.follow });
    this.tellState();
    if (waiting.some(({ kind }) => kind === "frame")) for (const message of waiting) this.show(message);
    else this.needs();
  }

  private needs(): void {
    this.passed = -1;
    this.say(SIDE_NEED, "viewer");
  }
}

/** The number of a frame: the first item of its array. */
function seqIn(frame: ArrayBuffer): number {
  const view = new DataView(frame);
  const head = view.getUint8(0);
  const at = head < 0xa0 ? 1 : head === 0xdc ? 3 : 5;
  const first = view.getUint8(at);
  if (first < 0x80) return first;
  return first === 0xcc
    ? view.getUint8(at + 1)
    : first === 0xcd
      ? view.getUint16(at + 1)
      : view.getUint32(at + 1);
}

/** A message beside the stream is an array whose first item is 0. */
function isAside(bytes: Uint8Array): boolean {
  const head = bytes[0] as number;
  if (head >= 0x90 && head < 0xa0) return bytes[1] === 0;
  return head === 0xdc ? bytes[3] === 0 : bytes[5] === 0;
}
