/** How loud both sides are just now, read from a connection's statistics: needs no audio graph, no gesture. */
export interface Levels {
  mine: number;
  theirs: number;
}

/** Loudness from 0 to 1; silence where there is no connection. */
export async function levelsOf(peer: RTCPeerConnection | null): Promise<Levels> {
  const levels = { mine: 0, theirs: 0 };
  const report = await peer?.getStats();
  report?.forEach((entry: { type: string; kind?: string; audioLevel?: number }) => {
    if (entry.kind !== "audio") return;
    if (entry.type === "media-source") levels.mine = Math.max(levels.mine, entry.audioLevel ?? 0);
    if (entry.type === "inbound-rtp") levels.theirs = Math.max(levels.theirs, entry.audioLevel ?? 0);
  });
  return levels;
}
