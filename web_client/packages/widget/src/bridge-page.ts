/**
 * The page in the bridge's frame, on the server's own origin. It answers the origins its document names, in this tab
 * only: all of them may leave something, those on which sharing goes on may take it. It has nothing to connect to.
 */
import type { BridgeAnswer, BridgeQuestion } from "./carried.ts";

const { site, keepers, takers } = document.documentElement.dataset;
const key = `talknow:carried:${site}`;
const listed = (origins: string | undefined, origin: string) => (origins ?? "").split(" ").includes(origin);

function answer(said: BridgeAnswer, origin: string): void {
  parent.postMessage(said, origin);
}

addEventListener("message", ({ source, origin, data }: MessageEvent<BridgeQuestion>) => {
  if (source !== parent || !listed(keepers, origin)) return;
  if (data.kind === "take") {
    const carried = listed(takers, origin) ? sessionStorage.getItem(key) : null;
    answer({ kind: "kept", carried: carried === null ? null : JSON.parse(carried) }, origin);
  } else if (data.carried === null) sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, JSON.stringify(data.carried));
});
answer({ kind: "ready" }, "*");
