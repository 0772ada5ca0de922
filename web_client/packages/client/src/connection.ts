/**
 * The one socket of a tab: connects, comes back with jitter, sends the outbox in order, hands events on.
 *
 * It decides when to connect and what to resend; it knows nothing of engagements. Nothing is emitted
 * before `session.ready`, so socket.io's own buffer stays empty and cannot send a command twice.
 * Source: docs/protocol.md, sections 2 and 3.
 */
import {
  type Ack,
  type CommandName,
  type CommandPayloads,
  type ConnectAuth,
  DURABLE,
  type DurableName,
  type Page,
  PROTOCOL_VERSION,
  SERVER_EVENTS,
  type ServerEventName,
  type ServerEventPayloads,
} from "@talknow/protocol";
import { io } from "socket.io-client";
import { TalkError } from "./http.ts";
import { learnNodes, nodeOf, tryNextNode } from "./nodes.ts";
import { type DurableBody, Outbox, type Waiting } from "./outbox.ts";
import type { Store } from "./storage.ts";

export type LinkState = "offline" | "connecting" | "online" | "reconnecting" | "refused";

/** What of a socket.io socket is needed; tests give a fake. */
export interface Wire {
  on(event: string, fn: (...args: never[]) => void): unknown;
  emit(event: string, body: unknown, ack: (ack: Ack) => void): unknown;
  disconnect(): unknown;
}

export interface ConnectionOptions {
  server: string;
  device: string;
  store: Store;
  /** Credential; `stale` when the server refused the last one. Throws TalkError to give up. */
  token: (stale: boolean) => Promise<string>;
  /** What was seen already, and the page. */
  seen?: () => { engagement?: string; after_seq?: number };
  page?: () => Page | null;
  /** Whether something goes on that must not wait for a server that is dead. */
  busy?: () => boolean;
  site?: string;
  open?: (server: string, auth: ConnectAuth) => Wire;
  random?: () => number;
}

type Handler<N extends ServerEventName> = (payload: ServerEventPayloads[N]) => void;
type TransientName = Exclude<CommandName, DurableName>;

const ACK_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const BUSY_AGAIN_MS = 150;
const IDLE_AGAIN_MS = 5_000;
const SILENT_CHECKS = 1.7;
const SLOW_LINK = 4;
const REFUSED = new Set(["unauthenticated", "invalid_token"]);
const FINAL = new Set(["origin_not_allowed", "forbidden", "unsupported_protocol"]);
const ELSEWHERE = new Set(["unreachable", "draining"]);
const RETRY = new Set(["rate_limited", "overloaded", "unavailable"]);

function openSocket(server: string, auth: ConnectAuth): Wire {
  return io(server, { auth, transports: ["websocket"], reconnection: false, forceNew: true });
}

/** Wait before attempt `n` (0 = first retry): doubling, capped, 50 to 100 % of it. */
export function backoffMs(n: number, random: () => number): number {
  const top = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** n);
  return top * (0.5 + random() / 2);
}

export class Connection {
  readonly outbox: Outbox;
  state: LinkState = "offline";
  /** The last refusal, for the UI. */
  problem: TalkError | null = null;
  private wire: Wire | null = null;
  private attempt = 0;
  private stale = false;
  private running = false;
  private inFlight: number | null = null;
  private checkMs = 0;
  private roundTripMs = 0;
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly handlers = new Map<ServerEventName, Set<(payload: never) => void>>();
  private readonly watchers = new Set<() => void>();

  constructor(private readonly options: ConnectionOptions) {
    this.outbox = new Outbox(options.store, options.device);
    this.outbox.onChange = () => this.notify();
  }

  get device(): string {
    return this.options.device;
  }

