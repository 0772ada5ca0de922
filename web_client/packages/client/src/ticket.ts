/**
 * What a tab keeps in sessionStorage so that the next page of it takes its leg of a call over at once.
 *
 * A duplicated tab has a copy; the device id in it tells whose it is. It holds an SDP offer: never log it.
 */
import type { PathOffer } from "@talknow/protocol";
import { readJson, type Store } from "./storage.ts";

export const CALL_KEY = "talknow:call";

export interface SavedCall {
  device: string;
  engagement: string;
  /** The next path, prepared by the server; null when it is spent. */
  ticket: PathOffer | null;
  muted: boolean;
  camera: boolean;
}

export function readCall(store: Store, device: string): SavedCall | null {
  const saved = readJson<SavedCall>(store, CALL_KEY);
  return saved?.device === device ? saved : null;
}

export function saveCall(store: Store, call: SavedCall): void {
  store.setItem(CALL_KEY, JSON.stringify(call));
}

export function forgetCall(store: Store, engagement: string): void {
  if (readJson<SavedCall>(store, CALL_KEY)?.engagement === engagement) store.removeItem(CALL_KEY);
}
