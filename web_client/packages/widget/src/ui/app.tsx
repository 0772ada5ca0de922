/** Launcher and panel: what is open, where the focus is, and the order of the parts. */
import { useEffect, useRef } from "preact/hooks";
import { fillsScreen, isLive, type Talk } from "../talk.ts";
import { position, TEXT } from "../text.ts";
import { CallBar } from "./callbar.tsx";
import { Composer } from "./composer.tsx";
import { useChanges } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { Messages } from "./messages.tsx";
import { Ledger, ShareByCode, ShareQuestion } from "./shared.tsx";
import { Suggestion } from "./suggestion.tsx";

export function App({ talk }: { talk: Talk }) {
  useChanges(talk);
  const launcher = useRef<HTMLButtonElement>(null);
  const closeAndReturn = () => {
    talk.close();
    // On a phone the launcher is hidden behind the panel until it is drawn again.
    requestAnimationFrame(() => launcher.current?.focus());
  };
  return (
    <div class={talk.isOpen ? "talk open" : "talk"}>
      <Launcher talk={talk} button={launcher} onClose={closeAndReturn} />
      {talk.isOpen && <Panel talk={talk} onClose={closeAndReturn} />}
      {!talk.isOpen && <ShareQuestion talk={talk} />}
      {!(talk.isOpen && fillsScreen()) && <Ledger talk={talk} />}
      <span class="hidden" role="status" data-announcement>
        {talk.announcement}
      </span>
    </div>
  );
}

function Launcher(props: { talk: Talk; button: { current: HTMLButtonElement | null }; onClose: () => void }) {
  const { talk, button, onClose } = props;
  const id = talk.current()?.view.id;
  const unread = id === undefined || talk.isOpen ? 0 : (talk.engagements?.unread(id) ?? 0);
  const inCall = (talk.current()?.view.call.state ?? "none") !== "none";
  return (
    <>
      <button
        ref={button}
        type="button"
        class={inCall ? "launcher in-call" : "launcher"}
        aria-label={talk.isOpen ? TEXT.close : TEXT.open}
        aria-expanded={talk.isOpen}
        onClick={() => (talk.isOpen ? onClose() : talk.open())}
      >
        <Icon name={talk.isOpen ? "down" : inCall ? "phone" : "chat"} />
        {unread > 0 && (
          <span class="badge" data-unread={unread} aria-hidden="true">
            {unread > 9 ? "9+" : unread}
          </span>
        )}
      </button>
      <span class="hidden" role="status">
        {unread > 0 ? `${unread} unread ${unread === 1 ? "message" : "messages"}` : ""}
      </span>
    </>
  );
}

function Panel({ talk, onClose }: { talk: Talk; onClose: () => void }) {
  const state = talk.current();
  const over = state !== undefined && !isLive(state);
  const panel = useRef<HTMLDivElement>(null);
  // Escape closes wherever the focus is inside; the focus itself may leave freely.
  useEffect(() => {
    const node = panel.current;
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.stopPropagation();
      onClose();
    };
    node?.addEventListener("keydown", onKey);
    return () => node?.removeEventListener("keydown", onKey);
  });
  return (
    <div class="panel" role="dialog" aria-label="Chat" ref={panel}>
      <Header talk={talk} onClose={onClose} />
      {fillsScreen() && <Ledger talk={talk} />}
      <CallBar talk={talk} />
      <LinkState talk={talk} />
      <Messages talk={talk} />
      <QueuePlace talk={talk} />
      <Suggestion talk={talk} />
      <ShareQuestion talk={talk} />
      <ShareByCode talk={talk} />
      {talk.notice !== "" && (
        <div class="notice" role="alert">
          <span>{talk.notice}</span>
          <button type="button" class="plain" onClick={() => talk.say("")}>
            Dismiss
          </button>
        </div>
      )}
      {over ? <Ended talk={talk} /> : <Composer talk={talk} />}
    </div>
  );
}

function Header({ talk, onClose }: { talk: Talk; onClose: () => void }) {
  const state = talk.current();
  const agent = state?.view.participants.find((one) => one.role !== "visitor" && one.presence !== "gone");
  const name = talk.config?.name ?? "";
  const call = state?.view.call;
  const idle = (call?.state ?? "none") === "none";
  const suggested = isLive(state) && call?.suggestion && call.suggested_by !== talk.engagements?.me;
  const label = agent?.name ?? (name || "Chat with us");
  return (
    <header>
      <div class="avatar" aria-hidden="true">
        {label.slice(0, 1).toUpperCase()}
      </div>
      <div class="who">
        <strong>{label}</strong>
        <span>{agent ? name : "We are here to help"}</span>
      </div>
      {idle && !suggested && talk.config?.voice !== false && (
        <button
          type="button"
          class="primary talk-now"
          aria-describedby="voice-wording"
          onClick={() => {
            if (state !== undefined && !isLive(state)) talk.startAgain();
            void talk.talk();
          }}
        >
          <Icon name="phone" />
          <span>{TEXT.talkNow}</span>
        </button>
      )}
      <button type="button" class="round sheet-close" aria-label={TEXT.close} onClick={onClose}>
        <Icon name="close" />
      </button>
    </header>
  );
}

function LinkState({ talk }: { talk: Talk }) {
  const state = talk.connection?.state;
  const text = state === "refused" ? TEXT.refused : state === "reconnecting" ? TEXT.reconnecting : "";
  return (
    <div class={text === "" ? "hidden" : "link-state"} role="status" data-link={state ?? "offline"}>
      {text}
    </div>
  );
}

function QueuePlace({ talk }: { talk: Talk }) {
  const state = talk.current();
  const waits = state?.view.phase === "queued" || state?.view.phase === "offered";
  const queue = state?.queue ?? null;
  let text = "";
  if (waits)
    text = queue === null ? TEXT.waiting : queue.agents === 0 ? TEXT.nobody : position(queue.position);
  return (
    <div class={text === "" ? "hidden" : "queue"} role="status" data-position={queue?.position ?? 0}>
      {text}
    </div>
  );
}

function Ended({ talk }: { talk: Talk }) {
  return (
    <div class="ended">
      <p>{TEXT.ended}</p>
      <button type="button" class="primary" onClick={() => talk.startAgain()}>
        {TEXT.startAgain}
      </button>
    </div>
  );
}
