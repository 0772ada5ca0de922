/** Parts of the recorder that come when they are needed. */
import { native } from "./native.ts";

/** How long to wait before a part is asked for again, and how often. */
const RETRY_MS = 1_000;
const TRIES = 4;

/** Load a part and use it; where the way there fails it is asked for again. Returns what ends it. */
export function part<T>(
  load: () => Promise<T>,
  use: (loaded: T) => void,
  failed: () => void = () => undefined,
): () => void {
  let over = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const ask = (tried: number) =>
    load().then(
      (loaded) => {
        if (!over) use(loaded);
      },
      () => {
        if (over) return;
        if (tried === TRIES) failed();
        else retry = native("setTimeout")(() => void ask(tried + 1), RETRY_MS * tried);
      },
    );
  void ask(1);
  return () => {
    over = true;
    clearTimeout(retry);
  };
}
