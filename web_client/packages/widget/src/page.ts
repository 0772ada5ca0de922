/**
 * What there is once per page and what widget and call code share: device id, storage, HTTP, the visitor.
 * It also tells the next page of this tab that it is the successor.
 */
import { Api, markLeft, openStore, takeDevice } from "@talknow/client";
import type { Settings } from "./settings.ts";
import { Visitor } from "./visitor.ts";

export const session = openStore("sessionStorage");
export const local = openStore("localStorage");

let device: Promise<string> | null = null;
let visitor: Visitor | null = null;
let api: Api | null = null;

/** The id of this tab; taken when first asked for. */
export function deviceOfPage(): Promise<string> {
  if (device === null) {
    let leave: () => void = () => undefined;
    const take = () => takeDevice(session, navigator.locks, new Promise((resolve) => (leave = resolve)));
    device = take();
    addEventListener("pagehide", () => {
      markLeft(session);
      leave();
    });
    // Back from the back/forward cache: the pages in between had the id, and left it to this one.
    addEventListener("pageshow", (event) => {
      if (event.persisted) void take();
    });
  }
  return device;
}

export function visitorOf(settings: Settings): Visitor {
  visitor ??= new Visitor({
    api: new Api({ server: settings.server }),
    site: settings.site,
    store: local,
    onFault: (code) => settings.emit("error", { code }),
  });
  return visitor;
}

export function apiOf(settings: Settings): Api {
  const who = visitorOf(settings);
  api ??= new Api({ server: settings.server, token: (stale) => who.credential(stale) });
  return api;
}
