/** A small set of emoji that fit customer service, each with a name for screen readers. */
const EMOJI = [
  ["🙂", "Smile"],
  ["😀", "Grin"],
  ["😊", "Warm smile"],
  ["😉", "Wink"],
  ["👍", "Thumbs up"],
  ["👋", "Wave"],
  ["🙏", "Thank you"],
  ["👏", "Applause"],
  ["✅", "Check mark"],
  ["🎉", "Party"],
  ["❤️", "Heart"],
  ["🤝", "Handshake"],
  ["🤔", "Thinking"],
  ["😅", "Relief"],
  ["🙁", "Sorry"],
  ["⏳", "One moment"],
  ["📎", "Paper clip"],
  ["📄", "Document"],
  ["📞", "Telephone"],
  ["🏠", "House"],
] as const;

export function EmojiPicker({ onPick }: { onPick: (emoji: string) => void }) {
  return (
    <section class="popover emoji" aria-label="Choose an emoji">
      {EMOJI.map(([emoji, name]) => (
        <button key={name} type="button" aria-label={name} onClick={() => onPick(emoji)}>
          {emoji}
        </button>
      ))}
    </section>
  );
}
