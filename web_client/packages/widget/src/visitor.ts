/**
 * Who the visitor is in this browser: the credential, kept per site and per subject of the company's token.
 *
 * A token is redeemed once; afterwards the credential is the visitor, so a token that ran out never
 * interrupts. The token is only read for its subject here; the server alone verifies it.
 * Source: docs/protocol.md, sections 1 and 8.
 */
import { type Api, readJson, type Store, TalkError } from "@talknow/client";
import type { SessionReply } from "@talknow/protocol";

const PREFIX = "talknow:visitor:";
/** What is kept; lent: of a visitor that began anonymously, for as long as its engagement goes on. */
interface Kept extends SessionReply {
  lent?: boolean;
}

const TOKEN_FAULTS = new Set(["invalid_token", "token_replayed"]);

/** Where the visitor is kept whose engagement at the site goes on in this browser. */
export function liveKey(site: string): string {
  return `talknow:live:${site}`;
}

/** The `sub` of a JWT, "" when there is none; unverified, for choosing the stored credential only. */
export function subjectOf(token: string | null): string {
  try {
    const part = token?.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown };
    return typeof claims.sub === "string" ? claims.sub : "";
  } catch {
    return "";
  }
}

export interface VisitorOptions {
  api: Pick<Api, "session">;
  site: string;
  store: Store;
  /** A token that the server refused; the visitor goes on with the credential, or anonymously. */
  onFault: (code: string) => void;
}

export class Visitor {
  private token: string | null = null;
  private pending: Promise<SessionReply> | null = null;
  /** What the visitor was lent for is over: the company's customer may have been here before, with a history. */
  private renews = false;

  constructor(private readonly options: VisitorOptions) {}

  /** Of the token; a page without one goes on as whom this browser last was, until sign-out. */
  get subject(): string {
    if (this.token !== null) return subjectOf(this.token);
    return this.options.store.getItem(this.subjectKey) ?? "";
  }

  /** What is stored for this subject, or null before the first session. */
  get known(): SessionReply | null {
    if (this.signsIn || this.renews) return null;
    const saved = readJson<SessionReply>(this.options.store, this.key);
    return saved !== null && saved.expires_ms > Date.now() ? saved : null;
  }

  /** Take a fresh token; true when it names another subject than before. */
  setToken(token: string | null): boolean {
    const before = this.subject;
    this.token = token;
    const subject = this.subject;
    if (token !== null) {
      this.options.store.setItem(this.subjectKey, subject);
      const kept = readJson<Kept>(this.options.store, this.key);
      this.renews = kept?.lent === true && !this.isLive;
    }
    return subject !== before;
  }

  /** Be who this browser is on another origin of the site; false when the page says that it is somebody else. */
  adopt(subject: string, session: SessionReply): boolean {
    const { site, store } = this.options;
    if (this.token !== null && this.subject !== subject) return false;
    const live = this.known;
    if (live !== null && live.visitor !== session.visitor && store.getItem(liveKey(site)) !== null)
      return false;
    store.setItem(this.subjectKey, subject);
    store.setItem(`${PREFIX}${site}:${subject}`, JSON.stringify(session));
    return true;
  }

  /** The visitor's credential; `stale` when the server refused the stored one. */
  async credential(stale = false): Promise<string> {
    if (!stale && this.known !== null) return this.known.credential;
    this.pending ??= this.request().finally(() => {
      this.pending = null;
    });
    return (await this.pending).credential;
  }

  /** Sign-out: no credential of this site stays in this browser. */
  clear(): void {
    const { store, site } = this.options;
    for (const key of store.keys()) if (key.startsWith(`${PREFIX}${site}:`)) store.removeItem(key);
    store.removeItem(this.subjectKey);
    this.token = null;
  }

  /** Whether the customer signs in while what it began anonymously goes on. */
  get signsIn(): boolean {
    return this.anonymous !== null;
  }

  /** Whether this browser has an engagement at the site. */
  private get isLive(): boolean {
    return this.options.store.getItem(liveKey(this.options.site)) !== null;
  }

  private get subjectKey(): string {
    return `talknow:subject:${this.options.site}`;
  }

  private get key(): string {
    return this.keyOf(this.subject);
  }

  private keyOf(subject: string): string {
    return `${PREFIX}${this.options.site}:${subject}`;
  }

  private get anonymous(): Kept | null {
    if (this.token === null || this.subject === "") return null;
    const { store, site } = this.options;
    const kept = readJson<Kept>(store, this.keyOf(""));
    return kept !== null && kept.visitor === store.getItem(liveKey(site)) ? kept : null;
  }

  private get proof(): { token?: string } {
    return this.token === null ? {} : { token: this.token };
  }

  private async request(): Promise<SessionReply> {
    const { api, site, store } = this.options;
    const key = this.key;
    const lender = this.anonymous;
    const kept = lender ?? readJson<Kept>(store, key);
    const known = kept === null ? {} : { credential: kept.credential };
    let fresh = this.renews || kept === null;
    let reply: SessionReply;
    try {
      reply = await api.session({ site, ...(fresh ? {} : known), ...this.proof });
    } catch (error) {
      if (this.token === null || !isTokenFault(error)) throw error;
      if (fresh || lender !== null) this.options.onFault(error.code);
      fresh = kept === null;
      reply = await api.session({ site, ...known });
    }
    this.renews = false;
    const lent = !fresh && kept?.visitor === reply.visitor && (lender !== null || kept.lent === true);
    if (lender !== null) store.removeItem(this.keyOf(""));
    store.setItem(key, JSON.stringify(lent ? { ...reply, lent } : reply));
    return reply;
  }
}

function isTokenFault(error: unknown): error is TalkError {
  return error instanceof TalkError && TOKEN_FAULTS.has(error.code);
}
