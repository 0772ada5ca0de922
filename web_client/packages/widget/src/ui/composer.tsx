/** Where the visitor writes: Enter sends, Shift+Enter breaks the line; files and emoji. */
import { MAX_TEXT_CHARS } from "@talknow/protocol";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Talk } from "../talk.ts";
import { EmojiPicker } from "./emoji.tsx";
import { Icon } from "./icons.tsx";

const TYPING_AGAIN_MS = 3_000;
const COUNTER_FROM = MAX_TEXT_CHARS - 300;

export function Composer({ talk }: { talk: Talk }) {
  const [text, setText] = useState("");
  const [picking, setPicking] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const typedAt = useRef(0);
  const length = [...text].length;
  const ready = text.trim() !== "" && length <= MAX_TEXT_CHARS;

  useEffect(() => {
    if (talk.opened > 0) box.current?.focus();
  }, [talk.opened]);
  useEffect(() => {
    // The box grows with the text up to its limit in the style sheet. Set through the CSSOM.
    const node = box.current;
    if (!node) return;
    node.style.height = "auto";
    if (text !== "") node.style.height = `${node.scrollHeight + 2}px`;
  }, [text]);

  const write = (next: string) => {
    setText(next);
    const now = Date.now();
    if (next === "") {
      talk.typing(false);
      typedAt.current = 0;
    } else if (now - typedAt.current > TYPING_AGAIN_MS) {
      typedAt.current = now;
      talk.typing(true);
    }
  };
  const send = () => {
    if (!ready) return;
    talk.send(text.trim());
    setText("");
    setPicking(false);
    typedAt.current = 0;
    box.current?.focus();
  };
  const insert = (emoji: string) => {
    const at = box.current?.selectionStart ?? text.length;
    const end = box.current?.selectionEnd ?? at;
    write(text.slice(0, at) + emoji + text.slice(end));
    setPicking(false);
    box.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {picking && <EmojiPicker onPick={insert} onClose={() => setPicking(false)} />}
      <textarea
        ref={box}
        rows={1}
        aria-label="Message"
        aria-describedby="length"
        placeholder="Write a message"
        value={text}
        onInput={({ currentTarget }) => write(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
        onPaste={(event) => {
          const file = event.clipboardData?.files[0];
          if (!file) return;
          event.preventDefault();
          void talk.attach(file);
        }}
      />
      <div class="tools">
        <button
          type="button"
          class="round"
          aria-label="Attach a file"
          onClick={() => chooser.current?.click()}
        >
          <Icon name="clip" />
        </button>
        <input
          ref={chooser}
          class="hidden"
          type="file"
          tabIndex={-1}
          aria-hidden="true"
          accept={talk.config?.file_types.join(",")}
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            if (file) void talk.attach(file);
            currentTarget.value = "";
          }}
        />
        <button
          type="button"
          class="round"
          aria-label="Emoji"
          aria-expanded={picking}
          onClick={() => setPicking(!picking)}
        >
          <Icon name="smile" />
        </button>
        <span id="length" class={length > MAX_TEXT_CHARS ? "length over" : "length"}>
          {length >= COUNTER_FROM
            ? `${length.toLocaleString("en")} / ${MAX_TEXT_CHARS.toLocaleString("en")}`
            : ""}
        </span>
        <button type="submit" class="round send" aria-label="Send" disabled={!ready}>
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}
