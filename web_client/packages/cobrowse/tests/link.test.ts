import { SIDE_ACK, SIDE_HELLO, SIDE_NEED, SIDE_WELCOME } from "@talknow/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link, type Socket, type Welcome } from "../src/link.ts";
import { pack, unpack, type Value } from "../src/msgpack.ts";

class Fake implements Socket {
  binaryType = "";
  bufferedAmount = 0;
  readyState = 1;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly sent: Value[] = [];
  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(unpack(data));
  }
  close(): void {
    this.readyState = 3;
  }
  says(...message: Value[]): void {
    this.onmessage?.({ data: pack(message).buffer });
  }
  cut(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

function world() {
  const sockets: Fake[] = [];
  const attempts: number[] = [];
  const welcomes: Welcome[] = [];
  const heard = { need: 0, ended: 0, lost: 0, token: "one", seq: 0 };
  const link = new Link({
    url: (attempt) => {
      attempts.push(attempt);
      return "wss://talk.example/v1/cobrowse";
    },
    doc: "d",
    token: () => heard.token,
    keepToken: (token) => {
      heard.token = token;
    },
    seq: () => heard.seq,
    welcome: (welcome) => welcomes.push(welcome),
    need: () => {
      heard.need += 1;
    },
    ended: (code) => {
      heard.ended = code;
    },
    lost: () => {
      heard.lost += 1;
    },
    open: () => {
      const socket = new Fake();
      sockets.push(socket);
      return socket;
    },
  });
  const frame = (seq: number, isSnapshot = false) => {
    heard.seq = seq;
    link.frame(seq, pack([seq, 9]), isSnapshot);
  };
  const open = (last: number) => {
    const socket = sockets.at(-1) as Fake;
    socket.onopen?.();
    socket.says(0, SIDE_WELCOME, last, 1, {}, `token after ${last}`, 0);
    return socket;
  };
  return { link, sockets, attempts, welcomes, heard, frame, open };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("the recorder's link", () => {
  it("says hello with its token, and keeps the next one", () => {
    const { link, open, heard } = world();
    link.start();
    const socket = open(0);
    expect(socket.sent[0]).toEqual([0, SIDE_HELLO, "one", "d", 1, 1]);
    expect(heard.token).toBe("token after 0");
  });

  it("sends again after a cut what was not acked, and only that", () => {
    const { link, sockets, welcomes, frame, open } = world();
    link.start();
    const first = open(0);
    for (const seq of [1, 2, 3]) frame(seq, seq === 1);
    first.says(0, SIDE_ACK, 1);
    first.cut();
    frame(4);
    vi.advanceTimersByTime(300);
    expect(sockets).toHaveLength(2);
    const second = open(2);
    expect(second.sent.slice(1)).toEqual([
      [3, 9],
      [4, 9],
    ]);
    expect(welcomes.map(({ resumed }) => resumed)).toEqual([false, true]);
  });

  it("leaves a socket that hangs when told to, and says how often it tried", () => {
    const { link, sockets, attempts, frame, open } = world();
    link.start();
    open(0);
    frame(1, true);
    link.closed(0);
    expect(sockets[0]?.readyState).toBe(3);
    vi.advanceTimersByTime(300);
    sockets[1]?.cut();
    vi.advanceTimersByTime(600);
    expect(attempts).toEqual([0, 1, 2]);
    open(0);
    link.closed(0);
    vi.advanceTimersByTime(300);
    expect(attempts.at(-1)).toBe(1);
  });

  it("does not pretend to resume where frames are missing", () => {
    const { link, welcomes, frame, open } = world();
    link.start();
    const first = open(0);
    for (const seq of [1, 2, 3]) frame(seq, seq === 1);
    first.says(0, SIDE_ACK, 3);
    first.cut();
    vi.advanceTimersByTime(300);
    const second = open(1);
    expect(second.sent).toHaveLength(1);
    expect(welcomes.at(-1)?.resumed).toBe(false);
  });

  it("asks for a snapshot when the server needs one", () => {
    const { link, heard, frame, open } = world();
    link.start();
    const socket = open(0);
    socket.says(0, SIDE_NEED, "resync_required");
    expect(heard.need).toBe(1);
    frame(5, true);
    for (const seq of [2, 3, 4]) socket.says(0, SIDE_NEED, "resync_required", seq);
    expect(heard.need).toBe(1);
    socket.says(0, SIDE_NEED, "invalid_diff", 5);
    expect(heard.need).toBe(2);
  });

  it("waits half a minute before it sends again what was too big", () => {
    const { link, sockets } = world();
    link.start();
    (sockets.at(-1) as Fake).cut(4413);
    vi.advanceTimersByTime(29_000);
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(2_000);
    expect(sockets).toHaveLength(2);
  });

  it("comes back after a cut, later each time, and never after a final word or stop", () => {
    const { link, sockets, heard } = world();
    link.start();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      (sockets.at(-1) as Fake).cut();
      vi.advanceTimersByTime(250 * 2 ** attempt);
    }
    expect(sockets).toHaveLength(4);
    (sockets.at(-1) as Fake).cut(4403);
    vi.advanceTimersByTime(60_000);
    expect([sockets.length, heard.ended, heard.lost]).toEqual([4, 4403, 3]);
    const other = world();
    other.link.start();
    other.link.stop("stopped");
    (other.sockets[0] as Fake).cut();
    vi.advanceTimersByTime(60_000);
    expect(other.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ignores what is no message", () => {
    const { link, heard, open } = world();
    link.start();
    const socket = open(0);
    socket.onmessage?.({ data: new Uint8Array([0xc1, 0xff]).buffer });
    socket.onmessage?.({ data: "text" });
    socket.says(5, 1);
    expect(heard.need).toBe(0);
  });
});
