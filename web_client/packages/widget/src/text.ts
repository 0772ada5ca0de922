/** Every word the visitor reads, and the wordings a consent refers to by its SHA-256. */
export const LANGUAGE = "en";

export const TEXT = {
  voiceWording:
    "When you press Talk now, your browser may ask for your microphone. It is used for this call only and you can mute it at any time.",
  videoWording: "Your picture is shown only to the people in this call.",
  screenWording: "What you choose to share of your screen is shown only to the people in this call.",
  viewWording:
    "The agents of this chat see the pages of this site as you see them. What you type into forms, passwords and marked parts stay hidden. You can pause or stop at any time.",
  pointWording:
    "The agents of this chat can point at things on this page and draw on it. They change nothing.",
  controlWording:
    "The agent who asks can do on this page what you tick here, never in password, payment or hidden fields. Your own input always goes first. Press Esc to end it.",
  recordWording:
    "What the agents see of these pages is kept with this chat for later. Hidden parts are not in it.",
  asksToSee: "would like to see this page.",
  asksToPoint: "would like to point at things on this page.",
  asksToControl: "would like to help you on this page:",
  asksToRecord: "would like to keep what is shown of this page.",
  showPage: "Show my page",
  allow: "Allow",
  shareByCode: "Show this page to somebody on the phone",
  codeFor: "Tell this number to the agent on the phone:",
  shared: "This page is shared",
  nobodyLooks: "This page is shared. Nobody is looking yet.",
  sharePaused: "Sharing is paused. Nobody sees this page.",
  sharePrivate: "This page is private. Nobody sees it.",
  pauseShare: "Pause",
  resumeShare: "Resume",
  stopShare: "Stop sharing",
  endPointing: "Stop pointing",
  endControl: "Stop control",
  endRecording: "Stop keeping it",
  escEnds: "Esc ends it.",
  somebody: "An agent",
  controls: "can act on this page:",
  points: "They can point at this page and draw on it.",
  unfold: "Details",
  fold: "Less",
  recorded: "What is shown is kept with this chat.",
  kinds: { scroll: "scroll", click: "click", type: "fill in fields", navigate: "go to other pages" },
  capabilities: {
    audio: "the microphone",
    video: "the camera",
    screen: "showing the screen",
    view: "seeing this page",
    point: "pointing at this page",
    control: "acting on this page",
    record: "keeping what is shown",
  },
  goesOn: "It goes on at",
  talkNow: "Talk now",
  notNow: "Not now",
  open: "Open chat",
  close: "Close chat",
  nextInLine: "You are next. An agent will be with you shortly.",
  nobody: "Nobody is available right now. Leave your message, we answer as soon as we can.",
  waiting: "We are finding someone for you.",
  reconnecting: "Connection lost. Trying again, nothing you write is lost.",
  refused: "The chat is not available here at the moment.",
  ended: "This chat has ended.",
  startAgain: "Start again",
  requested: "Calling. An agent will answer shortly.",
  negotiating: "Connecting the call",
  onHold: "On hold",
  agentMoves: "The agent's connection is being renewed, stay on the line",
  callBack: "Reconnecting the call",
  elsewhere: "The call is in another tab.",
  denied:
    "Your browser does not allow the microphone on this page. Allow it in the address bar, at the symbol left of the address, then press Talk now again.",
  missing: "No microphone was found. Connect one, then press Talk now again.",
  cameraDenied: "The camera could not be turned on. Check that your browser allows it on this page.",
  screenDenied: "The screen could not be shared. Check that your browser allows it on this page.",
  tapToHear: "Tap to hear the call",
  tooLarge: "This file is too large. The limit is ",
  wrongType: "This kind of file cannot be sent. Photos and PDF files can.",
  uploadFailed: "The file could not be sent. Please try again.",
  sendFailed: "This message could not be sent.",
} as const;

/** What showing the page means on this site: origins are those where it goes on. */
export function viewWording(origins: readonly string[]): string {
  const hosts = origins.map((origin) => new URL(origin).host).join(", ");
  return hosts === "" ? TEXT.viewWording : `${TEXT.viewWording} ${TEXT.goesOn} ${hosts}.`;
}

export function position(place: number): string {
  return place <= 1 ? TEXT.nextInLine : `You are number ${place} in line.`;
}

/** SHA-256 (hex) of a wording exactly as shown. */
export async function sha256(wording: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(wording));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
