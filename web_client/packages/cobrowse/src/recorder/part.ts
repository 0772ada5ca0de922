/** Parts of the recorder that come when they are needed. */
import { native } from "./native.ts";

/** How long to wait before a part is asked for again, and how often. */
const RETRY_MS = 1_000;
const TRIES = 4;

/** Load a part and use it; where the way there fails it is asked for again. Returns what ends it. */
export function part<T>(load: () => Promise<T>, use: (loaded: T) => void, failed?: () => void): () => void {
  let tried = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const ask = () => {
    tried += 1;
    load().then(
      (loaded) => tried <= TRIES && use(loaded),
      () => {
        if (tried < TRIES) retry = native("setTimeout")(ask, RETRY_MS * tried);
        else if (tried === TRIES) failed?.();
      },
    );
  };
  ask();
  return () => {
    tried = TRIES + 1;
    clearTimeout(retry);
  };
}
