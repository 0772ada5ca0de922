/**
 * What agents point at, mark and draw, shown above the visitor's own page: an element of ours that takes no clicks,
 * is not recorded, and goes when sharing ends. Whether they may is the server's to say; what they may do on the page
 * is judged here too (control.ts).
 */
import { SIDE_DRAW, SIDE_MARK, SIDE_POINT, SIDE_WATCH } from "@talknow/protocol";
import { boxIn } from "../boxes.ts";
import { OVERLAY_STYLES, Overlay } from "../overlay.ts";
import type { SharedPage } from "../recorder/index.ts";
import { type ControlGrant, startControl } from "./control.ts";

/** Recorders leave out every element whose name begins so. */
const TAG = "talk-now-over";
const LEFT = 2;
const WHO_CONTROLS = -1;
const STYLES = `
:host { all: initial; position: fixed; inset: 0; z-index: 2147482999; pointer-events: none; overflow: hidden; }
${OVERLAY_STYLES}`;

export interface Allowed {
  /** The grant to control as it is at this moment. */
  control: () => ControlGrant | undefined;
  /** The visitor takes it back by the keyboard. */
  endControl: () => void;
}

/** Show, and do where granted, what agents do until the returned function is called. */
export function startTogether(page: SharedPage, allowed: Allowed): () => void {
  const host = document.createElement(TAG);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];
  const layer = document.createElement("div");
  root.append(layer);
  document.documentElement.append(host);
  const overlay = new Overlay({ layer, boxOf: (id) => boxIn(page.nodeOf(id), document) });
  const names = new Map<number, string>();
  const stops = [
    startControl(page, {
      grant: allowed.control,
      revoke: allowed.endControl,
      acted: (node, x, y) => overlay.ripple(WHO_CONTROLS, node, x, y),
    }),
    page.on(SIDE_WATCH, ([list]) => {
      const now = new Map(list as [number, string][]);
      for (const who of names.keys()) {
        if (now.has(who)) continue;
        overlay.leave(who);
        overlay.mark(who, 0);
      }
      names.clear();
      for (const [who, name] of now) names.set(who, name);
    }),
    page.on(SIDE_POINT, ([who, node, x, y, what]) => {
      const [number, id, left, top] = [who, node, x, y].map(Number) as [number, number, number, number];
      if (what === LEFT) overlay.leave(number);
      else overlay.point(number, names.get(number) ?? "", id, left, top);
      if (what === 1) overlay.ripple(number, id, left, top);
    }),
    page.on(SIDE_MARK, ([who, node]) => overlay.mark(Number(who), Number(node))),
    page.on(SIDE_DRAW, ([who, stroke, node, points, last]) =>
      overlay.draw(Number(who), Number(stroke), Number(node), (points as number[]).map(Number), last === 1),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
    overlay.stop();
    host.remove();
  };
}
