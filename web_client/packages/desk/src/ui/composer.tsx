/** Where the agent writes: Enter sends, Shift+Enter breaks the line; files and emoji. Drafts are kept. */
import { MAX_FILE_BYTES, MAX_TEXT_CHARS } from "@talknow/protocol";
import { useEffect, useRef, useState } from "preact/hooks";
import { refusalText } from "../words.ts";
import { EmojiPicker } from "./emoji.tsx";
import type { Shown } from "./engagement.tsx";
import { useDismiss } from "./hooks.ts";
import { Icon } from "./icons.tsx";

const TYPING_AGAIN_MS = 3_000;
const COUNTER_FROM = MAX_TEXT_CHARS - 300;
const FILE_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"];

/** The code of why a file cannot be sent, or "". The server decides again, from the content. */
export function fileProblem(file: Pick<File, "size" | "type">): string {
  if (!FILE_TYPES.includes(file.type)) return "file_type_not_allowed";
  if (file.size === 0) return "file_empty";
  return file.size > MAX_FILE_BYTES ? "file_too_large" : "";
}

export function Composer({ desk, state }: Shown) {
  const engagement = state.view.id;
  const [text, setText] = useState(desk.kept.draft(engagement));
  const box = useRef<HTMLTextAreaElement>(null);
  const typedAt = useRef(0);
  const length = [...text].length;
  const ready = text.trim() !== "" && length <= MAX_TEXT_CHARS;

  useEffect(() => {
    if (matchMedia("(min-width: 820px)").matches) box.current?.focus();
  }, [engagement]);
  useEffect(() => {
    const node = box.current;
    if (node === null) return;
    node.style.height = "auto";
    node.style.height = `${node.scrollHeight + 2}px`;
  }, [text]);

  const write = (next: string) => {
    setText(next);
    desk.kept.setDraft(engagement, next);
    const now = Date.now();
    if (next === "") {
      typedAt.current = 0;
      desk.typing(engagement, false);
    } else if (now - typedAt.current > TYPING_AGAIN_MS) {
      typedAt.current = now;
      desk.typing(engagement, true);
    }
  };
  const send = () => {
    if (!ready) return;
    desk.send(engagement, text.trim());
    typedAt.current = 0;
    setText("");
    box.current?.focus();
  };
  const insert = (emoji: string) => {
    const at = box.current?.selectionStart ?? text.length;
    const end = box.current?.selectionEnd ?? at;
    write(text.slice(0, at) + emoji + text.slice(end));
    box.current?.focus();
  };
  const attach = (file: File | undefined) => {
    if (file === undefined) return;
    const problem = fileProblem(file);
    if (problem === "") void desk.sendFile(engagement, file);
    else desk.say(refusalText(problem));
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        attach(event.dataTransfer?.files[0]);
      }}
    >
      <textarea
        ref={box}
        rows={1}
        aria-label="Message"
        placeholder="Write to the customer"
        value={text}
        onInput={({ currentTarget }) => write(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
        onPaste={(event) => {
          const file = event.clipboardData?.files[0];
          if (file === undefined) return;
          event.preventDefault();
          attach(file);
        }}
      />
      <div class="composer-row">
        <AttachButton onFile={attach} />
        <EmojiButton onPick={insert} />
        <span class={length > MAX_TEXT_CHARS ? "length over" : "length"}>
          {length >= COUNTER_FROM &&
            `${length.toLocaleString("en")} of ${MAX_TEXT_CHARS.toLocaleString("en")} characters`}
        </span>
        <button type="submit" class="button small primary" aria-disabled={!ready}>
          <Icon name="send" /> Send
        </button>
      </div>
    </form>
  );
}

function AttachButton({ onFile }: { onFile: (file: File | undefined) => void }) {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class="icon-button"
        aria-label="Attach a file"
        onClick={() => chooser.current?.click()}
      >
        <Icon name="clip" />
      </button>
      <input
        ref={chooser}
        hidden
        type="file"
        accept={FILE_TYPES.join(",")}
        onChange={({ currentTarget }) => {
          onFile(currentTarget.files?.[0]);
          currentTarget.value = "";
        }}
      />
    </>
  );
}

function EmojiButton({ onPick }: { onPick: (emoji: string) => void }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useDismiss(open, root, () => setOpen(false));
  return (
    <div class="popover-root" ref={root}>
      <button
        type="button"
        class="icon-button"
        aria-label="Emoji"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="smile" />
      </button>
      {open && (
        <EmojiPicker
          onPick={(emoji) => {
            setOpen(false);
            onPick(emoji);
          }}
        />
      )}
    </div>
  );
}
