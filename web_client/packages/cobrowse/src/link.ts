/**
 * The recorder's WebSocket: HELLO, WELCOME, acks, and what is not acked sent again after a cut.
 *
 * It knows frames by their numbers only. Source: docs/cobrowse_wire.md, sections 1 and 3.
 */
import {
  SIDE_ACK,
  SIDE_BYE,
  SIDE_ERROR,
  SIDE_HELLO,
  SIDE_NEED,
  SIDE_WELCOME,
  WIRE_VERSION,
} from "@talknow/protocol";
import { pack, unpack, type Value } from "./msgpack.ts";

/** What of a WebSocket is needed. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export interface Welcome {
  policy: { [key: string]: Value };
  /** The frames of this document are known to the server: no SNAP is needed. */
  resumed: boolean;
  hold: number;
}

export interface LinkOptions {
  /** How often in a row it has failed. */
  url: (attempt: number) => string;
  doc: string;
  token: () => string;
  keepToken: (token: string) => void;
  seq: () => number;
  welcome: (welcome: Welcome) => void;
  /** A snapshot is needed. */
  need: () => void;
  /** It ended for good: the close code. */
  ended: (code: number) => void;
  lost: () => void;
  open?: (url: string) => Socket;
}

/** To ask the socket costs more than to write a small frame. */
const LITTLE_BYTES = 32 * 1024;
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
/** More than this waiting in the socket: what was not sent is dropped, a snapshot follows. */
const MAX_QUEUED = 1024 * 1024;
const DRAINED_MS = 200;
const OPEN = 1;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8_000;
/** A message was more than the server takes: the next one is hardly smaller. */
const TOO_BIG = 4413;
const TOO_BIG_MS = 30_000;
const FINAL = new Set([4400, 4401, 4403, 4406, 4409]);

export class Link {
  private socket: Socket | null = null;
  private kept: [seq: number, frame: Uint8Array<ArrayBuffer>][] = [];
  private keptBytes = 0;
  private isReady = false;
  private attempt = 0;
  /** The number of the last snapshot. */
  private snapshot = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  /** While the socket has more than it can bring. */
  private choked: ReturnType<typeof setInterval> | undefined;
  private readonly handlers = new Map<number, Set<(values: unknown[]) => void>>();

  constructor(private readonly options: LinkOptions) {}

  /** What the socket has not taken yet; 0 also when so little is not acked that it does not matter. */
  get queued(): number {
    return this.keptBytes < LITTLE_BYTES ? 0 : (this.socket?.bufferedAmount ?? 0);
  }

  /** Whether frames reach the server now. */
  get ready(): boolean {
    return this.isReady;
  }

  start(): void {
    this.stopped = false;
    this.connect();
  }

  stop(reason: string): void {
    this.say(SIDE_BYE, reason);
    this.stopped = true;
    clearTimeout(this.timer);
    this.drop();
  }

  on(code: number, fn: (values: unknown[]) => void): () => void {
    const set = this.handlers.get(code) ?? new Set();
    this.handlers.set(code, set);
    set.add(fn);
    return () => set.delete(fn);
  }

  say(code: number, ...values: unknown[]): void {
    if (this.isReady) this.post(pack([0, code, ...(values as Value[])]));
  }

  frame(seq: number, frame: Uint8Array<ArrayBuffer>, isSnapshot: boolean): void {
    if (this.choked !== undefined && !isSnapshot) return;
    if (isSnapshot) {
      this.forget();
      this.snapshot = seq;
    }
    this.kept.push([seq, frame]);
    this.keptBytes += frame.length;
    if (this.keptBytes > MAX_KEPT_BYTES && this.kept.length > 1) {
      const [, oldest] = this.kept.shift() as [number, Uint8Array];
      this.keptBytes -= oldest.length;
    }
    if (!this.isReady) return;
    this.post(frame);
    if (this.queued > MAX_QUEUED && !isSnapshot) this.choke();
  }

  /** The way is too slow for what happens: nothing more until the socket is empty, then all at once. */
  private choke(): void {
    clearInterval(this.choked);
    this.choked = setInterval(() => {
      if (this.queued > 0) return;
      this.unchoke();
      this.options.need();
    }, DRAINED_MS);
  }

  private unchoke(): void {
    clearInterval(this.choked);
    this.choked = undefined;
  }

  /** A socket that is closing takes nothing; what is kept is sent again. */
  private post(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.socket?.readyState === OPEN) this.socket.send(bytes);
  }

  private connect(): void {
    const socket = (this.options.open ?? openSocket)(this.options.url(this.attempt));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () =>
      socket.send(
        pack([0, SIDE_HELLO, this.options.token(), this.options.doc, this.options.seq() + 1, WIRE_VERSION]),
      );
    socket.onmessage = ({ data }) => {
      if (socket === this.socket && data instanceof ArrayBuffer) this.receive(new Uint8Array(data));
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.closed(code);
    };
  }

  private receive(bytes: Uint8Array): void {
    let message: Value;
    try {
      message = unpack(bytes);
    } catch {
      return;
    }
    if (!Array.isArray(message) || message[0] !== 0) return;
    const [, code, ...values] = message;
    if (code === SIDE_WELCOME) this.welcomed(values);
    else if (code === SIDE_ACK) this.acked(values[0] as number);
    else if (code === SIDE_NEED) this.needed(values[1]);
    else if (code !== SIDE_ERROR) for (const fn of this.handlers.get(code as number) ?? []) fn(values);
  }

  /** A snapshot after the frame in question is on its way already. */
  private needed(seq: Value | undefined): void {
    if (typeof seq !== "number" || seq >= this.snapshot) this.options.need();
  }

  private welcomed(values: Value[]): void {
    const [last, , policy, token, hold] = values as [
      number,
      number,
      { [key: string]: Value },
      string,
      number,
    ];
    this.attempt = 0;
    this.isReady = true;
    this.options.keepToken(token);
    this.acked(last);
    const first = this.kept[0]?.[0];
    const resumed = last > 0 && (first === undefined ? last === this.options.seq() : first === last + 1);
    if (resumed) for (const [, frame] of this.kept) this.socket?.send(frame);
    else this.forget();
    this.options.welcome({ policy, resumed, hold });
  }

  private acked(seq: number): void {
    while (this.kept.length > 0 && (this.kept[0] as [number, Uint8Array])[0] <= seq) {
      const [, frame] = this.kept.shift() as [number, Uint8Array];
      this.keptBytes -= frame.length;
    }
  }

  private forget(): void {
    this.kept = [];
    this.keptBytes = 0;
  }

  /** Begin anew, unless it ended for good. code: of the close; 0: by ourselves, as a server that hangs ends nothing. */
  closed(code: number): void {
    this.drop();
    if (this.stopped) return;
    if (FINAL.has(code)) {
      this.options.ended(code);
      return;
    }
    this.options.lost();
    const usual = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempt) * (0.5 + Math.random() / 2);
    const wait = code === TOO_BIG ? TOO_BIG_MS : usual;
    this.attempt += 1;
    this.timer = setTimeout(() => this.connect(), wait);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.isReady = false;
    this.unchoke();
    socket?.close();
  }
}

function openSocket(url: string): Socket {
  return new WebSocket(url) as unknown as Socket;
}
