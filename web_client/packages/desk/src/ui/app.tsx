/** The desk on the screen: login, or top bar with list, engagement and context. */
import { useEffect } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { wish } from "../offers.ts";
import { shortcutOf } from "../shortcuts.ts";
import { Engagement } from "./engagement.tsx";
import { useChanges } from "./hooks.ts";
import { List } from "./list.tsx";
import { Login } from "./login.tsx";
import { TopBar } from "./topbar.tsx";

export function App({ desk }: { desk: Desk }) {
  useChanges(desk);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const shortcut = shortcutOf(event);
      if (shortcut !== null && desk.shortcut(shortcut)) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [desk]);
  if (desk.screen === "starting") return <p class="starting">Opening the desk…</p>;
  if (desk.screen === "login") return <Login desk={desk} />;
  return <Work desk={desk} />;
}

function Work({ desk }: { desk: Desk }) {
  const current = desk.current();
  const first = desk.offers[0]?.made;
  return (
    <div class={current ? "desk has-current" : "desk"}>
      <TopBar desk={desk} />
      <p class="visually-hidden" role="alert" data-offers={desk.offers.length}>
        {first ? `New request: ${first.visitor.name} wants to ${wish(first)}. Alt A accepts.` : ""}
      </p>
      {desk.notice !== "" && (
        <div class="notice" role="alert">
          <span>{desk.notice}</span>
          <button type="button" class="plain" onClick={() => desk.say("")}>
            Dismiss
          </button>
        </div>
      )}
      <div class="columns">
        <List desk={desk} />
        {current ? (
          <Engagement key={current.view.id} desk={desk} state={current} />
        ) : (
          <main class="empty">
            <Idle desk={desk} />
          </main>
        )}
      </div>
    </div>
  );
}

function Idle({ desk }: { desk: Desk }) {
  const [title, rest] = idleText(desk);
  return (
    <div>
      <h1>{title}</h1>
      <p>{rest}</p>
    </div>
  );
}

function idleText(desk: Desk): [string, string] {
  const ringing = desk.offers.length;
  if (ringing > 0)
    return [ringing === 1 ? "A request is ringing" : "Requests are ringing", "Alt + A accepts."];
  if (desk.list().length > 0) return ["Nothing is open", "Choose an engagement on the left."];
  return desk.availability === "ready"
    ? ["You are ready", "The next request rings here."]
    : ["Nothing rings now", "Switch to Ready to take requests."];
}
