/**
 * What must be seen before anything of ours is loaded: closed shadow roots as they are made, and elements that were
 * scrolled. Kept for the recorder, weakly; nothing of it leaves the page. Loaded with the loader, so it is small.
 */
import type { Early } from "@talknow/cobrowse/recorder/capture";

const KEY = Symbol.for("talknow.early");
const MOST = 500;
type Home = { [KEY]?: Early };

/** Begin to remember; once per page. */
export function remember(): void {
  const home = window as Home;
  if (home[KEY] !== undefined) return;
  const early: Early = { closedRoots: new WeakMap(), scrolled: new Set() };
  Object.defineProperty(home, KEY, { value: early });
  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (init: ShadowRootInit): ShadowRoot {
    const root = attachShadow.call(this, init);
    if (init.mode === "closed") early.closedRoots.set(this, root);
    return root;
  };
  const known = new WeakSet<EventTarget>();
  const options = { capture: true, passive: true };
  const scrolled = ({ target }: Event) => {
    if (!(target instanceof Element) || known.has(target) || early.scrolled.size >= MOST) return;
    known.add(target);
    early.scrolled.add(new WeakRef(target));
  };
  document.addEventListener("scroll", scrolled, options);
}

export function remembered(): Early | undefined {
  return (window as Home)[KEY];
}
