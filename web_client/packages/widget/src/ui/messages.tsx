/** The timeline as the visitor reads it: bubbles, files, and short lines for what happened. */
import type { PendingMessage } from "@talknow/client";
import type { MessageItem, TimelineItem } from "@talknow/protocol";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Talk } from "../talk.ts";
import { TEXT } from "../text.ts";
import { FileView } from "./files.tsx";
import { duration, timeOfDay } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { linkify } from "./linkify.tsx";

const NEAR_END_PX = 80;

export function Messages({ talk }: { talk: Talk }) {
  const state = talk.current();
  const store = talk.engagements;
  const me = store?.me ?? "";
  const list = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const height = useRef(0);
  const items = state?.items ?? [];
  const sent = new Set(
    items.flatMap((item) => (item.kind === "message" ? [`${item.device}/${item.counter}`] : [])),
  );
  const device = talk.connection?.device ?? "";
  const waiting = [...(state ? (store?.pending(state.view.id) ?? []) : []), ...firstWords(talk)].filter(
    (one) => !sent.has(`${device}/${one.counter}`),
  );
  const marks = state && store ? store.othersMarks(state.view.id) : { delivered: 0, read: 0 };
  const typing = [...(state?.typing ?? [])].filter((one) => one !== me);

  useLayoutEffect(() => {
    const node = list.current;
    if (node && stick.current) node.scrollTop = node.scrollHeight;
  }, [items.length, waiting.length, typing.length]);
  useEffect(() => {
    // The panel grows and shrinks (keyboard of a phone, call bar): stay at the newest message.
    const node = list.current;
    if (!node) return;
    const observer = new ResizeObserver(() => {
      if (stick.current) node.scrollTop = node.scrollHeight;
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);

  return (
    <div
      class="messages"
      role="log"
      aria-live="polite"
      aria-label="Messages"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      ref={list}
      onScroll={({ currentTarget: node }) => {
        // A scroll that comes with another height is not the reader's.
        if (node.clientHeight === height.current)
          stick.current = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_END_PX;
        height.current = node.clientHeight;
      }}
    >
      {state?.truncated && (
        <button
          type="button"
          class="plain older"
          onClick={() => void store?.loadOlder(state.view.id, talk.api).catch(() => undefined)}
        >
          Show earlier messages
        </button>
      )}
      <div class="bubble theirs greeting">{talk.config?.greeting ?? "Hello! How can we help?"}</div>
      {items.map((item) =>
        item.kind === "message" ? (
          <Bubble key={`${item.seq}`} talk={talk} item={item} mine={item.by === me} marks={marks} />
        ) : (
          <Happening key={`${item.seq}/${item.kind}`} item={item} me={me} />
        ),
      )}
      {waiting.map((one) => (
        <div class="bubble mine waiting" key={`p${one.counter}`}>
          {one.file === null ? one.text : "File"}
          <span class="meta">
            <Icon name="clock" />
            <span class="hidden">Sending</span>
          </span>
        </div>
      ))}
      {typing.length > 0 && (
        <div class="typing">
          <i />
          <i />
          <i />
          <span class="hidden">is typing</span>
        </div>
      )}
    </div>
  );
}

/** Sent before there was an engagement. */
function firstWords(talk: Talk): PendingMessage[] {
  return talk.engagements?.pending(null) ?? [];
}

interface BubbleProps {
  talk: Talk;
  item: MessageItem;
  mine: boolean;
  marks: { delivered: number; read: number };
}

function Bubble({ talk, item, mine, marks }: BubbleProps) {
  const status = item.seq <= marks.read ? "Read" : item.seq <= marks.delivered ? "Delivered" : "Sent";
  return (
    <div class={mine ? "bubble mine" : "bubble theirs"} data-seq={item.seq}>
      {item.file && <FileView api={talk.api} file={item.file} />}
      {item.text !== "" && <span class="text">{linkify(item.text)}</span>}
      <span class="meta">
        <time dateTime={new Date(item.at_ms).toISOString()}>{timeOfDay(item.at_ms)}</time>
        {mine && (
          <span class={`status ${status.toLowerCase()}`} data-status={status.toLowerCase()} title={status}>
            <Icon name={status === "Sent" ? "check" : "checks"} />
            <span class="hidden">{status}</span>
          </span>
        )}
      </span>
    </div>
  );
}

function Happening({ item, me }: { item: TimelineItem; me: string }) {
  const text = describe(item, me);
  return text === "" ? null : (
    <div class="happening">
      {text} <span aria-hidden="true">·</span>{" "}
      <time dateTime={new Date(item.at_ms).toISOString()}>{timeOfDay(item.at_ms)}</time>
    </div>
  );
}

/** One line for what happened, "" when the visitor need not read of it. */
export function describe(item: TimelineItem, me: string): string {
  switch (item.kind) {
    case "joined":
      return item.by === me ? "" : `${item.name} joined`;
    case "left":
      return item.by === me ? "" : `${item.name} left`;
    case "call":
      return describeCall(item.what, item.duration_ms, item.by === me);
    case "video":
      return describeShown(item.media, item.on, item.by === me);
    case "cobrowse":
      return describeShared(item, item.by === me);
    case "phase":
      return item.phase === "ended" && item.reason === "abandoned" ? "Nobody was there any more" : "";
    default:
      return "";
  }
}

function describeShown(media: string | undefined, on: boolean, mine: boolean): string {
  const who = mine ? "You" : "The agent";
  if (media === "screen") return on ? `${who} shared the screen` : `${who} stopped sharing the screen`;
  return `${who} turned the camera ${on ? "on" : "off"}`;
}

/** The receipts of what this person allowed, and who looked. */
function describeShared(item: Extract<TimelineItem, { kind: "cobrowse" }>, mine: boolean): string {
  const allowed = `${TEXT.capabilities[item.capability]}${item.kinds.map((kind) => `, ${TEXT.kinds[kind]}`).join("")}`;
  switch (item.what) {
    case "started":
    case "code_issued":
    case "granted":
      return `You allowed: ${allowed}${item.expires_ms === 0 ? "" : ` until ${timeOfDay(item.expires_ms)}`}`;
    case "revoked":
    case "expired":
      return `No longer allowed: ${allowed}`;
    case "declined":
      return mine ? `You did not allow: ${allowed}` : "";
    case "paused":
      return "You paused sharing";
    case "resumed":
      return "Sharing went on";
    case "stopped":
      return mine ? "You stopped sharing" : "Sharing ended";
    case "viewer_joined":
      return `${item.name} looks at the shared page`;
    case "viewer_left":
      return `${item.name} looks no longer`;
    default:
      return "";
  }
}

function describeCall(what: string, durationMs: number, mine: boolean): string {
  if (what === "connected") return "Call started";
  if (what === "ended") return durationMs > 0 ? `Call ended, ${duration(durationMs)}` : "Call ended";
  if (what === "declined") return mine ? "You declined the call" : "The call was declined";
  if (what === "suggested") return mine ? "" : "The agent suggested to talk";
  if (what === "held") return "You were put on hold";
  if (what === "resumed") return "The call goes on";
  return "";
}
