/** The offers that ring now. Pure: times are given, and every change is a new list. */
import type { OfferMade } from "@talknow/protocol";

/** How long an offer rings when the server says nothing else; the full circle of the countdown. */
export const OFFER_MS = 20_000;

export interface Ringing {
  made: OfferMade;
  /** When it ends, by this browser's clock: no clock of the server is needed. */
  endsAt: number;
}

/** Add an offer, or renew it when it is shown again after a reconnect. Longest waiting first. */
export function withOffer(list: readonly Ringing[], made: OfferMade, nowMs: number): Ringing[] {
  const ringing = { made, endsAt: nowMs + made.remaining_ms };
  return [...withoutOffer(list, made.offer), ringing].sort(
    (a, b) => a.made.waiting_since_ms - b.made.waiting_since_ms,
  );
}

export function withoutOffer(list: readonly Ringing[], offer: string): Ringing[] {
  return list.filter((one) => one.made.offer !== offer);
}

/** What is left of the circle, 1 to 0. */
export function fractionLeft(ringing: Ringing, nowMs: number): number {
  return Math.min(1, Math.max(0, (ringing.endsAt - nowMs) / OFFER_MS));
}

/** What the visitor wants, in words that finish "Anna Berg wants to ...". */
export function wish(made: OfferMade): string {
  return { chat: "chat", voice: "talk", video: "talk with video" }[made.wants];
}
