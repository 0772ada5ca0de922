/**
 * What a tab keeps in sessionStorage so that the next page of it takes its legs of calls over at once: one
 * entry per engagement under one key, which is there only while there is a call.
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

/** Every call of this device; those that a duplicated tab copied are not its own. */
export function readCalls(store: Store, device: string): SavedCall[] {
  const saved = readJson<unknown>(store, CALL_KEY);
  if (!Array.isArray(saved)) return [];
  return (saved as SavedCall[]).filter((call) => call?.device === device);
}

export function readCall(store: Store, device: string, engagement: string): SavedCall | null {
  return readCalls(store, device).find((call) => call.engagement === engagement) ?? null;
}

export function saveCall(store: Store, call: SavedCall): void {
  const others = readCalls(store, call.device).filter(({ engagement }) => engagement !== call.engagement);
  store.setItem(CALL_KEY, JSON.stringify([...others, call]));
}

export function forgetCall(store: Store, device: string, engagement: string): void {
  const all = readCalls(store, device);
  const rest = all.filter((call) => call.engagement !== engagement);
  if (rest.length === all.length) return;
  if (rest.length === 0) store.removeItem(CALL_KEY);
  else store.setItem(CALL_KEY, JSON.stringify(rest));
}
