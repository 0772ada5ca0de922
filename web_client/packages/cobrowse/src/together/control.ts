/**
 * Remote control, done in the visitor's own browser and judged here before anything happens: the grant (kind, page's
 * origin, expiry), the node (never a secret, never where the site says no, never one that changed since the agent
 * saw it), and whether the visitor is busy with the page. The server has judged the same before.
 * Source: docs/cobrowse.md, "remote control"; codes: docs/cobrowse_wire.md, DID.
 */
import { type GrantView, SIDE_CONTROL, SIDE_DID } from "@talknow/protocol";
import type { SharedPage } from "../recorder/index.ts";

export type ControlKind = GrantView["kinds"][number];

export interface ControlGrant {
  id: string;
  kinds: readonly ControlKind[];
  origin: string;
  /** This browser's clock, ms; 0: as long as the page is shared. */
  expiresMs: number;
}

export interface ControlOptions {
  /** The grant as it is at this moment: asked for every single event. */
  grant: () => ControlGrant | undefined;
  /** The visitor pressed Esc: take it back. */
  revoke: () => void;
  /** Something was done at this place of the node's box. */
  acted: (node: number, x: number, y: number) => void;
}

export type Did =
  | "ok"
  | "control_not_granted"
  | "control_forbidden_target"
  | "changed"
  | "gone"
  | "suspended";

/** After an input of the visitor's own, agents wait so long. */
const OWN_INPUT_MS = 1_000;
const OWN_INPUTS = "pointerdown keydown wheel touchstart";
const NO_CONTROL = "[data-no-control]";
const SECRET_TYPES = new Set(["password", "file", "hidden"]);
const SECRET_WORDS = /\b(?:cc-[a-z-]+|[a-z]+-password|one-time-code)\b/;
const NOT_TYPED = new Set(["checkbox", "radio", "button", "submit", "reset", "image"]);

/** Do what agents ask until the returned function is called. */
export function startControl(page: SharedPage, options: ControlOptions): () => void {
  const control = new Control(page, options);
  const stop = page.on(SIDE_CONTROL, ([request, ...asked]) =>
    page.send(SIDE_DID, request, control.perform(asked)),
  );
  return () => {
    stop();
    control.stop();
  };
}

export class Control {
  private ownAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly page: SharedPage,
    private readonly options: ControlOptions,
  ) {
    for (const name of OWN_INPUTS.split(" "))
      addEventListener(name, this.own, { capture: true, passive: true });
  }

  stop(): void {
    for (const name of OWN_INPUTS.split(" ")) removeEventListener(name, this.own, { capture: true });
  }

  /** asked: grant id, seq that the agent saw, node id, kind, values… */
  perform(asked: readonly unknown[]): Did {
    const [grantId, seen, id, kind, ...values] = asked as [string, number, number, ControlKind, ...unknown[]];
    const grant = this.options.grant();
    if (grant === undefined || grant.id !== grantId || !isGood(grant, kind)) return "control_not_granted";
    if (document.hidden || performance.now() - this.ownAt < OWN_INPUT_MS) return "suspended";
    if (kind === "navigate") return navigate(String(values[0]));
    const node = this.page.nodeOf(id);
    if (node === undefined || !node.isConnected) return "gone";
    if (kind === "scroll") {
      scroll(node, Number(values[0]), Number(values[1]));
      return "ok";
    }
    if (this.page.changedSince(id, seen)) return "changed";
    const element = node instanceof elementOf(node) ? node : node.parentElement;
    if (element === null || this.isForbidden(element, node)) return "control_forbidden_target";
    if (kind === "type") return type(element, String(values[0]));
    return this.click(element, id, grant, Number(values[0]), Number(values[1]));
  }

  private click(element: Element, id: number, grant: ControlGrant, x: number, y: number): Did {
    const way = leadsTo(element);
    if (way === "away") return "control_forbidden_target";
    if (way === "inside" && !grant.kinds.includes("navigate")) return "control_not_granted";
    const labelled = element.closest("label")?.control ?? null;
    if (labelled !== null && this.isForbidden(labelled, labelled)) return "control_forbidden_target";
    this.options.acted(id, x, y);
    press(element, x, y);
    return "ok";
  }

  private isForbidden(element: Element, node: Node): boolean {
    if (this.page.isMasked(node)) return true;
    for (let above: Element | null = element; above !== null; above = hostOf(above))
      if (above.closest(NO_CONTROL) !== null) return true;
    return isSecret(element);
  }

  private readonly own = (event: Event) => {
    if (!event.isTrusted) return;
    this.ownAt = performance.now();
    if ((event as KeyboardEvent).key === "Escape" && this.options.grant() !== undefined)
      this.options.revoke();
  };
}

function isGood(grant: ControlGrant, kind: ControlKind): boolean {
  const lasts = grant.expiresMs === 0 || Date.now() < grant.expiresMs;
  return lasts && grant.kinds.includes(kind) && grant.origin === location.origin;
}

function isSecret(element: Element): boolean {
  const type = (element.getAttribute("type") ?? "").toLowerCase();
  const complete = (element.getAttribute("autocomplete") ?? "").toLowerCase();
  return (element.localName === "input" && SECRET_TYPES.has(type)) || SECRET_WORDS.test(complete);
}

