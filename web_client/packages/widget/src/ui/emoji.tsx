/** A small picker: the emoji people use with a company. Arrow keys move, Enter picks, Escape closes. */
import { useEffect, useRef } from "preact/hooks";

const EMOJI: readonly (readonly [string, string])[] = [
  ["🙂", "smile"],
  ["😀", "grin"],
  ["😄", "laugh"],
  ["😊", "blush"],
  ["😉", "wink"],
  ["😍", "heart eyes"],
  ["🤩", "star eyes"],
  ["😎", "cool"],
  ["🤔", "thinking"],
  ["😐", "neutral"],
  ["🙄", "eye roll"],
  ["😕", "confused"],
  ["😟", "worried"],
  ["😢", "sad"],
  ["😭", "crying"],
  ["😠", "angry"],
  ["😱", "shocked"],
  ["😅", "relieved laugh"],
  ["😴", "sleepy"],
  ["🤒", "ill"],
  ["👍", "thumbs up"],
  ["👎", "thumbs down"],
  ["👌", "okay"],
  ["🙏", "thank you"],
  ["👏", "applause"],
  ["🤝", "handshake"],
  ["👋", "hello"],
  ["💪", "strong"],
  ["❤️", "heart"],
  ["🎉", "party"],
  ["✅", "done"],
  ["❌", "no"],
  ["⚠️", "careful"],
  ["❓", "question"],
  ["❗", "important"],
  ["💡", "idea"],
  ["📞", "telephone"],
  ["📄", "document"],
  ["💳", "card"],
  ["🏠", "house"],
  ["🚗", "car"],
  ["⏰", "alarm clock"],
];
const COLUMNS = 7;
const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS };

export function EmojiPicker({ onPick, onClose }: { onPick: (emoji: string) => void; onClose: () => void }) {
  const grid = useRef<HTMLFieldSetElement>(null);
  const buttons = () => [...(grid.current?.querySelectorAll("button") ?? [])];
  useEffect(() => buttons()[0]?.focus(), []);
  return (
    <fieldset
      class="emoji"
      aria-label="Choose a symbol"
      ref={grid}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.preventDefault();
          event.stopPropagation();
          onClose();
          return;
        }
        const step = STEPS[event.key];
        if (step === undefined) return;
        event.preventDefault();
        const all = buttons();
        const at = all.indexOf(event.target as HTMLButtonElement);
        all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
      }}
    >
      {EMOJI.map(([emoji, name]) => (
        <button type="button" key={name} aria-label={name} onClick={() => onPick(emoji)}>
          {emoji}
        </button>
      ))}
    </fieldset>
  );
}
