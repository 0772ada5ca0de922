/**
 * What agents point at, mark and draw, shown above the visitor's own page: an element of ours that takes no clicks,
 * is not recorded, and goes when sharing ends. Whether they may is the server's to say; what they may do on the page
 * is judged here too (control.ts).
 */
import { SIDE_DRAW, SIDE_MARK, SIDE_POINT, SIDE_WATCH } from "@talknow/protocol";
import { boxIn } from "../boxes.ts";
import { OVERLAY_STYLES, Overlay } from "../overlay.ts";
import { pointingIn, watchersIn } from "../pointing.ts";
import type { SharedPage } from "../recorder/index.ts";
import { type ControlGrant, startControl } from "./control.ts";

/** Recorders leave out every element whose name begins so. */
const TAG = "talk-now-over";
const WHO_CONTROLS = -1;
const STYLES = `
:host { all: initial; position: fixed; inset: 0; z-index: 2147482999; pointer-events: none; overflow: hidden; }
${OVERLAY_STYLES}`;

export interface Allowed {
  /** The grant to control as it is at this moment. */
  control: () => ControlGrant | undefined;
  /** Whether anybody may point at this moment. */
  point: () => boolean;
  /** The visitor takes it back by the keyboard. */
  endControl: () => void;
}

export interface Together {
  /** What is allowed is another thing now. */
  changed(): void;
  stop(): void;
}

/** Show, and do where granted, what agents do. */
export function startTogether(page: SharedPage, allowed: Allowed): Together {
  const host = document.createElement(TAG);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];
  const layer = document.createElement("div");
  root.append(layer);
  document.documentElement.append(host);
  const overlay = new Overlay({ layer, boxOf: (id) => boxIn(page.nodeOf(id), document) });
  let names = new Map<number, string>();
  const show = (code: number, values: readonly unknown[]) => {
    const said = allowed.point() ? pointingIn(code, values) : null;
    const name = said === null ? undefined : names.get(said.who);
    // Of who looks no more nothing is shown.
    if (said === null || name === undefined) return;
    overlay.show(said, name);
  };
  const stops = [
    startControl(page, {
      grant: allowed.control,
      revoke: allowed.endControl,
      acted: (node, x, y) => overlay.ripple(WHO_CONTROLS, node, x, y),
    }),
    page.on(SIDE_WATCH, ([list]) => {
      const now = watchersIn(list);
      for (const who of names.keys()) if (!now.has(who)) overlay.gone(who);
      names = now;
    }),
    ...[SIDE_POINT, SIDE_MARK, SIDE_DRAW].map((code) => page.on(code, (values) => show(code, values))),
  ];
  return {
    changed() {
      if (!allowed.point()) overlay.clear();
    },
    stop() {
      for (const stop of stops) stop();
      overlay.stop();
      host.remove();
    },
  };
}
