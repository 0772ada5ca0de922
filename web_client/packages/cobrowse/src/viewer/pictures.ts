/** Where `asset:N` lies, and who waits for it: elements, rules and styles that were drawn before it came. */
export class Pictures {
  base = "";
  private readonly digests = new Map<number, string>();
  private readonly waiting = new Map<number, Set<() => void>>();

  clear(): void {
    this.digests.clear();
    this.waiting.clear();
  }

  arrived(number: number, digest: string): void {
    if (!/^[0-9a-f]{64}$/.test(digest)) return;
    this.digests.set(number, digest);
    const again = this.waiting.get(number);
    this.waiting.delete(number);
    for (const draw of again ?? []) draw();
  }

  address(number: number): string {
    const digest = this.digests.get(number);
    return digest === undefined ? "" : `${this.base}${digest}`;
  }

  /** Call `draw` again when a picture comes that is not there yet. */
  whenThere(number: number, draw: () => void): void {
    if (number === 0 || this.digests.has(number)) return;
    const set = this.waiting.get(number) ?? new Set();
    this.waiting.set(number, set);
    set.add(draw);
  }
}