  /** Listen to a server event; returns how to stop. */
  on<N extends ServerEventName>(name: N, fn: Handler<N>): () => void {
    const set = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, set);
    set.add(fn);
    return () => set.delete(fn);
  }

  /** Called on every change of `state` or of the outbox. */
  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.outbox.reload();
    globalThis.addEventListener?.("online", this.retryNow);
    void this.connect();
  }

  stop(): void {
    this.running = false;
    globalThis.removeEventListener?.("online", this.retryNow);
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.drop();
    this.become("offline");
  }

  /** Connect anew at once, as whom the token is now. */
  again(): void {
    if (!this.running) return;
    this.drop();
    void this.connect();
  }

  /** Send a durable command: kept until acked, over reconnects and page loads. */
  send<N extends DurableName>(name: N, body: DurableBody<N>): Promise<Ack> {
    const ack = this.outbox.add(name, body);
    this.pump();
    return ack;
  }

  /** Send something that is worthless later; rejects with `offline` when there is no connection. */
  tell<N extends TransientName>(name: N, body: CommandPayloads[N]): Promise<Ack> {
    const wire = this.wire;
    if (wire === null || this.state !== "online") return Promise.reject(new TalkError("offline"));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new TalkError("unavailable")), ACK_TIMEOUT_MS);
      wire.emit(name, body, (ack) => {
        clearTimeout(timer);
        const error = ack?.error;
        if (error) reject(new TalkError(error.code, error.message, error.retry_after_ms));
        else resolve(ack ?? {});
      });
    });
  }

  /** Either kind, by its name. */
  command<N extends CommandName>(name: N, body: CommandPayloads[N]): Promise<Ack> {
    const durable = (DURABLE as readonly string[]).includes(name);
    return durable
      ? this.send(name as DurableName, body as never)
      : this.tell(name as TransientName, body as never);
  }

  private readonly retryNow = (): void => {
    if (this.running && this.wire === null && this.state !== "refused")
      this.later("connect", 0, () => this.connect());
  };

  private async connect(): Promise<void> {
    if (!this.running || this.wire !== null) return;
    this.become(this.attempt === 0 && this.state === "offline" ? "connecting" : "reconnecting");
    let token: string;
    try {
      token = await this.options.token(this.stale);
    } catch (error) {
      this.refused(error instanceof TalkError ? error : new TalkError("unavailable"));
      return;
    }
    if (!this.running || this.wire !== null) return;
    const auth: ConnectAuth = {
      protocol: PROTOCOL_VERSION,
      token,
      device: this.options.device,
      ...(this.options.site ? { site: this.options.site } : {}),
      ...this.options.seen?.(),
    };
    const page = this.options.page?.();
    if (page) auth.page = page;
    this.attach((this.options.open ?? openSocket)(nodeOf(this.options.server), auth));
  }

  private attach(wire: Wire): void {
    this.wire = wire;
    const mine = <A extends unknown[]>(fn: (...args: A) => void) =>
      ((...args: A) => this.wire === wire && fn(...args)) as unknown as (...args: never[]) => void;
    for (const name of SERVER_EVENTS)
      wire.on(
        name,
        mine((payload: never) => this.receive(name, payload)),
      );
    wire.on(
      "disconnect",
      mine(() => this.lost(null)),
    );
    wire.on(
      "connect_error",
      mine((error: Error & { data?: { code?: string; retry_after_ms?: number } }) => {
        const code = error.data?.code ?? "unreachable";
        this.lost(new TalkError(code, error.message, error.data?.retry_after_ms ?? 0));
      }),
    );
    this.later("ready", READY_TIMEOUT_MS, () => this.lost(new TalkError("unreachable")));
  }

  private receive<N extends ServerEventName>(name: N, payload: ServerEventPayloads[N]): void {
    if (name === "session.ready") {
      this.cancel("ready");
      this.attempt = 0;
      this.stale = false;
      this.problem = null;
      const { check_ms = 0, servers = [] } = payload as ServerEventPayloads["session.ready"];
      this.checkMs = check_ms;
      learnNodes(this.options.server, servers);
    }
    if (name === "session.closing") {
      const { code, retry_after_ms } = payload as ServerEventPayloads["session.closing"];
      this.lost(new TalkError(code, code, retry_after_ms));
      return;
    }
    for (const fn of this.handlers.get(name) ?? []) fn(payload as never);
    if (name === "session.ready") {
      this.become("online");
      this.pump();
      this.checkLater();
    }
  }

  /**
   * Where several nodes share the work, a node that hangs is left for another one: asked now and then, it has
   * to answer soon, by the measure of what its answers took until now.
   */
  private checkLater(): void {
    if (this.checkMs > 0) this.later("check", this.checkMs, () => this.check());
  }

  private check(): void {
    const wire = this.wire;
    if (wire === null || this.state !== "online" || this.options.busy?.() === false) {
      this.checkLater();
      return;
    }
    const asked = performance.now();
    const patience = Math.max(SILENT_CHECKS * this.checkMs, SLOW_LINK * this.roundTripMs);
    this.later("check", patience, () => this.lost(new TalkError("unreachable")));
    wire.emit("session.check", {}, () => {
      if (this.wire !== wire) return;
      const took = performance.now() - asked;
      this.roundTripMs = this.roundTripMs === 0 ? took : 0.8 * this.roundTripMs + 0.2 * took;
      this.checkLater();
    });
  }

  /** Send the oldest waiting command when none is on its way. */
  private pump(): void {
    const wire = this.wire;
    const next = this.outbox.next();
    if (wire === null || next === undefined || this.state !== "online" || this.inFlight !== null) return;
    if (this.timers.has("hold")) return;
    const { counter } = next.body;
    this.inFlight = counter;
    this.later("ack", ACK_TIMEOUT_MS, () => this.lost(new TalkError("unreachable")));
    wire.emit(next.name, next.body, (ack) => {
      if (this.wire === wire && this.inFlight === counter) this.acked(next, ack ?? {});
    });
  }

  private acked(command: Waiting, ack: Ack): void {
    this.cancel("ack");
    this.inFlight = null;
    if (ack.error && RETRY.has(ack.error.code)) {
      this.later("hold", Math.max(ack.error.retry_after_ms, 500), () => this.pump());
      return;
    }
    this.outbox.settle(command.body.counter, ack);
    this.pump();
  }

  private lost(problem: TalkError | null): void {
    this.drop();
    if (problem === null || ELSEWHERE.has(problem.code)) tryNextNode(this.options.server);
    if (problem !== null) {
      this.problem = problem;
      if (REFUSED.has(problem.code)) {
        if (this.stale) {
          this.refused(problem);
          return;
        }
        this.stale = true;
      }
      if (FINAL.has(problem.code)) {
        this.refused(problem);
        return;
      }
    }
    if (!this.running) return;
    const wait = Math.max(problem?.retryAfterMs ?? 0, this.nextWaitMs());
    this.attempt += 1;
    this.become("reconnecting");
    this.later("connect", wait, () => this.connect());
  }

  /** Several nodes: who is busy is back at once on another one, the others come one after the other. */
  private nextWaitMs(): number {
    const random = this.options.random ?? Math.random;
    if (this.checkMs === 0 || this.attempt > 0) return backoffMs(this.attempt, random);
    return random() * (this.options.busy?.() === false ? IDLE_AGAIN_MS : BUSY_AGAIN_MS);
  }

  /** No credential: try again later when that may help, else stay refused until `start` again. */
  private refused(problem: TalkError): void {
    this.problem = problem;
    if (problem.transient && this.running) {
      this.lost(problem);
      return;
    }
    this.running = false;
    this.become("refused");
  }

  private drop(): void {
    const wire = this.wire;
    this.wire = null;
    this.inFlight = null;
    for (const name of ["ready", "ack", "hold", "check"]) this.cancel(name);
    wire?.disconnect();
  }

  private become(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.notify();
  }

  private notify(): void {
    for (const fn of this.watchers) fn();
  }

  private later(name: string, ms: number, fn: () => unknown): void {
    this.cancel(name);
    this.timers.set(
      name,
      setTimeout(() => {
        this.timers.delete(name);
        fn();
      }, ms),
    );
  }

  private cancel(name: string): void {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }
}
