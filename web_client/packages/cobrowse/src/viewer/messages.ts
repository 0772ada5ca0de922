/** What the softphone and the viewer's own page say to each other, by postMessage between their two origins. */
import type { Pointing } from "../pointing.ts";

export type Tool = "look" | "point" | "highlight" | "draw" | "control";

/** How large the page is drawn: all of what the visitor's window shows, as wide as there is room, as it is. */
export type Zoom = "whole" | "width" | "actual";

/** What an agent does to the visitor's page: CONTROL's fields from node on; seen: the frame it looked at. */
export interface Act {
  kind: "scroll" | "click" | "type";
  node: number;
  seen: number;
  values: (number | string)[];
}

export type ToViewer =
  | { kind: "welcome"; base: string; who: number }
  | { kind: "frame"; bytes: ArrayBuffer }
  | { kind: "state"; state: "live" | "stale" | "held" | "away" | "too_big" }
  | { kind: "tool"; tool: Tool }
  | { kind: "zoom"; zoom: Zoom }
  | { kind: "follow"; follow: boolean }
  | { kind: "pointing"; said: Pointing; name: string }
  /** Somebody looks no more; null: nobody may point any more. */
  | { kind: "gone"; who: number | null };

export type FromViewer =
  | { kind: "ready" }
  | { kind: "applied"; seq: number }
  | { kind: "need" }
  | { kind: "page"; url: string; title: string }
  | { kind: "view"; width: number; height: number; scale: number; touch: boolean }
  | { kind: "note"; what: string }
  | { kind: "held"; reason: number }
  | { kind: "follow"; follow: boolean }
  | { kind: "tool"; tool: Tool }
  | { kind: "point"; node: number; x: number; y: number; what: number }
  | { kind: "mark"; node: number }
  | { kind: "draw"; stroke: number; node: number; points: number[]; last: boolean }
  | { kind: "act"; act: Act };
