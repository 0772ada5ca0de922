/**
 * The id of this tab: minted once, kept over page changes, never shared by two tabs.
 *
 * A duplicated tab starts with a copy of sessionStorage. The page that leaves writes a mark; a page that
 * finds the mark is the successor and takes the id at once. Without it (a duplicate, or the tab crashed)
 * the Web Lock of the id decides: taken means a living tab has it, so this one mints its own.
 * Source: W3C Web Locks; HTML 'copying session storage'.
 */
import type { Store } from "./storage.ts";

const ID = "talknow:device";
const LEFT = "talknow:left";

/** What of `navigator.locks` is needed. */
export type Locks = Pick<LockManager, "request">;

/** An id as the server accepts it: letters and digits, `bytes` random bytes. */
export function mintId(prefix: string, bytes = 12): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return prefix + Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Resolve to true when the lock was free; it is then held until the page goes. */
function holdIfFree(locks: Locks, name: string, gone: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    locks
      .request(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : gone;
      })
      .catch(() => resolve(true));
  });
}

function mint(store: Store): string {
  const id = mintId("d_");
  store.setItem(ID, id);
  return id;
}

/**
 * The tab's id. Call once per page, and again when it comes back from the back/forward cache; `markLeft` must be
 * called in `pagehide`. gone: settles then, for a page that is kept must not hold the lock.
 */
export async function takeDevice(
  store: Store,
  locks: Locks | undefined,
  gone: Promise<void> = new Promise(() => {}),
): Promise<string> {
  const known = successorDevice(store);
  const successor = known !== null;
  store.removeItem(LEFT);
  let id = known ?? store.getItem(ID) ?? mint(store);
  if (locks === undefined) return id;
  if (successor) {
    // The page before may hold the lock a little longer: wait for it, but let nobody wait for us.
    locks.request(`talknow-device-${id}`, () => gone).catch(() => undefined);
    return id;
  }
  while (!(await holdIfFree(locks, `talknow-device-${id}`, gone))) id = mint(store);
  return id;
}

/** The id when this page certainly follows another of the same tab, else null. Changes nothing. */
export function successorDevice(store: Store): string | null {
  return store.getItem(LEFT) === null ? null : store.getItem(ID);
}

/** In `pagehide`: the next page of this tab takes the id over without asking. */
export function markLeft(store: Store): void {
  store.setItem(LEFT, "1");
}

/** After `pageshow` from the back/forward cache: this page lives on. */
export function unmarkLeft(store: Store): void {
  store.removeItem(LEFT);
}
