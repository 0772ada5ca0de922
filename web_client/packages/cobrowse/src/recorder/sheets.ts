/**
 * Stylesheets as the CSSOM has them: of `<style>` and `<link>`, constructed and adopted ones, rule by rule when a
 * page changes single rules. Every address in them becomes an asset number; `@import` is written out in place.
 * Source: docs/cobrowse_wire.md; W3C CSSOM.
 */
import { OP_ADOPT, OP_RADD, OP_RDEL, OP_RSET, OP_SDIS, OP_SHEET } from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import type { AssetNumbers, Attributes } from "./attributes.ts";
import type { Hooks } from "./hooks.ts";
import { native } from "./native.ts";
import type { Tree } from "./tree.ts";

type Root = Document | ShadowRoot;
const MANY = 64;

interface Known {
  number: number;
  rules: number;
  disabled: boolean;
}

interface RuleChange {
  op: number;
  index: number;
  text: string;
}

export interface SheetsOptions {
  tree: Tree;
  writer: Writer;
  attributes: Attributes;
  assets: AssetNumbers;
  /** Without what may not leave. */
  scrub: (css: string) => string;
  changed: () => void;
  /** Rules that may not be read. */
  opaque: (owner: number) => void;
}

export class Sheets {
  private readonly known = new Map<CSSStyleSheet, Known>();
  private readonly byOwner = new Map<Element, CSSStyleSheet>();
  private readonly dirty = new Set<Element>();
  private readonly whole = new Set<CSSStyleSheet>();
  private readonly rules = new Map<CSSStyleSheet, RuleChange[]>();
  private readonly roots = new Map<Root, readonly CSSStyleSheet[]>();
  private readonly fetched = new WeakMap<Element, string>();
  private next = 1;
  private stale = false;
  /** Rules whose declarations somebody has in hand, and what they said before. */
  private readonly suspects = new Map<CSSRule, string>();
  private looking = false;

