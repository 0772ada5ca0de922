/**
 * What videos and sounds of the shown page do, as words above them: they are still pictures here. Places are read a
 * few times a second, never while a frame is applied.
 */
import type { Playing } from "./replay.ts";

const LOOK_MS = 500;

interface Badge {
  box: HTMLElement;
  playing: Playing;
  since: number;
}

export class Badges {
  private readonly badges = new Map<number, Badge>();
  private timer: ReturnType<typeof setInterval> | undefined;
  private frame = 0;

  constructor(
    private readonly layer: HTMLElement,
    private readonly boxOf: (node: number) => DOMRect | null,
  ) {}

  set(node: number, playing: Playing): void {
    let badge = this.badges.get(node);
    if (badge === undefined) {
      const box = document.createElement("div");
      box.className = "badge";
      this.layer.append(box);
      badge = { box, playing, since: 0 };
      this.badges.set(node, badge);
    }
    badge.playing = playing;
    badge.since = performance.now();
    this.timer ??= setInterval(() => this.place(), LOOK_MS);
    this.soon();
  }

  clear(): void {
    for (const { box } of this.badges.values()) box.remove();
    this.badges.clear();
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Something scrolled or has another size. */
  soon(): void {
    if (this.badges.size === 0) return;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.place());
  }

  private place(): void {
    for (const [node, badge] of this.badges) {
      const place = this.boxOf(node);
      if (place === null) {
        badge.box.remove();
        this.badges.delete(node);
        continue;
      }
      badge.box.hidden = place.width === 0 || place.height === 0;
      badge.box.style.transform = `translate(${place.x}px, ${place.y}px)`;
      const passed_s = badge.playing.paused ? 0 : (performance.now() - badge.since) / 1_000;
      const words = wordsFor(badge.playing, passed_s);
      if (badge.box.textContent !== words) badge.box.textContent = words;
    }
    if (this.badges.size === 0) this.clear();
  }
}

/** For how long it has gone on since the visitor's browser told of it. */
export function wordsFor({ paused, muted, at_s, rate }: Playing, passed_s: number): string {
  const at = Math.max(0, Math.floor(at_s + passed_s * rate));
  const hours = Math.floor(at / 3_600);
  const minutes = Math.floor((at % 3_600) / 60);
  const seconds = String(at % 60).padStart(2, "0");
  const time =
    hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
  const speed = rate === 1 || paused ? "" : `, ${rate}×`;
  return `${paused ? "Paused" : "Playing"} ${time}${speed}${muted ? ", muted" : ""}`;
}
