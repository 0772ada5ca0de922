/**
 * Answering an offered path: all that needs nothing but the offer. On a page that follows another in a call the
 * loader begins with it before the rest of the code is there (`Begun`); `Path` carries on.
 *
 * It never gathers before answering and never opens a device. Source: RFC 8829; docs/media.md.
 */
import type { IceServer, PathOffer } from "@talknow/protocol";
import { KINDS, SEND_MID } from "./places.ts";

/** A path whose answer is under way. */
export interface Begun {
  offer: PathOffer;
  peer: RTCPeerConnection;
  answered: Promise<string>;
  /** What arrived before somebody took it over. */
  arrived: RTCTrackEvent[];
}

export function iceServers(servers: IceServer[]): RTCIceServer[] {
  return servers.map(({ urls, username, credential }) =>
    username ? { urls, username, credential } : { urls },
  );
}

export function configurationOf(offer: PathOffer): RTCConfiguration {
  return {
    iceServers: iceServers(offer.ice_servers ?? []),
    iceTransportPolicy: offer.relay_only ? "relay" : "all",
    bundlePolicy: "max-bundle",
  };
}

/** Apply the offer (also a later revision of it); resolves to the answer's SDP. */
export async function answer(peer: RTCPeerConnection, offer: PathOffer): Promise<string> {
  await peer.setRemoteDescription({ type: "offer", sdp: offer.sdp });
  for (const transceiver of peer.getTransceivers()) {
    if (KINDS.some((kind) => SEND_MID[kind] === transceiver.mid)) transceiver.direction = "sendrecv";
  }
  const description = await peer.createAnswer();
  await peer.setLocalDescription(description);
  return description.sdp ?? "";
}

export function begin(offer: PathOffer): Begun {
  const peer = new RTCPeerConnection(configurationOf(offer));
  const arrived: RTCTrackEvent[] = [];
  peer.ontrack = (event) => arrived.push(event);
  const answered = answer(peer, offer);
  answered.catch(() => undefined);
  return { offer, peer, answered, arrived };
}
