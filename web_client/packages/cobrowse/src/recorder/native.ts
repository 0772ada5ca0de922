/**
 * The browser's own function or class where zone.js (Angular) has put its own in its place: what is begun by theirs
 * inside the app's zone makes the app compare everything once more. Source: zone.js, `Zone.__symbol__`.
 */
type Patched = { [name: string]: unknown };
type Names = keyof (typeof globalThis & EventTarget);

export function native<Name extends Names>(
  name: Name,
  home: EventTarget = window,
): (typeof globalThis & EventTarget)[Name] {
  const { Zone } = window as { Zone?: { __symbol__?: (name: string) => string } };
  const theirs = home as unknown as Patched;
  const kept = Zone?.__symbol__ && theirs[Zone.__symbol__(name)];
  return (kept ?? theirs[name]) as (typeof globalThis & EventTarget)[Name];
}
