/**
 * The commands that are not acked yet: numbered per device, kept over a page load, sent one after the
 * other in order, repeated with the same counter and body. It must never drop or reorder a command
 * that the server has not answered. Source: docs/protocol.md, section 3.
 */
import type { Ack, CommandPayloads, DurableName } from "@talknow/protocol";
import { TalkError } from "./http.ts";
import { readJson, type Store } from "./storage.ts";

export type DurableBody<N extends DurableName> = Omit<CommandPayloads[N], "counter">;

export interface Waiting {
  name: DurableName;
  body: { counter: number } & Record<string, unknown>;
}

interface Saved {
  counter: number;
  waiting: Waiting[];
}

interface Promised {
  resolve: (ack: Ack) => void;
  reject: (error: TalkError) => void;
}

export class Outbox {
  private counter = 0;
  private waiting: Waiting[] = [];
  private readonly promised = new Map<number, Promised>();
  private readonly key: string;
  /** Called when the list of waiting commands changed. */
  onChange: () => void = () => undefined;

  constructor(
    private readonly store: Store,
    readonly device: string,
  ) {
    this.key = `talknow:outbox:${device}`;
    const saved = readJson<Saved>(store, this.key);
    if (saved !== null) {
      this.counter = saved.counter;
      this.waiting = saved.waiting;
    }
  }

  /** Another page of this tab went on in the meantime (back/forward cache): its numbers and commands are ours now. */
  reload(): void {
    const saved = readJson<Saved>(this.store, this.key);
    if (saved === null) return;
    this.counter = Math.max(this.counter, saved.counter);
    this.waiting = saved.waiting;
    const left = new Set(saved.waiting.map(({ body }) => body.counter));
    for (const [counter, promise] of this.promised) {
      if (left.has(counter)) continue;
      this.promised.delete(counter);
      promise.reject(new TalkError("shut_down"));
    }
    this.onChange();
  }

  /** Not yet acked, oldest first. */
  get pending(): readonly Waiting[] {
    return this.waiting;
  }

  /** Number and keep a command; the promise settles with its ack, also after reconnects. */
  add<N extends DurableName>(name: N, body: DurableBody<N>): Promise<Ack> {
    this.counter += 1;
    const counter = this.counter;
    this.waiting = [...this.waiting, { name, body: { ...body, counter } }];
    this.save();
    return new Promise((resolve, reject) => this.promised.set(counter, { resolve, reject }));
  }

  next(): Waiting | undefined {
    return this.waiting[0];
  }

  settle(counter: number, ack: Ack): void {
    const promise = this.remove(counter);
    if (ack.error) {
      const { code, message, retry_after_ms } = ack.error;
      promise?.reject(new TalkError(code, message, retry_after_ms));
    } else {
      promise?.resolve(ack);
    }
  }

  /** Forget everything (sign-out). The counter goes on: a number is never used twice. */
  clear(): void {
    for (const { body } of this.waiting) this.remove(body.counter)?.reject(new TalkError("shut_down"));
    this.waiting = [];
    this.save();
  }

  private remove(counter: number): Promised | undefined {
    this.waiting = this.waiting.filter((command) => command.body.counter !== counter);
    this.save();
    const promise = this.promised.get(counter);
    this.promised.delete(counter);
    return promise;
  }

  private save(): void {
    const saved: Saved = { counter: this.counter, waiting: this.waiting };
    this.store.setItem(this.key, JSON.stringify(saved));
    this.onChange();
  }
}