/**
 * Where a click leads: nowhere, to another page of this origin, or away from what the grant is for. Links lie around
 * shadow roots too; a form is sent where its page says, and never to another origin.
 */
function leadsTo(element: Element): "nowhere" | "inside" | "away" {
  for (let above: Element | null = element; above !== null; above = hostOf(above)) {
    const link = above.closest("a, area");
    const address = link?.getAttribute("href") ?? link?.getAttribute("xlink:href") ?? "#";
    if (!/^\s*(?:#|javascript:)/i.test(address)) return isHere(address) ? "inside" : "away";
    const button = above.closest<HTMLButtonElement | HTMLInputElement>("button, input");
    if (button?.form && /^(?:submit|image)$/.test(button.type)) {
      const target = button.getAttribute("formaction") ?? button.form.getAttribute("action") ?? "";
      if (!isHere(target)) return "away";
    }
  }
  return "nowhere";
}

function isHere(address: string): boolean {
  return (
    URL.canParse(address, document.baseURI) && new URL(address, document.baseURI).origin === location.origin
  );
}

/** Frames have constructors of their own. */
function realmOf(node: Node): typeof globalThis {
  return (node.ownerDocument?.defaultView ?? window) as unknown as typeof globalThis;
}

function elementOf(node: Node): typeof Element {
  return realmOf(node).Element;
}

/** What a shadow root or a frame's document lies in. */
function hostOf(element: Element): Element | null {
  const root = element.getRootNode();
  return "host" in root ? (root as ShadowRoot).host : ((root as Document).defaultView?.frameElement ?? null);
}

/** The nearest thing above that really scrolls. */
function scroll(node: Node, x: number, y: number): void {
  for (let at: Node | null = node; at !== null; at = at.parentNode ?? (at as ShadowRoot).host ?? null) {
    if (!(at instanceof elementOf(at))) continue;
    const before = at.scrollTop + at.scrollLeft;
    at.scrollBy({ left: x, top: y, behavior: "instant" });
    if (at.scrollTop + at.scrollLeft !== before) return;
  }
  (node.ownerDocument?.defaultView ?? window).scrollBy({ left: x, top: y, behavior: "instant" });
}

function press(element: Element, x: number, y: number): void {
  const { PointerEvent: Pointer, MouseEvent: Mouse, HTMLElement: Html } = realmOf(element);
  const box = element.getBoundingClientRect();
  const place = {
    bubbles: true,
    cancelable: true,
    composed: true,
    clientX: box.x + x * box.width,
    clientY: box.y + y * box.height,
  };
  element.dispatchEvent(new Pointer("pointerdown", place));
  const goesOn = element.dispatchEvent(new Mouse("mousedown", place));
  const focusable = element.closest("a[href], button, input, select, textarea, [tabindex]");
  if (goesOn && focusable instanceof Html) focusable.focus({ preventScroll: true });
  element.dispatchEvent(new Pointer("pointerup", place));
  element.dispatchEvent(new Mouse("mouseup", place));
  if (element instanceof Html) element.click();
  else element.dispatchEvent(new Mouse("click", place));
}

/** The whole value at once, as frameworks expect it: by the browser's own setter, then `input` and `change`. */
function type(element: Element, text: string): Did {
  const realm = realmOf(element);
  if (element instanceof realm.HTMLSelectElement) {
    const option = [...element.options].find((one) => one.label.trim() === text.trim() || one.value === text);
    if (option === undefined || option.disabled || element.disabled) return "control_forbidden_target";
    element.focus({ preventScroll: true });
    setNative(realm.HTMLSelectElement.prototype, element, option.value);
  } else if (element instanceof realm.HTMLInputElement || element instanceof realm.HTMLTextAreaElement) {
    if (element.disabled || element.readOnly || NOT_TYPED.has(element.type))
      return "control_forbidden_target";
    element.focus({ preventScroll: true });
    const owner =
      element instanceof realm.HTMLInputElement ? realm.HTMLInputElement : realm.HTMLTextAreaElement;
    setNative(owner.prototype, element, text);
  } else return "control_forbidden_target";
  const told = { bubbles: true, composed: true };
  element.dispatchEvent(new realm.InputEvent("input", { ...told, inputType: "insertReplacementText" }));
  element.dispatchEvent(new realm.Event("change", told));
  return "ok";
}

function setNative(owner: object, element: Element, value: string): void {
  Object.getOwnPropertyDescriptor(owner, "value")?.set?.call(element, value);
}

/** Within the page's own origin only. */
function navigate(where: string): Did {
  switch (where) {
    case "back":
      history.back();
      return "ok";
    case "forward":
      history.forward();
      return "ok";
    case "reload":
      later(() => location.reload());
      return "ok";
    default:
  }
  const url = URL.canParse(where, location.href) ? new URL(where, location.href) : null;
  if (url === null || url.origin !== location.origin) return "control_forbidden_target";
  later(() => location.assign(url.href));
  return "ok";
}

/** After the answer has left. */
function later(fn: () => void): void {
  setTimeout(fn, 50);
}
