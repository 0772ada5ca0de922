/**
 * Entry of the viewer's own page: makes the inner frame, and does what the softphone that holds us says.
 *
 * It has no socket and no credential. Messages are believed from the window that holds us only; the server's headers
 * say which origin that may be. Source: docs/cobrowse.md, "the viewer".
 */
import type { FromViewer, ToViewer } from "./messages.ts";
import { Screen } from "./screen.ts";

function say(message: FromViewer): void {
  parent.postMessage(message, "*");
}

function obey(screen: Screen, message: ToViewer): void {
  const { overlay } = screen;
  switch (message.kind) {
    case "frame":
      screen.apply(message.bytes);
      break;
    case "welcome":
      if (/^\/a\/[\w-]+\/$/.test(message.base)) screen.welcome(message.base, message.who);
      break;
    case "state":
      screen.setState(message.state);
      break;
    case "tool":
      screen.setTool(message.tool);
      break;
    case "zoom":
      screen.setZoom(message.zoom);
      break;
    case "follow":
      screen.setFollow(message.follow);
      break;
    case "pointing":
      overlay.show(message.said, message.name);
      break;
    case "gone":
      if (message.who === null) overlay.clear();
      else overlay.gone(message.who);
      break;
    default:
      message satisfies never;
  }
}

function start(): void {
  const page = document.getElementById("page") as HTMLElement;
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-same-origin");
  frame.title = "The customer's page";
  frame.tabIndex = -1;
  // It scrolls by script only: a frame that a hand can scroll is painted for thousands of pixels around, at every change.
  frame.scrolling = "no";
  frame.src = "/inner.html";
  frame.addEventListener(
    "load",
    () => {
      const screen = new Screen(document.getElementById("screen") as HTMLElement, page, frame, say);
      addEventListener("message", (event: MessageEvent<ToViewer>) => {
        if (event.source === parent) obey(screen, event.data);
      });
      say({ kind: "ready" });
    },
    { once: true },
  );
  page.append(frame);
}

start();
