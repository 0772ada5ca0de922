/** Pure texts of the desk: times, presence, phases, timeline lines, and what a refusal means for the agent. */
import type { EngagementView, ParticipantView, TimelineItem } from "@talknow/protocol";

/** 65000 -> "1:05"; hours only when there are some. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** 65000 -> "1 min"; for waiting times, where seconds do not matter. */
export function rough(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export function sizeOf(bytes: number): string {
  return bytes < 1_000_000
    ? `${Math.max(1, Math.round(bytes / 1_000))} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** "/loan-income.html" of a page's address: the host is always the company's. */
export function pathOf(url: string): string {
  try {
    const { pathname, search } = new URL(url);
    return pathname + search;
  } catch {
    return url;
  }
}

export function visitorIn(view: EngagementView): ParticipantView | undefined {
  return view.participants.find((one) => one.role === "visitor");
}

export function presenceText(visitor: ParticipantView | undefined): string {
  if (visitor === undefined || visitor.presence === "gone") return "Left";
  if (visitor.presence === "online") return "On the page";
  return visitor.away_reason === "changing_page" ? "Changing page" : "Connection lost";
}

export function phaseText(view: EngagementView): string {
  if (view.phase === "active") {
    if (view.call.state === "requested") return "Wants to talk";
    if (view.call.state === "on_hold") return "On hold";
    return view.call.state === "none" ? "Chat" : "In a call";
  }
  const names = { open: "New", queued: "Waiting", offered: "Ringing", wrap_up: "Wrap-up", ended: "Ended" };
  return names[view.phase];
}

const CALL_WORDS = {
  suggested: "suggested",
  declined: "declined the call",
  requested: "asked to talk",
  joined: "joined the call",
  connected: "Call connected",
  held: "put the call on hold",
  resumed: "resumed the call",
  moved: "moved the call to another tab",
} as const;

const CONSENTS = {
  audio: "the microphone",
  video: "video",
  screen: "sharing the screen",
  view: "showing the page",
  point: "pointing at the page",
  control: "acting on the page",
  record: "keeping what is shown",
} as const;

const COBROWSE_WORDS = {
  requested: "asked to see the page",
  declined: "said no",
  started: "began to show the page",
  paused: "paused the shared page",
  resumed: "went on showing the page",
  stopped: "ended the shared page",
  asked: "asked for more",
  granted: "agreed",
  revoked: "took it back",
  expired: "Time is over",
  viewer_joined: "opened the shared page",
  viewer_left: "closed the shared page",
  masked: "Hidden by the server",
  code_issued: "has a code for the shared page",
  code_used: "came in by the code",
} as const;
const SUGGESTED = { audio: "a call", video: "video", screen: "sharing the screen" } as const;

const END_REASONS = {
  "": "Engagement ended",
  visitor_left: "The customer ended it",
  agent_ended: "You ended it",
  abandoned: "The customer went away",
  agent_lost: "The agent was away too long, the customer waits again",
} as const;

type LineItem = Exclude<TimelineItem, { kind: "message" }>;

/** One line of the timeline for everything but messages; "" when it is not worth a line. */
export function lineOf(item: LineItem, who: string): string {
  switch (item.kind) {
    case "joined":
      return `${who || item.name} joined`;
    case "left":
      return `${who || item.name} left`;
    case "call":
      return callLine(item, who);
    case "video":
      if (item.media === "screen") return `${who} ${item.on ? "shares" : "stopped sharing"} the screen`;
      return `${who} turned the camera ${item.on ? "on" : "off"}`;
    case "consent":
      return `${who} agreed to ${CONSENTS[item.capability]}`;
    case "cobrowse":
      return cobrowseLine(item, who);
    case "page":
      return `${who} opened ${item.page.title || pathOf(item.page.url)}`;
    case "note":
      return item.text === "" ? `Outcome: ${item.code || "none"}` : `${item.code || "Note"}: ${item.text}`;
    case "phase":
      return phaseLine(item);
  }
}

function callLine(item: Extract<LineItem, { kind: "call" }>, who: string): string {
  if (item.what === "ended") {
    return item.duration_ms > 0 ? `Call ended after ${duration(item.duration_ms)}` : "Call ended";
  }
  if (item.what === "connected") return CALL_WORDS.connected;
  if (item.what === "suggested") return `${who} suggested ${SUGGESTED[item.media]}`;
  return `${who} ${CALL_WORDS[item.what]}`;
}

/** A step of the shared page; a receipt names what was allowed and where. */
function cobrowseLine(item: Extract<LineItem, { kind: "cobrowse" }>, who: string): string {
  const allowed = [CONSENTS[item.capability], ...item.kinds].join(", ");
  switch (item.what) {
    case "asked":
      return `${who} asked: ${allowed}`;
    case "granted":
      return `${who} agreed: ${allowed}${item.origin && ` on ${item.origin}`}${receipt(item)}`;
    case "started":
    case "code_issued":
      return `${who} ${COBROWSE_WORDS[item.what]}${item.origin && ` on ${item.origin}`}${receipt(item)}`;
    case "revoked":
    case "expired":
      return `No longer: ${CONSENTS[item.capability]}`;
    case "masked":
      return `The server hid ${item.count} ${item.count === 1 ? "thing" : "things"} on the shared page`;
    default:
      return `${who} ${COBROWSE_WORDS[item.what]}`;
  }
}

/** Until when it holds, and which words were agreed to: the beginning of their SHA-256. */
function receipt({ expires_ms, wording_sha256, language }: Extract<LineItem, { kind: "cobrowse" }>): string {
  const until = expires_ms === 0 ? "" : `, until ${clock(expires_ms)}`;
  return wording_sha256 === "" ? until : `${until} (words ${wording_sha256.slice(0, 8)}, ${language})`;
}

function phaseLine(item: Extract<LineItem, { kind: "phase" }>): string {
  if (item.phase === "wrap_up" || item.phase === "ended") return END_REASONS[item.reason];
  return item.phase === "queued" && item.reason !== "" ? END_REASONS[item.reason] : "";
}

const REFUSALS: Record<string, string> = {
  unauthenticated: "Login or password is wrong.",
  invalid_arguments: "Fill in login and password.",
  rate_limited: "Too many attempts. Wait a moment, then try again.",
  already_assigned: "Another agent was quicker.",
  not_found: "This is no longer there.",
  invalid_state: "That is not possible any more.",
  engagement_closed: "This engagement is over.",
  offline: "There is no connection. Try again in a moment.",
  unreachable: "The server cannot be reached. Check the network.",
  no_such_code: "There is no such code. Ask for it again.",
  no_such_agent: "Nobody here has that login.",
  call_full: "There is no more room in this call.",
  file_too_large: "The file is larger than 10 MB.",
  file_type_not_allowed: "Only photos and PDF files can be sent.",
  file_empty: "The file is empty.",
  text_too_long: "The message is longer than 4,000 characters.",
};

export function refusalText(code: string): string {
  return REFUSALS[code] ?? "That did not work. Try again.";
}
