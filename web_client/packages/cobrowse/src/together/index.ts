/**
 * What agents point at, mark and draw, shown above the visitor's own page: an element of ours that takes no clicks,
 * is not recorded, and goes when sharing ends. Whether they may is the server's to say.
 */
import { SIDE_DRAW, SIDE_MARK, SIDE_POINT, SIDE_WATCH } from "@talknow/protocol";
import { Overlay } from "../overlay.ts";
import type { SharedPage } from "../recorder/index.ts";

/** Recorders leave out every element whose name begins so. */
const TAG = "talk-now-over";
const LEFT = 2;
const STYLES = `
:host { all: initial; position: fixed; inset: 0; z-index: 2147482999; pointer-events: none; overflow: hidden; }
.pointer { position: absolute; width: 0; height: 0; transition: transform 60ms linear; }
.pointer svg { position: absolute; width: 22px; height: 22px; }
.pointer b { position: absolute; top: 18px; left: 14px; padding: 1px 7px; border-radius: 9px; color: #fff;
  font: 600 12px/1.4 system-ui, sans-serif; white-space: nowrap; }
.ripple { position: absolute; width: 40px; height: 40px; margin: -20px; border: 3px solid; border-radius: 50%;
  animation: ripple .6s ease-out forwards; box-sizing: border-box; }
@keyframes ripple { from { transform: scale(.2); opacity: 1 } to { transform: scale(1.2); opacity: 0 } }
.mark { position: absolute; border: 3px solid; border-radius: 6px; box-sizing: border-box; }
#ink { position: absolute; inset: 0; width: 100%; height: 100%; }
`;

/** Show what agents do until the returned function is called. */
export function startTogether(page: SharedPage): () => void {
  const host = document.createElement(TAG);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];
  const layer = document.createElement("div");
  root.append(layer);
  document.documentElement.append(host);
  const overlay = new Overlay({ layer, boxOf: (id) => boxOf(page.nodeOf(id)) });
  const names = new Map<number, string>();
  const stops = [
    page.on(SIDE_WATCH, ([list]) => {
      names.clear();
      for (const [who, name] of list as [number, string][]) names.set(who, name);
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

function boxOf(node: Node | undefined): DOMRect | null {
  if (node === undefined || !node.isConnected) return null;
  if (node.nodeType === Node.DOCUMENT_NODE) return new DOMRect(0, 0, innerWidth, innerHeight);
  const element = node.nodeType === Node.ELEMENT_NODE ? (node as Element) : node.parentElement;
  return element?.getBoundingClientRect() ?? null;
}
