/** What the agent has begun to write, per engagement: drafts and wrap-ups. It survives a reload of the tab. */
import { readJson, type Store } from "@talknow/client";

export interface WrapUp {
  code: string;
  note: string;
}

const DRAFTS = "talknow:desk:drafts";
const WRAP_UPS = "talknow:desk:wrapups";

export class Kept {
  private readonly drafts: Map<string, string>;
  private readonly wrapUps: Map<string, WrapUp>;

  constructor(private readonly store: Store) {
    this.drafts = new Map(readJson<[string, string][]>(store, DRAFTS) ?? []);
    this.wrapUps = new Map(readJson<[string, WrapUp][]>(store, WRAP_UPS) ?? []);
  }

  draft(engagement: string): string {
    return this.drafts.get(engagement) ?? "";
  }

  setDraft(engagement: string, text: string): void {
    if (text === "") this.drafts.delete(engagement);
    else this.drafts.set(engagement, text);
    this.store.setItem(DRAFTS, JSON.stringify([...this.drafts]));
  }

  wrapUp(engagement: string): WrapUp {
    return this.wrapUps.get(engagement) ?? { code: "", note: "" };
  }

  setWrapUp(engagement: string, wrapUp: WrapUp): void {
    this.wrapUps.set(engagement, wrapUp);
    this.saveWrapUps();
  }

  /** The engagement is done: nothing of it stays in this browser. */
  forget(engagement: string): void {
    this.setDraft(engagement, "");
    this.wrapUps.delete(engagement);
    this.saveWrapUps();
  }

  /** Somebody else may log in here next. */
  clear(): void {
    this.drafts.clear();
    this.wrapUps.clear();
    this.store.removeItem(DRAFTS);
    this.store.removeItem(WRAP_UPS);
  }

  private saveWrapUps(): void {
    this.store.setItem(WRAP_UPS, JSON.stringify([...this.wrapUps]));
  }
}
