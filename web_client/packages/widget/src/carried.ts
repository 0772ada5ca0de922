/** What goes from one origin of a site to the next, and what page and bridge say to each other. Types only. */
import type { SessionReply } from "@talknow/protocol";

export interface Carried {
  /** Of the company's token, "" for an anonymous visitor. */
  subject: string;
  visitor: SessionReply;
  engagement: string;
  /** The pass to the tab's stream. */
  token: string;
}

export type BridgeQuestion = { kind: "keep"; carried: Carried | null } | { kind: "take" };
export type BridgeAnswer = { kind: "ready" } | { kind: "kept"; carried: Carried | null };
