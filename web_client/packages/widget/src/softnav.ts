/**
 * Soft navigation, opt-in and only during a call: same-origin links are fetched and swapped in place, so that
 * the page that carries the call never ends. What is not a plain page falls back to a normal navigation.
 *
 * The widget's own element stays where it is. Sites hear `talknow:navigate` (cancelable) before and
 * `talknow:navigated` after, on the document. Source: docs/embed.md, "Soft navigation"; HTML Living Standard,
 * "History traversal".
 */
const STYLES_MS = 1_000;
const KEPT = "talk-now";

export interface SoftOptions {
  /** A call goes on in this page. */
  active(): boolean;
  /** A page is shown: tell people who do not see the screen, and the agent, where they are now. */
  shown(title: string): void;
  /** The address of our own script: it runs once. */
  loader: string;
  /** Leave the page for good; tests replace it. */
  leave?: (url: string) => void;
}

interface Spot {
  x: number;
  y: number;
}
/** Which entry of the history this is; where it was scrolled to is kept beside it. */
interface EntryState {
  talknow?: string;
}

export class SoftNavigation {
  private page = pathOf(location.href);
  private entry = "";
  private readonly spots = new Map<string, Spot>();
  private running: AbortController | null = null;

  constructor(private readonly options: SoftOptions) {
    document.addEventListener("click", this.clicked);
    addEventListener("popstate", this.moved);
  }

  /** A page is on its way: what the browser says of the address is not yet what is shown. */
  get busy(): boolean {
    return this.running !== null;
  }

  stop(): void {
    document.removeEventListener("click", this.clicked);
    removeEventListener("popstate", this.moved);
    this.running?.abort();
  }

  /** Show a page of this site in place; `entry`: one of the history that is gone back or forward to. */
  async visit(url: string, entry?: string): Promise<boolean> {
    this.running?.abort();
    this.running = null;
    if (!tell("talknow:navigate", url, true)) return false;
    const turn = new AbortController();
    this.running = turn;
    try {
      const next = await fetchPage(url, turn.signal);
      const head = await prepareHead(next.page, baseOf(next));
      if (turn.signal.aborted) return false;
      this.enter(next, entry);
      show(next.page, head, this.options.loader);
      this.settle(next.at, entry);
      this.running = null;
      tell("talknow:navigated", next.at, false);
      this.options.shown(next.page.title);
      return true;
    } catch {
      if (turn.signal.aborted) return false;
      this.running = null;
      (this.options.leave ?? ((to) => location.assign(to)))(url);
      return false;
    }
  }

  /** The address first: what is relative in the page belongs to it. */
  private enter({ page, at }: Fetched, entry: string | undefined): void {
    if (this.entry === "") {
      history.scrollRestoration = "manual";
      this.entry = crypto.randomUUID();
      history.replaceState({ ...(history.state as EntryState), talknow: this.entry }, "");
    }
    document.title = page.title;
    if (entry !== undefined) {
      this.entry = entry;
      return;
    }
    this.spots.set(this.entry, { x: scrollX, y: scrollY });
    this.entry = crypto.randomUUID();
    history.pushState({ talknow: this.entry } satisfies EntryState, "", at);
  }

  private settle(at: string, entry: string | undefined): void {
    this.page = pathOf(at);
    const target = entry === undefined ? anchorOf(at) : null;
    const spot = this.spots.get(this.entry) ?? { x: 0, y: 0 };
    if (target !== null) target.scrollIntoView();
    else scrollTo(spot.x, spot.y);
    focusOn(target ?? document.querySelector<HTMLElement>("main, h1"));
  }

  private readonly clicked = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || !this.options.active()) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (link === undefined || !isSoft(link)) return;
    event.preventDefault();
    void this.visit(link.href);
  };

  private readonly moved = (event: PopStateEvent): void => {
    if (this.entry === "" || pathOf(location.href) === this.page) return;
    const entry = (event.state as EntryState | null)?.talknow;
    if (entry === undefined || !this.options.active()) {
      location.reload();
      return;
    }
    // The address has changed, the page has not: this is where the old entry was.
    this.spots.set(this.entry, { x: scrollX, y: scrollY });
    void this.visit(location.href, entry);
  };
}

/** A link that leads to another page of this site, in this tab. */
export function isSoft(link: HTMLAnchorElement): boolean {
  if (link.hasAttribute("download") || link.dataset.talknowReload !== undefined) return false;
  if (link.target !== "" && link.target !== "_self") return false;
  if (link.origin !== location.origin || !link.protocol.startsWith("http")) return false;
  return pathOf(link.href) !== pathOf(location.href);
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}

function anchorOf(url: string): HTMLElement | null {
  const { hash } = new URL(url, location.href);
  return hash === "" ? null : document.getElementById(decodeURIComponent(hash.slice(1)));
}

function tell(name: string, url: string, cancelable: boolean): boolean {
  return document.dispatchEvent(new CustomEvent(name, { detail: { url }, cancelable }));
}

interface Fetched {
  page: Document;
  at: string;
}

async function fetchPage(url: string, signal: AbortSignal): Promise<Fetched> {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal });
  const isPage = answer.headers.get("Content-Type")?.startsWith("text/html") ?? false;
  const at = answer.url || url;
  if (!answer.ok || !isPage || new URL(at).origin !== location.origin) throw new Error("not a page of ours");
  const page = parse(await answer.text());
  const { hash } = new URL(url);
  return { page, at: hash !== "" && !at.includes("#") ? at + hash : at };
}

