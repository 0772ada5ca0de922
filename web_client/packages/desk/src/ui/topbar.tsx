/** The bar on top: who works here, availability, connection, how full it is, help and log out. */
import type { LinkState } from "@talknow/client";
import { useRef, useState } from "preact/hooks";
import type { Choice, Desk } from "../desk.ts";
import { SHORTCUTS } from "../shortcuts.ts";
import { useDismiss } from "./hooks.ts";
import { Icon } from "./icons.tsx";

const CHOICES: readonly { value: Choice; label: string }[] = [
  { value: "ready", label: "Ready" },
  { value: "busy", label: "Busy" },
  { value: "break", label: "Break" },
];

const LINKS: Record<LinkState, string> = {
  offline: "Offline",
  connecting: "Connecting",
  online: "Connected",
  reconnecting: "Reconnecting",
  refused: "Not connected",
};

export function Brand() {
  return (
    <span class="brand">
      <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
        <rect class="brand-ground" width="32" height="32" rx="9" />
        <path class="brand-bubble" d="M7 8.5h18v12h-10l-5 4v-4H7z" />
        <path class="brand-wave" d="M12 13v3M16 11.5v6M20 13v3" />
      </svg>
      Talk Now
    </span>
  );
}

export function TopBar({ desk }: { desk: Desk }) {
  const link = desk.connection?.state ?? "offline";
  return (
    <header class="topbar">
      <Brand />
      <div class="availability" role="radiogroup" aria-label="Availability">
        {CHOICES.map(({ value, label }) => (
          <label key={value} class={`choice ${value}`}>
            <input
              type="radio"
              name="availability"
              value={value}
              checked={desk.availability === value}
              onChange={() => desk.setAvailability(value)}
            />
            <span>{label}</span>
          </label>
        ))}
      </div>
      <dl class="figures">
        <div>
          <dt>Open</dt>
          <dd data-load={desk.load}>{`${desk.load} of ${desk.capacity}`}</dd>
        </div>
        <div>
          <dt>Waiting</dt>
          <dd class={desk.waiting > 0 ? "some" : ""} data-waiting={desk.waiting}>
            {desk.waiting}
          </dd>
        </div>
      </dl>
      <span class={`link ${link}`} role="status" data-link={link}>
        {LINKS[link]}
      </span>
      <div class="topbar-end">
        <NotificationButton desk={desk} />
        <Help />
        <span class="agent-name">{desk.agent?.name}</span>
        <button type="button" class="icon-button" aria-label="Log out" onClick={() => void desk.logout()}>
          <Icon name="out" />
        </button>
      </div>
    </header>
  );
}

function NotificationButton({ desk }: { desk: Desk }) {
  const [state, setState] = useState(desk.alerts.permission);
  if (state !== "default") return null;
  return (
    <button
      type="button"
      class="button small quiet"
      onClick={() => void desk.alerts.ask().then(setState, () => undefined)}
    >
      <Icon name="bell" />
      <span class="wide-only">Turn on notifications</span>
      <span class="narrow-only visually-hidden">Notifications</span>
    </button>
  );
}

function Help() {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useDismiss(open, root, () => setOpen(false));
  return (
    <div class="popover-root" ref={root}>
      <button
        type="button"
        class="icon-button"
        aria-label="Keyboard shortcuts"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="help" />
      </button>
      {open && (
        <section class="popover shortcuts" aria-label="Keyboard shortcuts">
          <dl>
            {SHORTCUTS.map(({ keys, does }) => (
              <div key={keys}>
                <dt>
                  <kbd>{keys}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
    </div>
  );
}
