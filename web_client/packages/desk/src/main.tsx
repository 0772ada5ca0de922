/** Entry of the softphone: takes the tab's device id, makes the desk and draws it. */
import { markLeft, openStore, takeDevice, unmarkLeft } from "@talknow/client";
import { render } from "preact";
import { Desk } from "./desk.ts";
import "./styles/base.css";
import "./styles/topbar.css";
import "./styles/list.css";
import "./styles/engagement.css";
import "./styles/panels.css";
import "./styles/people.css";
import "./styles/sharedpage.css";
import "./styles/narrow.css";
import { App } from "./ui/app.tsx";

async function main(): Promise<void> {
  const store = openStore("sessionStorage");
  const device = await takeDevice(store, navigator.locks);
  addEventListener("pagehide", () => markLeft(store));
  addEventListener("pageshow", (event) => {
    if (event.persisted) unmarkLeft(store);
  });
  const desk = new Desk({ server: location.origin, store, device });
  const root = document.getElementById("desk");
  if (root) render(<App desk={desk} />, root);
  await desk.start();
}

void main();
