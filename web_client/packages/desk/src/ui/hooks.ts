/** Small hooks shared by the parts of the desk. */
import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";

/** Draw again whenever the object says that it changed. */
export function useChanges(source: { subscribe(fn: () => void): () => void } | undefined): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useLayoutEffect(() => {
    const stop = source?.subscribe(() => again(undefined as never));
    // What changed between the first drawing and now would otherwise never be seen.
    again(undefined as never);
    return stop;
  }, [source]);
}

/** The time now, renewed every `everyMs` while `running`. */
export function useNow(running: boolean, everyMs = 1_000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [running, everyMs]);
  return now;
}

/** Close something open when Escape is pressed or the person clicks elsewhere. */
export function useDismiss(open: boolean, root: { current: HTMLElement | null }, close: () => void): void {
  useEffect(() => {
    if (!open) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") close();
    };
    const onPointer = (event: PointerEvent) => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) close();
    };
    document.addEventListener("keydown", onKey);
    document.addEventListener("pointerdown", onPointer);
    return () => {
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("pointerdown", onPointer);
    };
  });
}
