/**
 * Changes of style sheets that viewers have, rule by rule: what the page's own calls tell, and what nobody tells.
 * Loaded after the first snapshot; what changed until then comes whole. Source: docs/cobrowse_wire.md; W3C CSSOM.
 */
import { OP_RADD, OP_RDEL, OP_RSET, OP_SDIS } from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import type { Hooks } from "./hooks.ts";
import { native } from "./native.ts";
import { countOf, type Root, type RuleChange, type Sheets, same } from "./sheets.ts";
import type { Tree } from "./tree.ts";

const MANY = 64;

export class Rules {
  /** Rules whose declarations somebody has in hand, and what they said before. */
  private readonly suspects = new Map<CSSRule, string>();

  constructor(
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly sheets: Sheets,
    /** Rules that may not be read. */
    private readonly opaque: (owner: number) => void,
  ) {
    sheets.rest = () => this.write();
    sheets.stale = true;
    for (const [sheet, known] of sheets.known) {
      const text = sheets.textOf(sheet);
      if (text !== null && text !== known.text) sheets.whole.add(sheet);
      known.text = "";
    }
  }

  clear(): void {
    this.suspects.clear();
  }

  hook(hooks: Hooks, realm: typeof globalThis): void {
    const sheet = realm.CSSStyleSheet?.prototype;
    const group = realm.CSSGroupingRule?.prototype;
    hooks.method(sheet, "insertRule", (self: CSSStyleSheet, args) => this.added(self, Number(args[1] ?? 0)));
    hooks.method(sheet, "deleteRule", (self: CSSStyleSheet, args) =>
      this.change(self, OP_RDEL, Number(args[0]), ""),
    );
    for (const name of ["addRule", "removeRule", "replace", "replaceSync"])
      hooks.method(sheet, name, (self: CSSStyleSheet) => this.again(self));
    for (const name of ["insertRule", "deleteRule"])
      hooks.method(group, name, (self: CSSRule) => this.edited(self));
    for (const name of ["appendRule", "deleteRule"])
      hooks.method(realm.CSSKeyframesRule?.prototype, name, (self: CSSRule) => this.edited(self));
    const style = realm.CSSStyleDeclaration?.prototype;
    for (const name of ["setProperty", "removeProperty"])
      hooks.method(style, name, (self: CSSStyleDeclaration) => this.edited(self.parentRule));
    hooks.setter(style, "cssText", (self: CSSStyleDeclaration) => this.edited(self.parentRule));
    for (const kind of [realm.CSSStyleRule, realm.CSSKeyframeRule, realm.CSSFontFaceRule])
      hooks.getter(kind?.prototype, "style", (self: CSSRule) => this.suspect(self));
    hooks.setter(realm.CSSStyleRule?.prototype, "selectorText", (self: CSSRule) => this.edited(self));
    hooks.setter(realm.StyleSheet?.prototype, "disabled", () => this.sheets.changed());
    for (const owner of [realm.Document?.prototype, realm.ShadowRoot?.prototype]) {
      hooks.setter(owner, "adoptedStyleSheets", () => this.sheets.changed());
      hooks.getter(owner, "adoptedStyleSheets", (self: Root) => this.handled(self));
    }
  }

  /** What no hook tells: `rule.style.color = ...`, rules that came by other ways. Looks at numbers only. */
  poll(): boolean {
    let found = false;
    for (const [sheet, known] of this.sheets.known) {
      const count = countOf(sheet);
      if (count === known.rules && sheet.disabled === known.disabled) continue;
      if (count !== known.rules && !this.sheets.changes.has(sheet)) this.sheets.whole.add(sheet);
      found = true;
    }
    for (const [root, before] of this.sheets.roots)
      if (!same(before, this.sheets.adoptedBy(root))) found = true;
    for (const [rule, before] of this.suspects) if (rule.cssText !== before) found = true;
    this.sheets.stale ||= found;
    return found;
  }

  /** Elements came to other places: a style element has another sheet since then. */
  moved(): void {
    for (const [owner, sheet] of this.sheets.byOwner) {
      if ((owner as HTMLStyleElement).sheet === sheet) continue;
      this.sheets.dirty.add(owner);
      this.sheets.stale = true;
    }
  }

