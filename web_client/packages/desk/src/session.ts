/**
 * The agent's short-lived access token: fetched with the session cookie, shared by socket and HTTP calls,
 * renewed before it ends. It is kept in memory only. Source: docs/protocol.md, section 1.
 */
import type { AccessToken } from "@talknow/protocol";

const RENEW_BEFORE_MS = 30_000;

export class AgentSession {
  private token: AccessToken | null = null;
  private pending: Promise<string> | null = null;

  constructor(
    private readonly fetchToken: () => Promise<AccessToken>,
    private readonly now: () => number = Date.now,
  ) {}

  /** The current token; a new one when it runs out or the server refused it (`stale`). */
  access(stale: boolean): Promise<string> {
    const { token } = this;
    if (!stale && token !== null && token.expires_ms - this.now() > RENEW_BEFORE_MS) {
      return Promise.resolve(token.token);
    }
    this.pending ??= this.renew().finally(() => {
      this.pending = null;
    });
    return this.pending;
  }

  forget(): void {
    this.token = null;
  }

  private async renew(): Promise<string> {
    this.token = await this.fetchToken();
    return this.token.token;
  }
}
