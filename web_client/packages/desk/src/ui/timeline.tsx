/** The timeline: messages with their marks, and one line for everything else that happened. */
import type { EngagementState, PendingMessage } from "@talknow/client";
import type { MessageItem, TimelineItem } from "@talknow/protocol";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { partsOf } from "../links.ts";
import { clock, lineOf, visitorIn } from "../words.ts";
import type { Shown } from "./engagement.tsx";
import { FileView } from "./files.tsx";
import { Icon, type IconName } from "./icons.tsx";

const NEAR_END_PX = 120;

/** Names by participant: those who are in it, and those who were. */
function namesIn(state: EngagementState): Map<string, string> {
  const names = new Map<string, string>();
  for (const item of state.items) if (item.kind === "joined") names.set(item.by, item.name);
  for (const { id, name } of state.view.participants) names.set(id, name);
  return names;
}

export function Timeline({ desk, state }: Shown) {
  const { view, items } = state;
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const height = useRef(0);
  const pending = desk.engagements?.pending(view.id) ?? [];
  const marks = desk.engagements?.othersMarks(view.id) ?? { delivered: 0, read: 0 };
  const names = namesIn(state);
  const typing = [...state.typing].some((who) => who !== desk.me);
  const size = items.length + pending.length + (typing ? 1 : 0);
  useLayoutEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [size]);
  useEffect(() => {
    // Other parts (call bar, pictures) change the height: stay at the end then, too.
    const node = box.current;
    if (node === null || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) node.scrollTop = node.scrollHeight;
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  return (
    <div
      class="timeline"
      ref={box}
      role="log"
      aria-label="Timeline"
      // A region that scrolls must be reachable by keyboard.
      // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        // A scroll that comes with another height is not the reader's.
        if (clientHeight === height.current)
          atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        height.current = clientHeight;
      }}
    >
      {state.truncated && (
        <button
          type="button"
          class="button small quiet older"
          onClick={() => desk.attempt(desk.engagements?.loadOlder(view.id, desk.api))}
        >
          Show earlier
        </button>
      )}
      {items.map((item) =>
        item.kind === "message" ? (
          <Message key={item.seq} desk={desk} item={item} mine={item.by === desk.me} marks={marks} />
        ) : (
          <Line
            key={`${item.seq}${item.kind}`}
            item={item}
            who={item.kind === "phase" ? "" : nameOf(names, item.by, desk.me)}
          />
        ),
      )}
      {pending.map((message) => (
        <Waiting key={message.counter} message={message} />
      ))}
      {typing && <p class="typing">{`${visitorIn(view)?.name ?? "Visitor"} is writing…`}</p>}
    </div>
  );
}

function nameOf(names: Map<string, string>, who: string, me: string): string {
  return who === me ? "You" : (names.get(who) ?? "");
}

interface MessageProps {
  desk: Shown["desk"];
  item: MessageItem;
  mine: boolean;
  marks: { delivered: number; read: number };
}

function Message({ desk, item, mine, marks }: MessageProps) {
  const status = item.seq <= marks.read ? "Read" : item.seq <= marks.delivered ? "Delivered" : "Sent";
  return (
    <div class={mine ? "message mine" : "message theirs"} data-seq={item.seq}>
      {item.file && <FileView api={desk.api} file={item.file} />}
      {item.text !== "" && <p class="bubble">{withLinks(item.text)}</p>}
      <p class="message-meta">
        {clock(item.at_ms)}
        {mine && <span class={`status ${status.toLowerCase()}`}>{status}</span>}
      </p>
    </div>
  );
}

function withLinks(text: string) {
  return partsOf(text).map((part, index) =>
    part.href === "" ? (
      part.text
    ) : (
      <a key={`${index}${part.href}`} href={part.href} target="_blank" rel="noopener noreferrer nofollow">
        {part.text}
      </a>
    ),
  );
}

function Waiting({ message }: { message: PendingMessage }) {
  return (
    <div class="message mine waiting" data-pending={message.counter}>
      <p class="bubble">{message.file === null ? message.text : "Sending a file"}</p>
      <p class="message-meta">
        <span class="status">Sending</span>
      </p>
    </div>
  );
}

const LINE_ICONS: Partial<Record<TimelineItem["kind"], IconName>> = {
  call: "phone",
  video: "camera",
  consent: "check",
  page: "page",
  note: "file",
};

function Line({ item, who }: { item: Exclude<TimelineItem, MessageItem>; who: string }) {
  const text = lineOf(item, who);
  if (text === "") return null;
  const icon = LINE_ICONS[item.kind];
  return (
    <p class={item.kind === "note" ? "line is-note" : "line"} data-kind={item.kind}>
      {icon && <Icon name={icon} />}
      <span>{text}</span>
      <span class="line-time">{clock(item.at_ms)}</span>
    </p>
  );
}