  constructor(private readonly options: SheetsOptions) {}

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
    hooks.setter(realm.StyleSheet?.prototype, "disabled", () => this.changed());
    for (const owner of [realm.Document?.prototype, realm.ShadowRoot?.prototype]) {
      hooks.setter(owner, "adoptedStyleSheets", () => this.changed());
      hooks.getter(owner, "adoptedStyleSheets", (self: Root) => this.handled(self));
    }
  }

  /** A style or link element, or a root that may adopt sheets, became known. */
  add(node: Node): void {
    this.stale = true;
    if ("adoptedStyleSheets" in node) this.roots.set(node as Root, []);
    else this.dirty.add(node as Element);
  }

  /** Its text changed, or its rules were loaded. */
  reload(owner: Element): void {
    this.dirty.add(owner);
    this.changed();
  }

  drop(node: Node): void {
    this.dirty.delete(node as Element);
    this.roots.delete(node as Root);
    this.forgetOf(node as Element);
  }

  private forgetOf(owner: Element): void {
    const sheet = this.byOwner.get(owner);
    if (sheet === undefined) return;
    this.byOwner.delete(owner);
    this.known.delete(sheet);
    this.whole.delete(sheet);
    this.rules.delete(sheet);
  }

  clear(): void {
    for (const set of [
      this.known,
      this.byOwner,
      this.dirty,
      this.whole,
      this.rules,
      this.roots,
      this.suspects,
    ])
      set.clear();
    this.next = 1;
  }

  /** What no hook tells: `rule.style.color = ...`, rules that came by other ways. Looks at numbers only. */
  poll(): boolean {
    let found = false;
    for (const [sheet, known] of this.known) {
      const count = countOf(sheet);
      if (count === known.rules && sheet.disabled === known.disabled) continue;
      if (count !== known.rules && !this.rules.has(sheet)) this.whole.add(sheet);
      found = true;
    }
    for (const [root, before] of this.roots) if (!same(before, this.adoptedBy(root))) found = true;
    for (const [rule, before] of this.suspects) if (rule.cssText !== before) found = true;
    this.stale ||= found;
    return found;
  }

  /** Elements came to other places: a style element has another sheet since then. */
  moved(): void {
    for (const [owner, sheet] of this.byOwner) {
      if ((owner as HTMLStyleElement).sheet === sheet) continue;
      this.dirty.add(owner);
      this.stale = true;
    }
  }

  write(): void {
    if (!this.stale) return;
    this.stale = false;
    for (const owner of this.dirty) this.writeOwner(owner);
    this.dirty.clear();
    for (const [root, before] of this.roots) {
      if (!same(before, this.adoptedBy(root))) this.writeAdopted(root);
    }
    this.lookAtSuspects();
    for (const sheet of this.whole) this.writeSheet(sheet, this.ownerOf(sheet));
    this.whole.clear();
    for (const [sheet, changes] of this.rules) this.writeRules(sheet, changes);
    this.rules.clear();
    for (const [sheet, known] of this.known) {
      if (sheet.disabled === known.disabled) continue;
      known.disabled = sheet.disabled;
      this.options.writer.int(OP_SDIS);
      this.options.writer.int(known.number);
      this.options.writer.int(sheet.disabled ? 1 : 0);
    }
  }

  private lookAtSuspects(): void {
    for (const [rule, before] of this.suspects) {
      if (!rule.parentStyleSheet) this.suspects.delete(rule);
      else if (rule.cssText !== before) this.edited(rule);
    }
  }

  private changed(): void {
    this.stale = true;
    this.options.changed();
  }

  private added(sheet: CSSStyleSheet, index: number): void {
    this.change(sheet, OP_RADD, index, sheet.cssRules[index]?.cssText ?? "");
  }

  /** `rule.style.color = ...` tells nobody: compared when the next frame is written, and once in a while. */
  private suspect(rule: CSSRule): void {
    const sheet = rule.parentStyleSheet;
    if (!sheet || !this.known.has(sheet)) return;
    if (!this.suspects.has(rule)) this.suspects.set(rule, rule.cssText);
    if (this.suspects.size > MANY)
      for (const oldest of this.suspects.keys()) {
        this.suspects.delete(oldest);
        break;
      }
    native("queueMicrotask")(() => rule.cssText !== this.suspects.get(rule) && this.changed());
  }

  /** The list may be changed in place. */
  private handled(root: Root): void {
    if (this.looking || !this.roots.has(root)) return;
    native("queueMicrotask")(() => {
      const before = this.roots.get(root);
      if (before !== undefined && !same(before, this.adoptedBy(root))) this.changed();
    });
  }

  private adoptedBy(root: Root): readonly CSSStyleSheet[] {
    this.looking = true;
    const sheets = root.adoptedStyleSheets;
    this.looking = false;
    return sheets;
  }

  private edited(rule: CSSRule | null): void {
    const sheet = rule?.parentStyleSheet;
    if (!rule || !sheet || !this.known.has(sheet)) return;
    if (this.suspects.has(rule)) this.suspects.set(rule, rule.cssText);
    let top = rule;
    while (top.parentRule !== null) top = top.parentRule;
    const index = Array.prototype.indexOf.call(sheet.cssRules, top);
    if (index >= 0) this.change(sheet, OP_RSET, index, top.cssText);
  }

  private change(sheet: CSSStyleSheet, op: number, index: number, text: string): void {
    const known = this.known.get(sheet);
    if (known === undefined || this.whole.has(sheet)) return;
    const changes = this.rules.get(sheet) ?? [];
    const last = changes.at(-1);
    if (op === OP_RSET && last?.op === OP_RSET && last.index === index) last.text = text;
    else changes.push({ op, index, text });
    if (changes.length > MANY) {
      this.rules.delete(sheet);
      this.whole.add(sheet);
    } else {
      this.rules.set(sheet, changes);
    }
    this.changed();
  }

  private again(sheet: CSSStyleSheet): void {
    if (!this.known.has(sheet)) return;
    this.rules.delete(sheet);
    this.whole.add(sheet);
    this.changed();
  }

  private writeOwner(owner: Element): void {
    const id = this.options.tree.id(owner);
    const sheet = (owner as HTMLStyleElement).sheet;
    if (id === undefined || !sheet) return;
    if (this.byOwner.get(owner) !== sheet) this.forgetOf(owner);
    this.byOwner.set(owner, sheet);
    this.writeSheet(sheet, id, this.fetched.get(owner));
  }

  private writeSheet(sheet: CSSStyleSheet, owner: number, fetched?: string): void {
    const text = fetched ?? this.textOf(sheet);
    if (text === null) {
      this.fetchRules(sheet, owner);
      return;
    }
    const { writer, attributes, assets, scrub } = this.options;
    let known = this.known.get(sheet);
    if (known === undefined) {
      known = { number: this.next++, rules: 0, disabled: false };
      this.known.set(sheet, known);
    }
    known.rules = countOf(sheet);
    known.disabled = sheet.disabled;
    this.rules.delete(sheet);
    attributes.learn(text);
    writer.int(OP_SHEET);
    writer.int(known.number);
    writer.int(owner);
    writer.int(sheet.disabled ? 1 : 0);
    writer.text(scrub(assets.inCss(text, baseOf(sheet))));
  }

  private writeRules(sheet: CSSStyleSheet, changes: readonly RuleChange[]): void {
    const known = this.known.get(sheet);
    if (known === undefined) return;
    const { writer, attributes, assets, scrub } = this.options;
    known.rules = countOf(sheet);
    for (const { op, index, text } of changes) {
      writer.int(op);
      writer.int(known.number);
      writer.int(index);
      if (op === OP_RDEL) continue;
      attributes.learn(text);
      writer.text(scrub(assets.inCss(text, baseOf(sheet))));
    }
  }

  private writeAdopted(root: Root): void {
    const { tree, writer } = this.options;
    const id = tree.id(root);
    if (id === undefined) return;
    const sheets = [...this.adoptedBy(root)];
    for (const sheet of sheets) if (!this.known.has(sheet)) this.writeSheet(sheet, 0);
    this.roots.set(root, sheets);
    writer.int(OP_ADOPT);
    writer.ref(id);
    writer.int(sheets.length);
    for (const sheet of sheets) writer.int(this.known.get(sheet)?.number ?? 0);
  }

  private ownerOf(sheet: CSSStyleSheet): number {
    return (sheet.ownerNode && this.options.tree.id(sheet.ownerNode)) || 0;
  }

  /** All rules in words, or null when this page may not read them. */
  private textOf(sheet: CSSStyleSheet): string | null {
    try {
      const parts: string[] = [];
      for (const rule of sheet.cssRules) parts.push(this.ruleText(rule));
      return parts.join("\n");
    } catch {
      return null;
    }
  }

  private ruleText(rule: CSSRule): string {
    if (!("styleSheet" in rule)) return rule.cssText;
    const inner = rule as CSSImportRule;
    const text = inner.styleSheet ? (this.textOf(inner.styleSheet) ?? "") : "";
    const rewritten = inner.styleSheet ? this.options.assets.inCss(text, baseOf(inner.styleSheet)) : text;
    return within(inner, rewritten);
  }

  /** A sheet of another origin: the visitor's browser may be allowed to read it after all. */
  private fetchRules(sheet: CSSStyleSheet, owner: number): void {
    const element = sheet.ownerNode as Element | null;
    if (element === null || sheet.href === null || this.fetched.has(element)) return;
    this.fetched.set(element, "");
    fetch(sheet.href, { credentials: "omit" })
      .then((response) => (response.ok ? response.text() : Promise.reject(new Error("refused"))))
      .then((text) => {
        this.fetched.set(element, text.replace(/@import[^;]*;/g, ""));
        this.reload(element);
      })
      .catch(() => this.options.opaque(owner));
  }
}

function countOf(sheet: CSSStyleSheet): number {
  try {
    return sheet.cssRules.length;
  } catch {
    return -1;
  }
}

function baseOf(sheet: CSSStyleSheet): string {
  return sheet.href ?? sheet.ownerNode?.baseURI ?? document.baseURI;
}

function same(before: readonly CSSStyleSheet[], now: readonly CSSStyleSheet[]): boolean {
  return before.length === now.length && before.every((sheet, index) => sheet === now[index]);
}

/** What an import says besides the address, written around its rules. */
function within({ media, supportsText, layerName }: CSSImportRule, rules: string): string {
  const asked = media.mediaText ? `@media ${media.mediaText} {${rules}}` : rules;
  const able = supportsText ? `@supports (${supportsText}) {${asked}}` : asked;
  return layerName === null || layerName === undefined ? able : `@layer ${layerName} {${able}}`;
}
