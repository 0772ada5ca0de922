/**
 * Wraps methods and setters of the page's own prototypes, and puts them back: only where the wrap is still in
 * place, for others may have wrapped ours meanwhile; a wrap that stays does nothing but call on.
 */
import { native } from "./native.ts";

type After = (self: never, args: unknown[], result: never) => void;
type Call = (this: never, ...args: unknown[]) => unknown;
/** Which part of a property's descriptor is wrapped. */
type Part = "value" | "set" | "get";

export class Hooks {
  /** For which root something is done now: it is undone when that leaves, else at the end. */
  home: object = this;
  private readonly undos = new Map<object, (() => void)[]>();
  private on = true;

  /** After every call of `owner[name]`: `after(this, arguments, result)`. */
  method<T extends object>(owner: T | undefined, name: string, after: After): void {
    const told = (self: never, args: unknown[], result: unknown) => this.tell(after, self, args, result);
    this.wrap(
      owner,
      name,
      "value",
      (original) =>
        function (this: never, ...args: unknown[]): unknown {
          const result = original.apply(this, args);
          told(this, args, result);
          return result;
        },
    );
  }

  /** After every assignment to `owner[name]`. */
  setter<T extends object>(owner: T | undefined, name: string, after: (self: never) => void): void {
    const told = (self: never) => this.tell(after, self);
    this.wrap(
      owner,
      name,
      "set",
      (original) =>
        function (this: never, value: unknown): void {
          original.call(this, value);
          told(this);
        },
    );
  }

  /** Before every reading of `owner[name]`: what it gives may be changed by ways that nobody is told of. */
  getter<T extends object>(owner: T | undefined, name: string, before: (self: never) => void): void {
    const told = (self: never) => this.tell(before, self);
    this.wrap(
      owner,
      name,
      "get",
      (original) =>
        function (this: never): unknown {
          told(this);
          return original.call(this);
        },
    );
  }

  private wrap(owner: object | undefined, name: string, part: Part, make: (original: Call) => Call): void {
    const found = owner && Object.getOwnPropertyDescriptor(owner, name);
    const original = found?.[part] as Call | undefined;
    if (owner === undefined || typeof original !== "function" || found?.configurable === false) return;
    const wrap = make(original);
    Object.defineProperty(owner, name, { ...found, [part]: wrap });
    this.later(() => {
      if (Object.getOwnPropertyDescriptor(owner, name)?.[part] === wrap)
        Object.defineProperty(owner, name, found as PropertyDescriptor);
    });
  }

  listen(target: EventTarget, names: string, fn: (event: never) => void): void {
    const options = { capture: true, passive: true };
    for (const name of names.split(" ")) {
      native("addEventListener", target).call(target, name, fn as EventListener, options);
      this.later(() =>
        native("removeEventListener", target).call(target, name, fn as EventListener, options),
      );
    }
  }

  later(undo: () => void): void {
    const undos = this.undos.get(this.home);
    if (undos) undos.push(undo);
    else this.undos.set(this.home, [undo]);
  }

  /** Undo what was done for it, and keep nothing of it. */
  forget(home: object): void {
    for (const undo of this.undos.get(home)?.reverse() ?? []) undo();
    this.undos.delete(home);
  }

  stop(): void {
    this.on = false;
    for (const home of [...this.undos.keys()].reverse()) this.forget(home);
  }

  /** A fault of ours never reaches the page's code. */
  private tell(after: After, self: never, args: unknown[] = [], result?: unknown): void {
    if (!this.on) return;
    try {
      after(self, args, result as never);
    } catch {
      // The next whole comparison finds what was missed.
    }
  }
}