  private write(): void {
    const { sheets, writer } = this;
    this.lookAtSuspects();
    for (const sheet of sheets.whole) sheets.writeSheet(sheet, this.ownerOf(sheet));
    sheets.whole.clear();
    for (const [sheet, changes] of sheets.changes) this.writeRules(sheet, changes);
    sheets.changes.clear();
    for (const [sheet, known] of sheets.known) {
      if (sheet.disabled === known.disabled) continue;
      known.disabled = sheet.disabled;
      writer.int(OP_SDIS);
      writer.int(known.number);
      writer.int(sheet.disabled ? 1 : 0);
    }
    for (const [sheet, owner] of sheets.unreadable) this.fetchRules(sheet, owner);
    sheets.unreadable.clear();
  }

  private lookAtSuspects(): void {
    for (const [rule, before] of this.suspects) {
      if (!rule.parentStyleSheet) this.suspects.delete(rule);
      else if (rule.cssText !== before) this.edited(rule);
    }
  }

  private added(sheet: CSSStyleSheet, index: number): void {
    this.change(sheet, OP_RADD, index, sheet.cssRules[index]?.cssText ?? "");
  }

  /** `rule.style.color = ...` tells nobody: compared when the next frame is written, and once in a while. */
  private suspect(rule: CSSRule): void {
    const sheet = rule.parentStyleSheet;
    if (!sheet || !this.sheets.known.has(sheet)) return;
    if (!this.suspects.has(rule)) this.suspects.set(rule, rule.cssText);
    if (this.suspects.size > MANY)
      for (const oldest of this.suspects.keys()) {
        this.suspects.delete(oldest);
        break;
      }
    native("queueMicrotask")(() => rule.cssText !== this.suspects.get(rule) && this.sheets.changed());
  }

  /** The list may be changed in place. */
  private handled(root: Root): void {
    if (this.sheets.looking || !this.sheets.roots.has(root)) return;
    native("queueMicrotask")(() => {
      const before = this.sheets.roots.get(root);
      if (before !== undefined && !same(before, this.sheets.adoptedBy(root))) this.sheets.changed();
    });
  }

  private edited(rule: CSSRule | null): void {
    const sheet = rule?.parentStyleSheet;
    if (!rule || !sheet || !this.sheets.known.has(sheet)) return;
    if (this.suspects.has(rule)) this.suspects.set(rule, rule.cssText);
    let top = rule;
    while (top.parentRule !== null) top = top.parentRule;
    const index = Array.prototype.indexOf.call(sheet.cssRules, top);
    if (index >= 0) this.change(sheet, OP_RSET, index, top.cssText);
  }

  private change(sheet: CSSStyleSheet, op: number, index: number, text: string): void {
    const known = this.sheets.known.get(sheet);
    if (known === undefined || this.sheets.whole.has(sheet)) return;
    const changes = this.sheets.changes.get(sheet) ?? [];
    const last = changes.at(-1);
    if (op === OP_RSET && last?.op === OP_RSET && last.index === index) last.text = text;
    else changes.push({ op, index, text });
    if (changes.length > MANY) {
      this.sheets.changes.delete(sheet);
      this.sheets.whole.add(sheet);
    } else {
      this.sheets.changes.set(sheet, changes);
    }
    this.sheets.changed();
  }

  private again(sheet: CSSStyleSheet): void {
    if (!this.sheets.known.has(sheet)) return;
    this.sheets.changes.delete(sheet);
    this.sheets.whole.add(sheet);
    this.sheets.changed();
  }

  private writeRules(sheet: CSSStyleSheet, changes: readonly RuleChange[]): void {
    const known = this.sheets.known.get(sheet);
    if (known === undefined) return;
    const { writer } = this;
    known.rules = countOf(sheet);
    for (const { op, index, text } of changes) {
      writer.int(op);
      writer.int(known.number);
      writer.int(index);
      if (op !== OP_RDEL) this.sheets.say(sheet, text);
    }
  }

  private ownerOf(sheet: CSSStyleSheet): number {
    return (sheet.ownerNode && this.tree.id(sheet.ownerNode)) || 0;
  }

  /** A sheet of another origin: the visitor's browser may be allowed to read it after all. */
  private fetchRules(sheet: CSSStyleSheet, owner: number): void {
    const element = sheet.ownerNode as Element | null;
    if (element === null || sheet.href === null || this.sheets.fetched.has(element)) return;
    this.sheets.fetched.set(element, "");
    fetch(sheet.href, { credentials: "omit" })
      .then((response) => (response.ok ? response.text() : Promise.reject(new Error("refused"))))
      .then((text) => {
        this.sheets.fetched.set(element, text.replace(/@import[^;]*;/g, ""));
        this.sheets.reload(element);
      })
      .catch(() => this.opaque(owner));
  }
}
