/** Keyboard shortcuts of the desk, by physical key: Alt types other characters on many keyboards. */
export type Shortcut = { does: "accept" } | { does: "mute" } | { does: "switch"; index: number };

export const SHORTCUTS = [
  { keys: "Alt + A", does: "Accept the request that rings" },
  { keys: "Alt + M", does: "Mute or unmute the call you look at" },
  { keys: "Alt + 1 … 9", does: "Go to the first … ninth engagement" },
  { keys: "Enter", does: "Send the message" },
  { keys: "Shift + Enter", does: "New line in the message" },
] as const;

type Key = Pick<KeyboardEvent, "altKey" | "ctrlKey" | "metaKey" | "code">;

export function shortcutOf({ altKey, ctrlKey, metaKey, code }: Key): Shortcut | null {
  if (!altKey || ctrlKey || metaKey) return null;
  if (code === "KeyA") return { does: "accept" };
  if (code === "KeyM") return { does: "mute" };
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1];
  return digit === undefined ? null : { does: "switch", index: Number(digit) - 1 };
}
