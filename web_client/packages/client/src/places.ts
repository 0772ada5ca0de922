/**
 * The places of a leg: what each m-section of a path is for. The same table as the server's.
 *
 * Slot 0 of a kind goes both ways; the others bring further people. Where somebody arrives follows from the
 * seats of both legs. Source: docs/protocol.md, section 5.
 */
import type { EngagementView, LegView } from "@talknow/protocol";

export type Kind = "audio" | "video" | "screen";
export const KINDS: readonly Kind[] = ["audio", "video", "screen"];
/** Whom a leg talks to and hears; the server's `roles.py` is the table. */
export type LegMode = LegView["mode"];
/** A kind and a slot of it: `video-0`. */
export type Place = `${Kind}-${number}`;

/** By mid. */
export const PLACES: readonly Place[] = [
  "audio-0",
  "video-0",
  "screen-0",
  "audio-1",
  "video-1",
  "audio-2",
  "video-2",
];

/** The mid by which I send a kind. */
export const SEND_MID: Record<Kind, string> = { audio: "0", video: "1", screen: "2" };

export function slotOf(mine: number, theirs: number): number {
  return theirs < mine ? theirs : theirs - 1;
}

/** One picture of somebody else in a call. */
export interface Shown {
  leg: LegView;
  name: string;
  kind: "video" | "screen";
  place: Place;
}

/** Whose pictures `me` may expect and where they arrive: the shared screen first, then cameras by seat. */
export function picturesOf(view: EngagementView, me: string): Shown[] {
  const mine = view.call.legs.find((leg) => leg.participant === me);
  if (mine === undefined) return [];
  const role = (leg: LegView) => view.participants.find(({ id }) => id === leg.participant)?.role;
  const held = (leg: LegView) =>
    leg.mode === "hold" || (view.call.state === "on_hold" && role(leg) === "visitor");
  if (held(mine)) return [];
  const others = view.call.legs.filter((leg) => leg.participant !== me && !held(leg));
  const name = (leg: LegView) => view.participants.find(({ id }) => id === leg.participant)?.name ?? "";
  const screens = others.filter((leg) => leg.screen).slice(0, 1);
  const cameras = others.filter((leg) => leg.video).sort((a, b) => a.seat - b.seat);
  return [
    ...screens.map((leg): Shown => ({ leg, name: name(leg), kind: "screen", place: "screen-0" })),
    ...cameras.map((leg): Shown => {
      const slot = slotOf(mine.seat, leg.seat);
      return { leg, name: name(leg), kind: "video", place: `video-${slot}` };
    }),
  ];
}
