/**
 * Makes the agent look: rings, flashes the title, and shows a browser notification when the desk is not
 * in sight. A notification never carries what a customer wrote.
 */
import type { Ringing } from "./offers.ts";
import { wish } from "./offers.ts";
import { Ring } from "./ring.ts";

const TITLE = "Talk Now desk";
const FLASH_MS = 1_000;

export type NotificationState = "default" | "denied" | "granted" | "unsupported";

export class Alerts {
  readonly ring: Ring;
  private flash: ReturnType<typeof setInterval> | undefined;
  private shown = new Map<string, Notification>();
  private offers: readonly Ringing[] = [];
  private unread = 0;

  constructor(ring = new Ring()) {
    this.ring = ring;
  }

  get permission(): NotificationState {
    return "Notification" in globalThis ? Notification.permission : "unsupported";
  }

  start(): void {
    for (const name of ["pointerdown", "pointerup", "keydown"])
      addEventListener(name, this.unlock, { passive: true });
  }

  stop(): void {
    for (const name of ["pointerdown", "pointerup", "keydown"]) removeEventListener(name, this.unlock);
    this.update([], 0);
  }

  /** In a click: ask the browser; resolves to its answer. */
  async ask(): Promise<NotificationState> {
    if (this.permission === "default") await Notification.requestPermission();
    return this.permission;
  }

  /** What rings now and how much is unread; everything follows from these two. */
  update(offers: readonly Ringing[], unread: number): void {
    this.offers = offers;
    this.unread = unread;
    if (offers.length > 0) this.ring.start();
    else this.ring.stop();
    this.updateTitle();
    this.updateNotifications();
  }

  private readonly unlock = (): void => this.ring.unlock();

  private updateTitle(): void {
    if (this.offers.length > 0) {
      this.flash ??= setInterval(() => this.flip(), FLASH_MS);
      if (!document.title.startsWith("●") && !document.title.startsWith("New")) this.flip();
      return;
    }
    clearInterval(this.flash);
    this.flash = undefined;
    document.title = this.unread > 0 ? `(${this.unread}) ${TITLE}` : TITLE;
  }

  private flip(): void {
    const name = this.offers[0]?.made.visitor.name ?? "";
    document.title = document.title.startsWith("New") ? `● ${TITLE}` : `New request: ${name}`;
  }

  private updateNotifications(): void {
    const ringing = new Set(this.offers.map(({ made }) => made.offer));
    for (const [offer, notification] of this.shown) {
      if (ringing.has(offer)) continue;
      notification.close();
      this.shown.delete(offer);
    }
    if (this.permission !== "granted" || document.hasFocus()) return;
    for (const { made } of this.offers) {
      if (this.shown.has(made.offer)) continue;
      const title = `${made.visitor.name} wants to ${wish(made)}`;
      const body = made.page?.title ?? "";
      const notification = new Notification(title, { body, tag: made.offer, requireInteraction: true });
      notification.onclick = () => window.focus();
      this.shown.set(made.offer, notification);
    }
  }
}