function baseOf({ page, at }: Fetched): string {
  const base = page.querySelector("base")?.getAttribute("href");
  return base ? new URL(base, at).href : at;
}

interface Policy {
  createHTML(text: string): string;
  createScript(text: string): string;
  createScriptURL(text: string): string;
}
interface TrustedTypes {
  createPolicy(name: string, rules: Policy): Policy;
}

let made: Policy | null = null;

/**
 * The site's own pages are as trusted as a load of them would be: where it uses Trusted Types it must allow
 * the name `talknow`. Throws where it does not.
 */
function policy(): Policy {
  const same = (text: string) => text;
  const rules = { createHTML: same, createScript: same, createScriptURL: same };
  const { trustedTypes } = window as { trustedTypes?: TrustedTypes };
  made ??= trustedTypes?.createPolicy("talknow", rules) ?? rules;
  return made;
}

/** The text as a document that is not shown and runs nothing. */
function parse(text: string): Document {
  return new DOMParser().parseFromString(policy().createHTML(text), "text/html");
}

/** What a new head adds and what of the old one goes. */
interface Head {
  base: Element | null;
  scripts: HTMLScriptElement[];
  stale: Element[];
}

/** Of an element of the head: what makes it the same as another, by its address when it was added. */
const keys = new WeakMap<Element, string>();

function keyOf(node: Element, base: string): string {
  let key = keys.get(node);
  if (key === undefined) {
    const address = node.getAttribute("src") ?? node.getAttribute("href");
    const what = `${node.localName} ${node.getAttribute("rel") ?? ""}`;
    key = address === null ? node.outerHTML : `${what} ${new URL(address, base).href}`;
    keys.set(node, key);
  }
  return key;
}

/** Add the new page's style sheets and other head elements; waits for the sheets, so that nothing flashes. */
async function prepareHead(page: Document, base: string): Promise<Head> {
  const now = new Map([...document.head.children].map((node) => [keyOf(node, document.baseURI), node]));
  const wanted = new Set<string>();
  const head: Head = { base: page.querySelector("base"), scripts: [], stale: [] };
  const styles: Promise<unknown>[] = [];
  for (const node of [...page.head.children]) {
    const key = keyOf(node, base);
    wanted.add(key);
    if (now.has(key) || node.localName === "title" || node.localName === "base") continue;
    if (node.localName === "script") {
      head.scripts.push(copyOf(node as HTMLScriptElement, base));
      continue;
    }
    const added = document.adoptNode(node);
    const address = added.getAttribute("href");
    if (address !== null) added.setAttribute("href", new URL(address, base).href);
    if (added instanceof HTMLLinkElement && added.rel === "stylesheet") styles.push(loaded(added));
    document.head.append(added);
  }
  const late = new Promise((resolve) => setTimeout(resolve, STYLES_MS));
  await Promise.race([Promise.all(styles), late]);
  const leaves = (key: string, node: Element) =>
    !wanted.has(key) && node.localName !== "script" && node.localName !== "title";
  head.stale = [...now].filter(([key, node]) => leaves(key, node)).map(([, node]) => node);
  return head;
}

/** Put the page in the place of the one that is shown, and run its scripts in order. */
function show(page: Document, head: Head, loader: string): void {
  for (const node of head.stale) node.remove();
  if (head.base !== null) document.head.prepend(document.adoptNode(head.base));
  for (const name of ["lang", "dir", "class"]) {
    copyAttribute(page.documentElement, document.documentElement, name);
    copyAttribute(page.body, document.body, name);
  }
  const kept = document.querySelector(KEPT);
  for (const node of [...document.body.childNodes]) if (node !== kept) node.remove();
  const fresh = [...page.body.childNodes].filter((node) => node.nodeName.toLowerCase() !== KEPT);
  for (const node of fresh) document.body.insertBefore(document.adoptNode(node), kept);
  document.head.append(...head.scripts);
  // A parsed script does not run; a copy of it does, in its place.
  for (const script of document.body.querySelectorAll("script")) {
    if (script.src !== loader) script.replaceWith(copyOf(script, document.baseURI));
  }
}

function loaded(link: HTMLLinkElement): Promise<unknown> {
  return new Promise((resolve) => {
    link.addEventListener("load", resolve, { once: true });
    link.addEventListener("error", resolve, { once: true });
  });
}

function copyOf(script: HTMLScriptElement, base: string): HTMLScriptElement {
  const copy = document.createElement("script");
  for (const { name, value } of [...script.attributes]) if (name !== "src") copy.setAttribute(name, value);
  const source = script.getAttribute("src");
  if (source !== null) copy.src = policy().createScriptURL(new URL(source, base).href);
  // In order, as the parser would have run them; the nonce is the one of the page that is really loaded.
  copy.async = script.hasAttribute("async");
  copy.nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce ?? "";
  if (source === null) copy.text = policy().createScript(script.text);
  return copy;
}

function copyAttribute(from: Element, to: Element, name: string): void {
  const value = from.getAttribute(name);
  if (value === null) to.removeAttribute(name);
  else to.setAttribute(name, value);
}

function focusOn(node: HTMLElement | null): void {
  if (node === null) return;
  if (!node.hasAttribute("tabindex")) node.tabIndex = -1;
  node.focus({ preventScroll: true });
}
