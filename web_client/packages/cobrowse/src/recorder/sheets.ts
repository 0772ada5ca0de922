/**
 * Stylesheets as the CSSOM has them, whole: of `<style>` and `<link>`, constructed and adopted ones. Every address in
 * them becomes an asset number; `@import` is written out in place. How rules change later is `rules.ts`.
 * Source: docs/cobrowse_wire.md; W3C CSSOM.
 */
import { OP_ADOPT, OP_SHEET } from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import type { AssetNumbers, Attributes } from "./attributes.ts";
import type { Tree } from "./tree.ts";

export type Root = Document | ShadowRoot;

export interface Known {
  number: number;
  rules: number;
  disabled: boolean;
  /** What it said, until somebody watches its rules. */
  text: string;
}

export interface RuleChange {
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
}

export class Sheets {
  readonly known = new Map<CSSStyleSheet, Known>();
  readonly byOwner = new Map<Element, CSSStyleSheet>();
  readonly roots = new Map<Root, readonly CSSStyleSheet[]>();
  readonly dirty = new Set<Element>();
  /** What `rules.ts` found changed: sheets that come again whole, and rules of others. */
  readonly whole = new Set<CSSStyleSheet>();
  readonly changes = new Map<CSSStyleSheet, RuleChange[]>();
  stale = false;
  /** Reading `adoptedStyleSheets` is our own doing. */
  looking = false;
  /** What else is written when anything is; null until it is there. */
  rest: (() => void) | null = null;
  /** Sheets of other origins and their owners' ids, and what could be read of them after all. */
  readonly unreadable = new Map<CSSStyleSheet, number>();
  readonly fetched = new WeakMap<Element, string>();
  private next = 1;

  constructor(private readonly options: SheetsOptions) {}

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
    this.changes.delete(sheet);
  }

  clear(): void {
    for (const set of [this.known, this.byOwner, this.dirty, this.whole, this.changes, this.roots])
      set.clear();
    this.next = 1;
  }

  write(): void {
    if (!this.stale) return;
    this.stale = false;
    for (const owner of this.dirty) this.writeOwner(owner);
    this.dirty.clear();
    for (const [root, before] of this.roots) {
      if (!same(before, this.adoptedBy(root))) this.writeAdopted(root);
    }
    this.rest?.();
  }

  changed(): void {
    this.stale = true;
    this.options.changed();
  }

  adoptedBy(root: Root): readonly CSSStyleSheet[] {
    this.looking = true;
    const sheets = root.adoptedStyleSheets;
    this.looking = false;
    return sheets;
  }

  private writeOwner(owner: Element): void {
    const id = this.options.tree.id(owner);
    const sheet = (owner as HTMLStyleElement).sheet;
    if (id === undefined || !sheet) return;
    if (this.byOwner.get(owner) !== sheet) this.forgetOf(owner);
    this.byOwner.set(owner, sheet);
    this.writeSheet(sheet, id, this.fetched.get(owner));
  }

  writeSheet(sheet: CSSStyleSheet, owner: number, fetched?: string): void {
    const text = fetched ?? this.textOf(sheet);
    if (text === null) {
      this.unreadable.set(sheet, owner);
      return;
    }
    const { writer } = this.options;
    const { disabled } = sheet;
    const number = this.known.get(sheet)?.number ?? this.next++;
    this.known.set(sheet, { number, rules: countOf(sheet), disabled, text: this.rest === null ? text : "" });
    this.changes.delete(sheet);
    writer.int(OP_SHEET);
    writer.int(number);
    writer.int(owner);
    writer.int(disabled ? 1 : 0);
    this.say(sheet, text);
  }

  /** Rules of the sheet, as they may be known. */
  say(sheet: CSSStyleSheet, text: string): void {
    const { writer, attributes, assets, scrub } = this.options;
    attributes.learn(text);
    writer.text(scrub(assets.inCss(text, baseOf(sheet))));
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

  /** All rules in words, or null when this page may not read them. */
  textOf(sheet: CSSStyleSheet): string | null {
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
}

export function countOf(sheet: CSSStyleSheet): number {
  try {
    return sheet.cssRules.length;
  } catch {
    return -1;
  }
}

function baseOf(sheet: CSSStyleSheet): string {
  return sheet.href ?? sheet.ownerNode?.baseURI ?? document.baseURI;
}

export function same(before: readonly CSSStyleSheet[], now: readonly CSSStyleSheet[]): boolean {
  return before.length === now.length && before.every((sheet, index) => sheet === now[index]);
}

/** What an import says besides the address, written around its rules. */
function within({ media, supportsText, layerName }: CSSImportRule, rules: string): string {
  const asked = media.mediaText ? `@media ${media.mediaText} {${rules}}` : rules;
  const able = supportsText ? `@supports (${supportsText}) {${asked}}` : asked;
  return layerName === null || layerName === undefined ? able : `@layer ${layerName} {${able}}`;
}
