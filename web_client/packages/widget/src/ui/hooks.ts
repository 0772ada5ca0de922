/** Small hooks shared by the parts of the panel. */
import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";

/** Draw again whenever the object says that it changed, and once for what changed since the first drawing. */
export function useChanges(source: { subscribe(fn: () => void): () => void } | undefined | null): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useLayoutEffect(() => {
    if (!source) return;
    const stop = source.subscribe(() => again(undefined as never));
    again(undefined as never);
    return stop;
  }, [source]);
}

/** The time now, once a second while `running`. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

/** 65000 -> "1:05". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
