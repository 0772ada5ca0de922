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
  /** Tell people who do not see the screen where they are now. */
  announce(title: string): void;
  /** Leave the page for good; tests replace it. */
  leave?: (url: string) => void;
}

interface Spot {
  x: number;
  y: number;
}
interface Place {
  talknow?: Spot;
}

export class SoftNavigation {
  private shown = pathOf(location.href);
  private running: AbortController | null = null;
  private used = false;

  constructor(private readonly options: SoftOptions) {
    document.addEventListener("click", this.clicked);
    addEventListener("popstate", this.moved);
  }

  stop(): void {
    document.removeEventListener("click", this.clicked);
    removeEventListener("popstate", this.moved);
    this.running?.abort();
  }

  /** Show a page of this site in place. Resolves to whether it is shown softly. */
  async visit(url: string, back?: Spot): Promise<boolean> {
    this.running?.abort();
    const turn = new AbortController();
    this.running = turn;
    if (!tell("talknow:navigate", url, true)) return false;
    const from = { x: scrollX, y: scrollY };
    try {
      const { page, at } = await fetchPage(url, turn.signal);
      await show(page, turn.signal);
      this.remember(at, page.title, from, back);
      tell("talknow:navigated", at, false);
      this.options.announce(page.title);
      return true;
    } catch {
      if (!turn.signal.aborted) (this.options.leave ?? ((to) => location.assign(to)))(url);
      return false;
    }
  }

  /** The address, the title and the place to scroll to. */
  private remember(url: string, title: string, from: Spot, back: Spot | undefined): void {
    this.used = true;
    document.title = title;
    if (back === undefined) {
      history.scrollRestoration = "manual";
      history.replaceState({ ...(history.state as Place), talknow: from }, "");
      history.pushState({ talknow: { x: 0, y: 0 } } satisfies Place, "", url);
    }
    this.shown = pathOf(url);
    const target = back === undefined ? anchorOf(url) : null;
    if (target !== null) target.scrollIntoView();
    else scrollTo(back?.x ?? 0, back?.y ?? 0);
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
    if (!this.used || pathOf(location.href) === this.shown) return;
    const back = (event.state as Place | null)?.talknow ?? { x: 0, y: 0 };
    if (this.options.active()) void this.visit(location.href, back);
    else location.reload();
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

async function fetchPage(url: string, signal: AbortSignal): Promise<{ page: Document; at: string }> {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal });
  const isPage = answer.headers.get("Content-Type")?.startsWith("text/html") ?? false;
  const at = answer.url || url;
  if (!answer.ok || !isPage || new URL(at).origin !== location.origin) throw new Error("not a page of ours");
  const page = parse(await answer.text());
  const { hash } = new URL(url);
  return { page, at: hash !== "" && !at.includes("#") ? at + hash : at };
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

/** Put the page in the place of the one that is shown. */
async function show(page: Document, signal: AbortSignal): Promise<void> {
  const stale = await mergeHead(page);
  if (signal.aborted) throw new Error("another page was asked for");
  for (const name of ["lang", "dir", "class"]) {
    copyAttribute(page.documentElement, document.documentElement, name);
    copyAttribute(page.body, document.body, name);
  }
  const kept = document.querySelector(KEPT);
  for (const node of [...document.body.childNodes]) if (node !== kept) node.remove();
  const fresh = [...page.body.childNodes].filter((node) => node.nodeName.toLowerCase() !== KEPT);
  for (const node of fresh) document.body.insertBefore(document.adoptNode(node), kept);
  for (const node of stale) node.remove();
  for (const script of document.body.querySelectorAll("script")) run(script);
}

/** Add what the new head has; returns what the old one had more. Waits for style sheets, so nothing flashes. */
async function mergeHead(page: Document): Promise<Element[]> {
  const now = new Map([...document.head.children].map((node) => [keyOf(node), node]));
  const wanted = new Set<string>();
  const styles: Promise<unknown>[] = [];
  for (const node of [...page.head.children]) {
    const key = keyOf(node);
    wanted.add(key);
    if (now.has(key) || node.localName === "title") continue;
    if (node instanceof HTMLScriptElement || node.localName === "script") {
      document.head.append(copyOf(node as HTMLScriptElement));
      continue;
    }
    const added = document.adoptNode(node);
    if (added instanceof HTMLLinkElement && added.rel === "stylesheet") styles.push(loaded(added));
    document.head.append(added);
  }
  const late = new Promise((resolve) => setTimeout(resolve, STYLES_MS));
  await Promise.race([Promise.all(styles), late]);
  const leaves = (key: string, node: Element) =>
    !wanted.has(key) && node.localName !== "script" && node.localName !== "title";
  return [...now].filter(([key, node]) => leaves(key, node)).map(([, node]) => node);
}

/** What makes two elements of a head the same; addresses as they resolve. */
function keyOf(node: Element): string {
  const address = node.getAttribute("src") ?? node.getAttribute("href");
  if (address === null) return node.outerHTML;
  return `${node.localName} ${node.getAttribute("rel") ?? ""} ${new URL(address, location.href).href}`;
}

function loaded(link: HTMLLinkElement): Promise<unknown> {
  return new Promise((resolve) => {
    link.addEventListener("load", resolve, { once: true });
    link.addEventListener("error", resolve, { once: true });
  });
}

/** A parsed script does not run; a copy of it does, in its place. */
function run(script: HTMLScriptElement): void {
  script.replaceWith(copyOf(script));
}

function copyOf(script: HTMLScriptElement): HTMLScriptElement {
  const copy = document.createElement("script");
  for (const { name, value } of [...script.attributes]) if (name !== "src") copy.setAttribute(name, value);
  const source = script.getAttribute("src");
  if (source !== null) copy.src = policy().createScriptURL(new URL(source, location.href).href);
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
