const MOST_WAITING = 4_096;

/** Where `asset:N` lies, and who waits for it: elements, rules and styles that were drawn before it came. */
export class Pictures {
  base = "";
  private readonly digests = new Map<number, string>();
  /** By number, then by who waits and for what: one that is drawn again waits once. */
  private readonly waiting = new Map<number, Map<object, Map<string, () => void>>>();

  clear(): void {
    this.digests.clear();
    this.waiting.clear();
  }

  arrived(number: number, digest: string): void {
    if (!/^[0-9a-f]{64}$/.test(digest)) return;
    this.digests.set(number, digest);
    const again = this.waiting.get(number);
    this.waiting.delete(number);
    for (const draws of again?.values() ?? []) for (const draw of draws.values()) draw();
  }

  address(number: number): string {
    const digest = this.digests.get(number);
    return digest === undefined ? "" : `${this.base}${digest}`;
  }

  /** Call `draw` when a picture comes that is not there yet. */
  whenThere(number: number, who: object, what: string, draw: () => void): void {
    if (number === 0 || this.digests.has(number)) return;
    const all = this.waiting.get(number) ?? new Map<object, Map<string, () => void>>();
    this.waiting.set(number, all);
    const draws = all.get(who) ?? new Map<string, () => void>();
    all.set(who, draws.set(what, draw));
    // Elements that went meanwhile wait too: the oldest give way.
    if (all.size > MOST_WAITING) all.delete(all.keys().next().value as object);
  }
}
