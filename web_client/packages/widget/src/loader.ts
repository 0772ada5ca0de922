/**
 * talknow.js, the one line on a company's page: the verbs, and when to load what.
 *
 * It must stay below 5 kB, set no global but `TalkNow`, and never throw into the page. During a call the
 * call code is fetched before anything else. Source: docs/embed.md.
 */
import { type Begun, begin } from "@talknow/client/answer";
import type { Early } from "@talknow/client/call";
import { successorDevice } from "@talknow/client/device";
import { openStore } from "@talknow/client/storage";
import { readCalls } from "@talknow/client/ticket";
import { VOICE } from "@talknow/client/voice";
import { remember } from "./early.ts";
import type { Settings, Widget } from "./settings.ts";

declare const __WIDGET__: readonly string[];
declare const __CALL__: readonly string[];

type Listener = (detail: unknown) => void;
type Verb = (...args: unknown[]) => void;
interface TalkNowFunction {
  (...args: unknown[]): void;
  q?: ArrayLike<unknown>[];
  loaded?: boolean;
}

const script = document.currentScript as HTMLScriptElement | null;
const page = window as unknown as { TalkNow?: TalkNowFunction };

function run(source: string, data: DOMStringMap): void {
  const server = new URL(source).origin;
  const listeners = new Map<string, Set<Listener>>();
  const settings: Settings = {
    server,
    site: data.site ?? "",
    token: data.token ?? null,
    softNavigation: "softNavigation" in data,
    emit,
    open: "open" in data,
  };
  let widget: Promise<Widget> | null = null;
  /** In a call nothing else runs until the voice is back, or has taken too long. */
  let voice: Promise<unknown> = Promise.resolve();

  function emit(name: string, detail: unknown): void {
    for (const fn of listeners.get(name) ?? []) {
      try {
        fn(detail);
      } catch (error) {
        reportError(error);
      }
    }
  }

  const load = <T>(files: readonly string[]): Promise<T> => {
    const urls = files.map((file) => new URL(file, source).href);
    const all = urls.map((url) => import(/* @vite-ignore */ url));
    return Promise.all(all).then((modules) => modules[0] as T);
  };

  const start = (): Promise<Widget> => {
    widget ??= voice
      .then(() => load<{ start(settings: Settings): Promise<Widget> }>(__WIDGET__))
      .then((module) => module.start(settings))
      .catch((error: unknown) => {
        widget = null;
        emit("error", { code: "unreachable" });
        throw error;
      });
    return widget;
  };
  const ask = (fn: (widget: Widget) => void): void => {
    if (settings.site !== "") start().then(fn, () => undefined);
  };

  const configure: Verb = (given) => {
    const { site, token, softNavigation } = (given ?? {}) as Partial<Settings>;
    if (site !== undefined) settings.site = String(site);
    if (softNavigation !== undefined) settings.softNavigation = Boolean(softNavigation);
    if (token !== undefined) settings.token = token === null ? null : String(token);
    ask((one) => one.update(settings));
  };
  const verbs: Record<string, Verb> = {
    boot: configure,
    update: configure,
    shutdown: () => {
      settings.token = null;
      ask((one) => one.shutdown());
    },
    open: () => ask((one) => one.open()),
    talk: () => ask((one) => one.talk()),
    on: (name, fn) => {
      const set = listeners.get(String(name)) ?? new Set();
      listeners.set(String(name), set.add(fn as Listener));
    },
    off: (name, fn) => void listeners.get(String(name))?.delete(fn as Listener),
  };

  const queued = page.TalkNow?.q ?? [];
  const TalkNow: TalkNowFunction = (...args) => verbs[String(args[0])]?.(...args.slice(1));
  TalkNow.loaded = true;
  page.TalkNow = TalkNow;

  remember();
  if (left("talknow:call")) {
    performance.mark("talknow:script");
    const early: Early = { microphone: microphone(), path: path() };
    voice = load<{ resume(settings: Settings, early: Early): unknown }>(__CALL__).then(
      (module) => module.resume(settings, early),
      () => early.path?.peer.close(),
    );
    ask(() => undefined);
  } else if (left("talknow:cobrowse")) {
    ask(() => undefined);
  }
  for (const args of queued) TalkNow(...Array.from(args));
  whenIdle(() => ask(() => undefined));
}

/** This tab was in a call, or shared, when its last page went. */
function left(key: string): boolean {
  try {
    return sessionStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}

/** Opening it takes longest: it is asked for before the code that uses it is there */
function microphone(): Promise<MediaStream> | undefined {
  const early = navigator.mediaDevices?.getUserMedia({ audio: VOICE });
  early?.catch(() => undefined);
  return early;
}

/** So is the answer to the ticket that the page before left, when it certainly left it to this one. */
function path(): Begun | undefined {
  const store = openStore("sessionStorage");
  const device = successorDevice(store);
  const ticket = device === null ? null : readCalls(store, device).at(-1)?.ticket;
  try {
    return ticket ? begin(ticket) : undefined;
  } catch (error) {
    reportError(error);
    return undefined;
  }
}

function whenIdle(fn: () => void): void {
  const idle = window.requestIdleCallback ?? ((later: () => void) => setTimeout(later, 200));
  if (document.readyState === "complete") idle(fn);
  else addEventListener("load", () => idle(fn), { once: true });
}

if (script?.src && !(page.TalkNow && !page.TalkNow.q && "loaded" in page.TalkNow))
  run(script.src, script.dataset);
