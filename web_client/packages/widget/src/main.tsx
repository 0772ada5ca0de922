/**
 * The widget: one element with an open shadow root at the end of the body, its style sheet adopted (no inline
 * style, no style element), the UI in it. It touches nothing else of the page.
 */
import { render } from "preact";
import type { Settings, Widget } from "./settings.ts";
import { STYLES } from "./styles.ts";
import { Talk } from "./talk.ts";
import { App } from "./ui/app.tsx";

function body(): Promise<HTMLElement> {
  return new Promise((resolve) => {
    if (document.body) resolve(document.body);
    else addEventListener("DOMContentLoaded", () => resolve(document.body), { once: true });
  });
}

/** Called once by the loader. */
export async function start(settings: Settings): Promise<Widget> {
  const talk = new Talk(settings);
  const booted = talk.boot();
  const host = document.createElement("talk-now");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];
  (await body()).append(host);
  render(<App talk={talk} />, root);
  booted.catch(() => undefined);
  return {
    update: (next) => talk.update(next),
    shutdown: () => void talk.shutdown(),
    open: () => talk.open(),
    talk: () => void talk.talk(),
  };
}
