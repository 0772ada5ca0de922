/**
 * The call code, a chunk of its own: loaded when there is a call, and before everything else on a page that
 * follows a page in a call. `resume` answers the saved ticket without waiting for chat, socket or layout.
 */
import { CALL_KEY, CallLeg, dropEarly, type Early, readCalls } from "@talknow/client";
import { apiOf, deviceOfPage, session, visitorOf } from "./page.ts";
import type { Settings } from "./settings.ts";

export { CallKeeper } from "@talknow/client";

let resumed: CallLeg | null = null;

/** Where the time of a page change goes, in the browser's own timeline (docs/embed.md, section 6). */
function markOnce(name: string): void {
  const full = `talknow:${name}`;
  if (performance.getEntriesByName(full).length === 0) performance.mark(full);
}

function markSteps(leg: CallLeg): void {
  const stop = leg.subscribe(() => {
    if (leg.state.microphone === "on") markOnce("microphone");
    if (leg.state.phase === "connected") markOnce("connected");
    if (leg.state.phase === "connected" && leg.state.microphone !== "asking") stop();
  });
}

/** So long the rest of the page's widget waits for the voice. */
const VOICE_FIRST_MS = 700;

/**
 * Take the leg of the page before back at once. Does nothing when this tab is only a copy. Resolves when it is
 * heard again, and at the latest after VOICE_FIRST_MS.
 */
export async function resume(settings: Settings, early?: Early): Promise<void> {
  const engagement = await engagementOfCall(settings);
  if (engagement === null) {
    dropEarly(early);
    return;
  }
  const device = await deviceOfPage();
  const api = apiOf(settings);
  resumed = new CallLeg({ engagement, device, api, store: session, locks: navigator.locks, early });
  markSteps(resumed);
  const leg = resumed;
  void leg.resume();
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, VOICE_FIRST_MS);
    const stop = leg.subscribe(() => {
      if (leg.state.phase !== "connected" && leg.state.phase !== "closed") return;
      stop();
      clearTimeout(late);
      setTimeout(resolve, 60);
    });
  });
}

/** The call that the page before left to this one. */
async function engagementOfCall(settings: Settings): Promise<string | null> {
  if (session.getItem(CALL_KEY) === null || resumed !== null || visitorOf(settings).known === null)
    return null;
  // A visitor has one engagement, so one call.
  const saved = readCalls(session, await deviceOfPage()).at(-1);
  if (saved === undefined) session.removeItem(CALL_KEY);
  return saved?.engagement ?? null;
}

/** The leg that `resume` took back, once. */
export function takeResumed(): CallLeg | null {
  const leg = resumed;
  resumed = null;
  return leg;
}

/**
 * Ask the person for the microphone before the call is started, and let it go again: it is opened
 * by the leg when an agent is there. Returns whether it may be used, and why not.
 */
export async function askMicrophone(): Promise<"on" | "denied" | "missing"> {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) track.stop();
    return "on";
  } catch (error) {
    return error instanceof Error && error.name === "NotFoundError" ? "missing" : "denied";
  }
}
