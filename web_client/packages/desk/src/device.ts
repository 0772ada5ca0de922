/** What a browser says of itself (User-Agent), in words for an agent: "Phone (Android, Chrome)". */
const KINDS: readonly [RegExp, string][] = [
  [/iPad|Tablet|PlayBook|Silk(?!.*Mobile)|Android(?!.*Mobile)/, "Tablet"],
  [/Mobi|iPhone|iPod|Android/, "Phone"],
];
const SYSTEMS: readonly [RegExp, string][] = [
  [/iPad|iPhone|iPod/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/CrOS/, "ChromeOS"],
  [/Mac OS X|Macintosh/, "macOS"],
  [/Linux|X11/, "Linux"],
];
/** The first that fits: nearly every browser also names those it came from. */
const BROWSERS: readonly [RegExp, string][] = [
  [/Edg(?:e|A|iOS)?\//, "Edge"],
  [/OPR\/|Opera/, "Opera"],
  [/SamsungBrowser/, "Samsung Internet"],
  [/Firefox|FxiOS/, "Firefox"],
  [/Chrome|CriOS|Chromium/, "Chrome"],
  [/Safari/, "Safari"],
];

/** touch: fingers are its first pointer; a Mac with fingers is an iPad that says it is none. */
export function deviceInWords(userAgent: string, touch: boolean): string {
  const first = (list: readonly [RegExp, string][]) => list.find(([sign]) => sign.test(userAgent))?.[1];
  const hidden = touch && /Macintosh/.test(userAgent);
  const kind = hidden ? "Tablet" : (first(KINDS) ?? "Computer");
  const known = [hidden ? "iOS" : first(SYSTEMS), first(BROWSERS)].filter((name) => name !== undefined);
  return known.length === 0 ? kind : `${kind} (${known.join(", ")})`;
}
