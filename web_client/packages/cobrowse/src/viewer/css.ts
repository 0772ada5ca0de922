/**
 * CSS of a recorded page made fit for this browser: it asks nobody for anything, and what it asks about the device is
 * answered as on the visitor's.
 *
 * Read token by token, as browsers do, so that no escape, comment or broken string spells an address past us, and a
 * class such as `w-[calc(100%-1rem)]` keeps its escapes. Nearly every style attribute has none of the words that
 * matter and is handed back as it is. Source: W3C CSS Syntax level 3, "tokenization"; docs/cobrowse.md, "The viewer".
 */
const MATTERS =
  /[\\@]|url|src|image-set|element|paint|expression|binding|behavior|\/\*|color-scheme|:defined/i;
const PLAIN_NAME = /[-_a-z\u0080-\uffff][-\w\u0080-\uffff]*/iy;
const MORE_NAME = /[-\w\u0080-\uffff]+/y;
const NUMBER = /\.?\d[\d.]*/y;
const SPACES = /[ \t\n]*/y;
const ESCAPE = /\\(?:([0-9a-f]{1,6})[ \t\n]?|([^\n0-9a-f]))/iy;
const COLOR_SCHEME = /\s*:\s*([^;}!]*)/y;
/** Functions that are addresses, that hold addresses as strings, and that no page of today needs. */
const ADDRESSES = new Set(["url", "src"]);
const SETS = /^(?:-webkit-)?image-set$/;
const GONE = new Set(["expression", "paint", "element", "-moz-element"]);
const GONE_STATEMENTS = new Set(["import", "charset", "namespace"]);
const NOT_ADDRESS = "none-of";
const FEATURE =
  /\(\s*(prefers-color-scheme|prefers-reduced-motion|(?:any-)?(?:hover|pointer))\s*(?::\s*([a-z-]+)\s*)?\)/gi;
const ASKS_DEVICE = /prefers-|hover|pointer|device-/i;

/** What style sheets may ask about the visitor's device that is not the size of the page. */
export interface Device {
  dark: boolean;
  touch: boolean;
  calm: boolean;
}

export const DESK: Device = { dark: false, touch: false, calm: false };

/** A media query as the visitor's browser would answer it. */
export function mediaFor(query: string, device: Device): string {
  if (!ASKS_DEVICE.test(query)) return query;
  return query
    .replace(FEATURE, (_, name: string, value?: string) =>
      holds(name.toLowerCase(), value?.toLowerCase(), device) ? "(min-width:0)" : "(max-width:0)",
    )
    .replace(/\b((?:min|max)-)?device-(width|height)\b/gi, "$1$2");
}

function holds(name: string, value: string | undefined, { dark, touch, calm }: Device): boolean {
  if (name === "prefers-color-scheme") return value === (dark ? "dark" : "light");
  if (name === "prefers-reduced-motion") return (value ?? "reduce") === (calm ? "reduce" : "no-preference");
  if (name.endsWith("hover")) return (value ?? "hover") === (touch ? "none" : "hover");
  return value === undefined || value === (touch ? "coarse" : "fine");
}

/** `address`: the word for what stands in `url()`: an address of ours, `#fragment`, or "" for nothing. */
export function safeCss(text: string, address: (name: string) => string, device: Device): string {
  return MATTERS.test(text) ? new Cleaner(text, address, device).run() : text;
}

class Cleaner {
  private at = 0;
  private out = "";
  /** Open brackets; true: strings in it are addresses. */
  private readonly open: boolean[] = [];

  private readonly text: string;

  constructor(
    text: string,
    private readonly address: (name: string) => string,
    private readonly device: Device,
  ) {
    this.text = text.replace(/\r\n?|\f/g, "\n");
  }

  run(): string {
    const { text } = this;
    while (this.at < text.length) this.token(text[this.at] as string);
    return this.out;
  }

  private token(first: string): void {
    if (first === '"' || first === "'") this.string(first);
    else if (first === "/" && this.text[this.at + 1] === "*") this.comment();
    else if (first === "@") this.statement();
    else if (first === "#") {
      this.copy(1);
      this.out += this.name()[0];
    } else if (this.take(NUMBER)) return;
    else if (!this.word()) {
      if (first === "(") this.open.push(false);
      if (first === ")") this.open.pop();
      this.copy(1);
    }
  }

