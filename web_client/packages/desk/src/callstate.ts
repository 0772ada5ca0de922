/**
 * What the agent reads about a call. The server's view decides; the leg adds what happens in this tab.
 * A customer who changes the page has not hung up, and nothing here may say so.
 */
import type { LegPhase } from "@talknow/client";
import type { EngagementView, LegView } from "@talknow/protocol";
import { visitorIn } from "./words.ts";

export interface CallText {
  text: string;
  /** busy: something is on its way; the time runs when `steady`. */
  tone: "quiet" | "busy" | "steady" | "held";
}

export function legOf(view: EngagementView, participant: string): LegView | undefined {
  return view.call.legs.find((leg) => leg.participant === participant);
}

/** The customer's page is going or coming: the leg waits for its next path. */
export function customerMoves(view: EngagementView): boolean {
  const visitor = visitorIn(view);
  if (visitor === undefined) return false;
  if (visitor.away_reason === "changing_page") return true;
  const leg = legOf(view, visitor.id);
  const up = view.call.state === "connected" || view.call.state === "on_hold";
  return up && leg?.state === "awaiting_path" && visitor.away_reason !== "lost";
}

/** My leg is held by another tab of mine. */
export function isElsewhere(view: EngagementView, me: string, device: string): boolean {
  const mine = legOf(view, me);
  return mine !== undefined && mine.device !== device;
}

export function callText(view: EngagementView, me: string, phase: LegPhase | undefined): CallText {
  const { call } = view;
  switch (call.state) {
    case "none":
      return { text: suggestionText(view, me), tone: "quiet" };
    case "requested":
      return { text: "Customer wants to talk", tone: "busy" };
    case "negotiating":
      return { text: phase === "elsewhere" ? "In another tab" : "Connecting", tone: "busy" };
    case "connected":
    case "on_hold":
      return upText(view, phase);
  }
}

function upText(view: EngagementView, phase: LegPhase | undefined): CallText {
  if (phase === "elsewhere") return { text: "In another tab", tone: "quiet" };
  if (phase === "reconnecting") return { text: "Reconnecting", tone: "busy" };
  if (customerMoves(view)) return { text: "Customer is changing page", tone: "busy" };
  if (visitorIn(view)?.away_reason === "lost") {
    return { text: "Waiting for the customer's connection", tone: "busy" };
  }
  if (view.call.state === "on_hold") return { text: "On hold, the customer hears music", tone: "held" };
  return { text: "Connected", tone: "steady" };
}

function suggestionText(view: EngagementView, me: string): string {
  const { suggestion, suggested_by } = view.call;
  if (suggestion === "") return "No call";
  const what = { audio: "Voice", video: "Video", screen: "Sharing the screen" }[suggestion];
  return suggested_by === me ? `${what} suggested, waiting for an answer` : `Customer suggests ${suggestion}`;
}

/** Which suggestions make sense now. */
export function suggestions(view: EngagementView): { voice: boolean; video: boolean; screen: boolean } {
  const { call, phase } = view;
  const open = phase === "active" && call.suggestion === "";
  const visitor = visitorIn(view);
  const theirs = visitor && legOf(view, visitor.id);
  return {
    voice: open && call.state === "none",
    video: open && (call.state === "none" || (call.state === "connected" && theirs?.video !== true)),
    screen: open && call.state === "connected" && theirs?.screen !== true,
  };
}
