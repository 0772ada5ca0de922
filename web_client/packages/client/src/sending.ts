/**
 * What a sender sends, and how much of it at most.
 *
 * A browser measures the network while it encodes its first picture, when the machine is busiest, and creeps up by
 * 8 % a second from what it found then. It measures again when the limit changes (libwebrtc, ProbeController), so
 * the limit is set when the picture flows: a call is sharp after seconds also where the first look was wrong.
 */
import type { Kind } from "./places.ts";

export const LIMIT_BPS = { video: 2_000_000, screen: 2_500_000 };
/** A look can be wrong for the same reason as the first; where the network is known to be good it costs nothing. */
export const LOOKS = 3;
export const LOOK_EVERY_MS = 1_500;

/** Null sends nothing. Needs no negotiation; a sender that is closed meanwhile is nobody's fault. */
export async function carry(sender: RTCRtpSender, kind: Kind, track: MediaStreamTrack | null): Promise<void> {
  if (sender.track === track) return;
  await sender.replaceTrack(track).catch(() => undefined);
  if (track !== null && kind !== "audio") void lookAgain(sender, track, LIMIT_BPS[kind]);
}

async function lookAgain(sender: RTCRtpSender, track: MediaStreamTrack, bps: number): Promise<void> {
  for (let look = 1; look <= LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    if (sender.track !== track) return;
    await limit(sender, bps).catch(() => undefined);
  }
}

/** Another limit than now: around `bps`. */
async function limit(sender: RTCRtpSender, bps: number): Promise<void> {
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) {
    encoding.maxBitrate = encoding.maxBitrate === bps ? bps * 1.05 : bps;
  }
  await sender.setParameters(parameters);
}