  private copy(count: number): void {
    this.out += this.text.slice(this.at, this.at + count);
    this.at += count;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text);
  }

  private take(pattern: RegExp): boolean {
    const found = this.match(pattern);
    if (found === null || found[0] === "") return false;
    this.copy(found[0].length);
    return true;
  }

  private comment(): void {
    const end = this.text.indexOf("*/", this.at + 2);
    this.at = end < 0 ? this.text.length : end + 2;
    this.out += "/**/";
  }

  /** A name as it is written, and what it spells; ["", ""] where none begins. */
  private name(): readonly [raw: string, spelled: string] {
    let raw = "";
    let spelled = "";
    for (;;) {
      const plain = this.match(raw === "" ? PLAIN_NAME : MORE_NAME);
      const piece = plain ?? this.match(ESCAPE);
      if (piece === null) return [raw, spelled];
      raw += piece[0];
      spelled += plain === null ? unescaped(piece) : piece[0];
      this.at += piece[0].length;
    }
  }

  private word(): boolean {
    const [raw, spelled] = this.name();
    if (raw === "") return false;
    const lower = spelled.toLowerCase();
    if (this.text[this.at] === "(") this.function(raw, lower);
    else if (lower === "behavior" || lower === "-moz-binding") this.out += "none";
    else if (lower === "defined" && /[^:]:$/.test(this.out)) this.out += "not(.tn-never)";
    else {
      this.out += raw;
      if (lower === "color-scheme") this.scheme();
    }
    return true;
  }

  private function(raw: string, lower: string): void {
    this.at += 1;
    if (ADDRESSES.has(lower)) {
      const known = this.address(this.argument());
      this.out += known === "" || lower === "src" ? "none" : `url("${known}")`;
      return;
    }
    this.open.push(SETS.test(lower));
    this.out += `${GONE.has(lower) ? NOT_ADDRESS : raw}(`;
  }

  /** What stands in `url(`…`)`, up to and with the bracket. */
  private argument(): string {
    this.at += this.match(SPACES)?.[0].length ?? 0;
    const quote = this.text[this.at];
    if (quote !== '"' && quote !== "'") return this.until(")", "").trim();
    this.at += 1;
    const value = this.until(quote, "\n");
    this.until(")", "");
    return value;
  }

  /** Up to and with the sign that ends it; a broken string ends before its line does. */
  private until(end: string, breaks: string): string {
    let value = "";
    for (; this.at < this.text.length; ) {
      const next = this.text[this.at] as string;
      const spelled = next === "\\" ? this.match(ESCAPE) : null;
      if (spelled !== null) {
        value += unescaped(spelled);
        this.at += spelled[0].length;
        continue;
      }
      if (breaks.includes(next)) return value;
      this.at += next === "\\" ? 2 : 1;
      if (next === end) return value;
      if (next !== "\\") value += next;
    }
    return value;
  }

  private string(quote: string): void {
    const from = this.at;
    this.at += 1;
    this.until(quote, "\n");
    this.out += this.open.includes(true) ? 'url("data:,")' : this.text.slice(from, this.at);
  }

  private statement(): void {
    this.at += 1;
    const [raw, spelled] = this.name();
    const lower = spelled.toLowerCase();
    if (GONE_STATEMENTS.has(lower)) {
      this.skip();
      return;
    }
    this.out += `@${raw}`;
    if (lower === "media") this.media();
  }

  /** To the end of a statement or of its block. */
  private skip(): void {
    const { out } = this;
    for (let depth = 0; this.at < this.text.length; ) {
      const next = this.text[this.at] as string;
      if (next === "{") depth += 1;
      if (next === "}") depth -= 1;
      if (depth < 0) break;
      this.token(next);
      if ((next === ";" || next === "}") && depth === 0) break;
    }
    this.out = out;
  }

  private media(): void {
    const rest = this.text.slice(this.at);
    const end = rest.search(/[{;]/);
    const query = end < 0 ? rest : rest.slice(0, end);
    this.at += query.length;
    this.out += /["'\\]|url\(|\/\*/i.test(query) ? " not all" : mediaFor(query, this.device);
  }

  /** `light dark`: whichever the visitor sees. */
  private scheme(): void {
    const found = this.match(COLOR_SCHEME);
    const value = found?.[1] ?? "";
    if (found === null || !/\blight\b/i.test(value) || !/\bdark\b/i.test(value)) return;
    this.out += `:${this.device.dark ? "dark" : "light"}`;
    this.at += found[0].length;
  }
}

function unescaped([, hex, sign]: RegExpExecArray): string {
  if (hex === undefined) return sign ?? "";
  const code = Number.parseInt(hex, 16);
  return code === 0 || code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
}
