/**
 * Wraps methods and setters of the page's own prototypes, and puts them back: only where the wrap is still in
 * place, for others may have wrapped ours meanwhile; a wrap that stays does nothing but call on.
 */
type After = (self: never, args: unknown[], result: never) => void;
type Call = (this: never, ...args: unknown[]) => unknown;
/** Which part of a property's descriptor is wrapped. */
type Part = "value" | "set" | "get";

export class Hooks {
  private readonly undo: (() => void)[] = [];
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
    this.undo.push(() => {
      if (Object.getOwnPropertyDescriptor(owner, name)?.[part] === wrap)
        Object.defineProperty(owner, name, found as PropertyDescriptor);
    });
  }

  listen(target: EventTarget, names: string, fn: (event: never) => void): void {
    const options = { capture: true, passive: true };
    for (const name of names.split(" ")) {
      target.addEventListener(name, fn as EventListener, options);
      this.undo.push(() => target.removeEventListener(name, fn as EventListener, options));
    }
  }

  stop(): void {
    this.on = false;
    for (const undo of this.undo.splice(0).reverse()) undo();
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
