/**
 * The HTTP calls of the protocol, typed. Errors become `TalkError` with the server's stable code; what
 * never reached the server is `unreachable`. It keeps no state but asks for the credential on each call.
 */
import type {
  AccessToken,
  AgentInfo,
  AnswerReply,
  AnswerRequest,
  FileInfo,
  IceServer,
  LoginRequest,
  PathOffer,
  PathRequest,
  Problem,
  SessionReply,
  SessionRequest,
  TimelinePage,
  WidgetConfig,
} from "@talknow/protocol";

import { nodeOf } from "./nodes.ts";

/** A refusal with a stable code (docs/protocol.md, section 9), or `unreachable` / `offline`. */
export class TalkError extends Error {
  constructor(
    readonly code: string,
    message = code,
    readonly retryAfterMs = 0,
    readonly status = 0,
  ) {
    super(message);
    this.name = "TalkError";
  }
  /** Nothing was stored; the same request may be repeated later. */
  get transient(): boolean {
    return TRANSIENT.has(this.code);
  }
}

const TRANSIENT = new Set(["rate_limited", "overloaded", "unavailable", "unreachable", "offline"]);

export interface ApiOptions {
  /** Origin of the Talk Now server, without a trailing slash. */
  server: string;
  /** Current Bearer: visitor credential or agent access token. `stale`: the last one was refused. */
  token?: (stale: boolean) => Promise<string | null> | string | null;
  fetch?: typeof fetch;
}

async function problemOf(response: Response): Promise<TalkError> {
  const body = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const code = body.code ?? (response.status === 401 ? "unauthenticated" : "unavailable");
  return new TalkError(code, body.detail || body.title || code, body.retry_after_ms ?? 0, response.status);
}

export class Api {
  constructor(private readonly options: ApiOptions) {}

  get server(): string {
    return this.options.server;
  }

  session(body: SessionRequest): Promise<SessionReply> {
    return this.json("POST", "/v1/visitors/session", body, false);
  }
  widget(site: string): Promise<WidgetConfig> {
    return this.json("GET", `/v1/sites/${encodeURIComponent(site)}/widget`, undefined, false);
  }
  login(body: LoginRequest): Promise<AgentInfo> {
    return this.json("POST", "/v1/agents/login", body, false);
  }
  logout(): Promise<void> {
    return this.json("POST", "/v1/agents/logout", undefined, false);
  }
  accessToken(): Promise<AccessToken> {
    return this.json("POST", "/v1/agents/token", undefined, false);
  }
  me(): Promise<AgentInfo> {
    return this.json("GET", "/v1/agents/me", undefined, false);
  }
  openPath(body: PathRequest): Promise<PathOffer> {
    return this.json("POST", "/v1/paths", body);
  }
  answerPath(path: string, body: AnswerRequest): Promise<AnswerReply> {
    return this.json("POST", `/v1/paths/${encodeURIComponent(path)}/answer`, body);
  }
  timeline(engagement: string, before: number): Promise<TimelinePage> {
    return this.json("GET", `/v1/engagements/${encodeURIComponent(engagement)}/timeline?before=${before}`);
  }
  ice(): Promise<{ ice_servers: IceServer[] }> {
    return this.json("GET", "/v1/ice");
  }

  /** Send the bytes of a file; `engagement` null when the first message will open one. */
  async upload(file: Blob, name: string, engagement: string | null): Promise<FileInfo> {
    const query = new URLSearchParams({ name });
    if (engagement !== null) query.set("engagement", engagement);
    const response = await this.call("POST", `/v1/files?${query}`, file, "application/octet-stream", true);
    return (await response.json()) as FileInfo;
  }

  /** The bytes of a file; a plain `<img src>` could not send the credential. */
  async file(id: string): Promise<Blob> {
    const response = await this.call("GET", `/v1/files/${encodeURIComponent(id)}`, undefined, "", true);
    return response.blob();
  }

  private async json<T>(method: string, path: string, body?: object, bearer = true): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await this.call(
      method,
      path,
      text,
      text === undefined ? "" : "application/json",
      bearer,
    );
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  private async call(
    method: string,
    path: string,
    body: BodyInit | undefined,
    type: string,
    bearer: boolean,
  ): Promise<Response> {
    for (const stale of [false, true]) {
      const headers: Record<string, string> = type === "" ? {} : { "Content-Type": type };
      const token = bearer ? await this.options.token?.(stale) : null;
      if (token) headers.Authorization = `Bearer ${token}`;
      const response = await this.reach(path, { method, headers, body, credentials: this.cookies() }, bearer);
      if (response.ok) return response;
      const problem = await problemOf(response);
      if (stale || !bearer || problem.code !== "unauthenticated" || !this.options.token) throw problem;
    }
    throw new TalkError("unauthenticated");
  }

  /** The agents' session cookie goes to the own origin only; a company's page never sends cookies. */
  private cookies(): RequestCredentials {
    return this.options.server === location.origin ? "same-origin" : "omit";
  }

  /** What the session cookie decides is asked of the own origin alone. */
  private async reach(path: string, init: RequestInit, bearer: boolean): Promise<Response> {
    const { server } = this.options;
    const base = bearer || init.credentials === "omit" ? nodeOf(server) : server;
    try {
      return await (this.options.fetch ?? fetch)(base + path, init);
    } catch {
      throw new TalkError("unreachable");
    }
  }
}
